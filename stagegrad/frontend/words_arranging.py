"""NumPy's words that repeat, turn, shift, surround, split and pick elements of arrays."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from stagegrad.frontend import prelude_numpy
from stagegrad.frontend.numpy_words import word
from stagegrad.frontend.values import Many, Value, describe
from stagegrad.frontend.words_creation import array_of, as_type, common_type
from stagegrad.frontend.words_shaping import axis_of, flat, transposed
from stagegrad.ir import INT, Atom, Attr, Lit, Type

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def whole_of(low: Arrays, node: ast.AST, value: Value, what: str) -> Atom:
    """One int."""
    return low.whole(low.atom(value, node), node, what)


def section(low: Arrays, node: ast.AST, x: Atom, axis: int, start: Atom, stop: Atom) -> Atom:
    """``x[:, start:stop]``."""
    attrs: list[tuple[str, Attr]] = [("at", f"[{':, ' * axis}{{0}}:{{1}}]"), ("rank", x.type.rank)]
    return low.emit("load", [x, start, stop], node, attrs)


def extent(low: Arrays, node: ast.AST, x: Atom, axis: int) -> Atom:
    """The size of an axis."""
    return low.emit("extent", [x], node, [("axis", axis)])


def on_axis(low: Arrays, node: ast.AST, a: Value, axis: Value) -> tuple[Atom, int]:
    """An array and an axis of it; where no axis is given, all its elements in one."""
    x = array_of(low, node, a)
    if low.known(axis, node) is None or not x.type.rank:
        return flat(low, node, x), 0
    return x, axis_of(low, node, axis, x.type.rank)


# ---------------------------------------------------------------------------------------------- repeating and turning


@word("repeat", method=True)
def _repeat(low: Arrays, node: ast.AST, a: Value, repeats: Value, axis: Any = None) -> Value:
    x, along = on_axis(low, node, a, axis)
    many = low.array(repeats, node)
    if many.type.rank:
        return _repeated(low, node, x, along, many)
    return low.emit("repeat", [x, low.whole(many, node, "the number of repeats")], node, [("axis", along)])


def _repeated(low: Arrays, node: ast.AST, x: Atom, axis: int, repeats: Atom) -> Value:
    """As many of each element as an array says."""
    if repeats.type.kind != "int" or repeats.type.rank != 1:
        raise low.refusal(node, f"repeats are an int or a vector of ints, and this is {describe(repeats)}")
    own, count = low.emit("size", [repeats], node), extent(low, node, x, axis)
    low.stop(low.arithmetic("ne", own, count, node), "ValueError", "operands could not be broadcast together", node)
    places = low.array(low.composed(prelude_numpy.repeated_places, [repeats], node), node)
    return _taken(low, node, x, places, axis)


def _taken(low: Arrays, node: ast.AST, x: Atom, places: Atom, axis: int) -> Atom:
    """``np.take(x, places, axis)``, for a vector of places."""
    return low.emit("load", [x, places], node, [("at", f"[{':, ' * axis}{{0}}]"), ("rank", x.type.rank), ("gather", True)])


@word("tile")
def _tile(low: Arrays, node: ast.AST, A: Value, reps: Value) -> Value:
    x = array_of(low, node, A)
    if not x.type.rank:
        x = flat(low, node, x)
    many = [whole_of(low, node, item, "the number of repeats") for item in (reps.items if isinstance(reps, Many) else (reps,))]
    while x.type.rank < len(many):
        x = low.emit("expand_dims", [x], node, [("axis", 0)])
    for axis, count in enumerate(many, x.type.rank - len(many)):
        if count != Lit(1, INT):
            x = low.emit("tile", [x, count], node, [("axis", axis)])
    return low.emit("duplicate", [x], node) if all(count == Lit(1, INT) for count in many) else x


def _shifts(low: Arrays, node: ast.AST, shift: Value, axes: Sequence[int]) -> list[Atom]:
    items = shift.items if isinstance(shift, Many) else (shift,) * len(axes)
    if len(items) != len(axes):
        raise low.refusal(node, "there must be as many shifts as axes")
    return [whole_of(low, node, item, "a shift") for item in items]


@word("roll")
def _roll(low: Arrays, node: ast.AST, a: Value, shift: Value, axis: Any = None) -> Value:
    x = array_of(low, node, a)
    axes = low.axes(axis, x.type.rank, node)
    if axes is None:
        rolled = low.emit("roll", [flat(low, node, x), *_shifts(low, node, shift, [0])], node, [("axis", 0)])
        return rolled if x.type.rank == 1 else low.emit("reshape_like", [rolled, x], node)
    over = axes if isinstance(axes, tuple) else (axes,)
    for along, by in zip(over, _shifts(low, node, shift, over), strict=True):
        x = low.emit("roll", [x, by], node, [("axis", along)])
    return x


def flipped(low: Arrays, node: ast.AST, x: Atom, axes: Sequence[int]) -> Atom:
    """An array backwards along some of its axes."""
    for axis in axes:
        x = low.emit("flip", [x], node, [("axis", axis)])
    return x


@word("flip")
def _flip(low: Arrays, node: ast.AST, m: Value, axis: Any = None) -> Value:
    x = low.array(m, node)
    axes = low.axes(axis, x.type.rank, node)
    return flipped(low, node, x, range(x.type.rank) if axes is None else axes if isinstance(axes, tuple) else (axes,))


def _flip_along(axis: int) -> Callable[..., Value]:
    def lower(low: Arrays, node: ast.AST, m: Value) -> Value:
        x = low.array(m, node)
        if x.type.rank <= axis:
            raise low.refusal(node, f"this needs an array of at least {axis + 1} axes")
        return flipped(low, node, x, [axis])

    return lower


word("flipud")(_flip_along(0))
word("fliplr")(_flip_along(1))


@word("rot90")
def _rot90(low: Arrays, node: ast.AST, m: Value, k: Any = 1, axes: Any = (0, 1)) -> Value:
    x, turns = low.array(m, node), low.known(k, node)
    plane = low.axes(axes, x.type.rank, node)
    if not isinstance(turns, int) or not isinstance(plane, tuple) or len(plane) != 2:
        raise low.refusal(node, "np.rot90 needs a number of turns that is written out, and two axes")
    one, two = plane
    order = list(range(x.type.rank))
    order[one], order[two] = two, one
    match turns % 4:
        case 1:
            return transposed(low, node, flipped(low, node, x, [two]), order)
        case 2:
            return flipped(low, node, x, [one, two])
        case 3:
            return flipped(low, node, transposed(low, node, x, order), [two])
    return x


@word("pad")
def _pad(low: Arrays, node: ast.AST, array: Value, pad_width: Value, mode: Any = "constant", constant_values: Any = 0) -> Value:
    x = array_of(low, node, array)
    how = low.known(mode, node)
    if how in _PLACES and x.type.rank:
        return _padded(low, node, x, _PLACES[how], _widths(low, node, pad_width, x.type.rank))
    if how != "constant":
        raise low.refusal(node, f"np.pad with mode={how!r} is not supported", "np.concatenate of the array and its margins")
    value = low.array(constant_values, node)
    if value.type.rank or isinstance(constant_values, Many):
        raise low.refusal(node, "np.pad with several constants is not supported", "one number as constant_values")
    if not x.type.rank:
        raise low.refusal(node, "np.pad needs an array, and this is a number")
    widths = _widths(low, node, pad_width, x.type.rank)
    return low.emit("pad", [x, as_type(low, node, value, Type(x.type.kind, 0, x.type.bits)), *widths], node)


#: Where a margin takes its elements from, by the mode.
_PLACES = {
    "edge": prelude_numpy.edge_places, "wrap": prelude_numpy.wrap_places, "reflect": prelude_numpy.reflect_places,
    "symmetric": prelude_numpy.symmetric_places,
}  # fmt: skip


def _padded(low: Arrays, node: ast.AST, x: Atom, places: Callable[..., Any], widths: Sequence[Atom]) -> Atom:
    """An array whose margins are elements of its own."""
    for width in widths:
        low.stop(low.arithmetic("lt", width, Lit(0, INT), node), "ValueError", "index can't contain negative values", node)
    for axis in range(x.type.rank):
        before, behind = widths[2 * axis], widths[2 * axis + 1]
        if before == behind == Lit(0, INT):
            continue
        size = extent(low, node, x, axis)
        low.stop(low.arithmetic("lt", size, Lit(1, INT), node), "ValueError", "can't extend an empty axis", node)
        x = _taken(low, node, x, low.array(low.composed(places, [size, before, behind], node), node), axis)
    return x


def _widths(low: Arrays, node: ast.AST, value: Value, rank: int) -> list[Atom]:
    """The widths of a margin before and behind, axis by axis, from an int, a pair, or a pair for each axis."""
    items = value.items if isinstance(value, Many) else (value,)
    pairs = [item.items if isinstance(item, Many) else (item,) for item in items]
    if all(isinstance(item, Many) for item in items) and len(pairs) in (1, rank):
        pairs = pairs * rank if len(pairs) == 1 else pairs
    elif not any(isinstance(item, Many) for item in items) and len(items) <= 2:
        pairs = [tuple(items)] * rank
    else:
        raise low.refusal(node, f"these widths do not fit an array of {rank} axes", "an int, a pair, or a pair for each axis")
    if any(len(pair) not in (1, 2) for pair in pairs):
        raise low.refusal(node, "a margin has two widths, before and behind")
    return [whole_of(low, node, item, "a width") for pair in pairs for item in (pair * 2 if len(pair) == 1 else pair)]


# ---------------------------------------------------------------------------------------------- splitting, appending, picking


@word("split")
def _split(low: Arrays, node: ast.AST, ary: Value, indices_or_sections: Value, axis: Any = 0) -> Value:
    return _parts(low, node, ary, indices_or_sections, axis, even=True)


@word("array_split")
def _array_split(low: Arrays, node: ast.AST, ary: Value, indices_or_sections: Value, axis: Any = 0) -> Value:
    return _parts(low, node, ary, indices_or_sections, axis, even=False)


@word("vsplit")
def _vsplit(low: Arrays, node: ast.AST, ary: Value, indices_or_sections: Value) -> Value:
    return _parts(low, node, ary, indices_or_sections, Lit(0, INT), even=True)


@word("hsplit")
def _hsplit(low: Arrays, node: ast.AST, ary: Value, indices_or_sections: Value) -> Value:
    axis = min(1, low.array(ary, node).type.rank - 1)
    return _parts(low, node, ary, indices_or_sections, Lit(axis, INT), even=True)


def _parts(low: Arrays, node: ast.AST, ary: Value, where: Value, axis: Value, *, even: bool) -> Value:
    """The sections of an array along an axis: so many, or cut at the given indices."""
    x = low.array(ary, node)
    along = axis_of(low, node, axis, x.type.rank)
    size = extent(low, node, x, along)
    if isinstance(where, Many):
        cuts = [whole_of(low, node, item, "an index to split at") for item in where.items]
    else:
        cuts = _even_cuts(low, node, size, low.known(where, node), even)
    bounds = [Lit(0, INT), *cuts, size]
    return Many(tuple(section(low, node, x, along, a, b) for a, b in pairwise(bounds)), "list")


def _even_cuts(low: Arrays, node: ast.AST, size: Atom, count: Any, even: bool) -> list[Atom]:
    """The indices that cut a size into so many parts; where they do not come out even, the first ones are longer by one."""
    if not isinstance(count, int) or count < 1:
        raise low.refusal(node, "the number of sections must be a positive int that is written out", "np.split(x, 3)")
    number = Lit(count, INT)
    rest = low.emit("mod", [size, number], node)
    if even:
        low.stop(low.emit("ne", [rest, Lit(0, INT)], node), "ValueError", "array split does not result in an equal division", node)
    each = low.emit("floordiv", [size, number], node)
    cuts: list[Atom] = []
    for k in range(1, count):
        cut = each if k == 1 else low.emit("mul", [Lit(k, INT), each], node)
        cuts.append(cut if even else low.emit("add", [cut, low.emit("min", [Lit(k, INT), rest], node)], node))
    return cuts


@word("append")
def _append(low: Arrays, node: ast.AST, arr: Value, values: Value, axis: Any = None) -> Value:
    parts = [array_of(low, node, value) for value in (arr, values)]
    type = common_type(parts)
    parts = [as_type(low, node, part, type) for part in parts]
    if low.known(axis, node) is None:
        return low.emit("concatenate", [flat(low, node, part) for part in parts], node, [("axis", 0)])
    if parts[0].type.rank != parts[1].type.rank:
        raise low.refusal(node, "np.append along an axis needs arrays with as many axes")
    return low.emit("concatenate", parts, node, [("axis", axis_of(low, node, axis, parts[0].type.rank))])


@word("take", method=True)
def _take(low: Arrays, node: ast.AST, a: Value, indices: Value, axis: Any = None) -> Value:
    x, along = on_axis(low, node, a, axis)
    index = array_of(low, node, indices)
    if index.type.kind != "int":
        raise low.refusal(node, "the indices of np.take must be ints", ".astype(int) behind them")
    rank = x.type.rank - 1 + index.type.rank
    attrs: list[tuple[str, Attr]] = [("at", f"[{':, ' * along}{{0}}]"), ("rank", rank)]
    made = low.emit("load", [x, index], node, [*attrs, ("gather", True)] if index.type.rank else attrs)
    return made if index.type.rank or not rank else low.emit("duplicate", [made], node)


# ---------------------------------------------------------------------------------------------- grids, triangles, diagonals


@word("meshgrid")
def _meshgrid(low: Arrays, node: ast.AST, *xi: Value, indexing: Any = "xy") -> Value:
    vectors = [flat(low, node, array_of(low, node, value)) for value in xi]
    order = low.known(indexing, node)
    if order not in ("xy", "ij"):
        raise low.refusal(node, "indexing is 'xy' or 'ij'")
    axes = list(range(len(vectors)))
    if order == "xy" and len(axes) > 1:
        axes[0], axes[1] = 1, 0
    sizes: list[Atom] = [Lit(0, INT)] * len(vectors)
    for axis, vector in zip(axes, vectors, strict=True):
        sizes[axis] = extent(low, node, vector, 0)
    return Many(tuple(_spread(low, node, vector, axis, sizes) for axis, vector in zip(axes, vectors, strict=True)))


def _spread(low: Arrays, node: ast.AST, vector: Atom, axis: int, sizes: Sequence[Atom]) -> Atom:
    """A vector along one axis of a grid, repeated along the others."""
    for _ in range(len(sizes) - 1 - axis):
        vector = low.emit("expand_dims", [vector], node, [("axis", vector.type.rank)])
    return low.emit("duplicate", [low.emit("broadcast_to", [vector, *sizes], node)], node)


def _offset(low: Arrays, node: ast.AST, k: Value) -> list[tuple[str, Attr]]:
    known = low.known(k, node)
    if not isinstance(known, int):
        raise low.refusal(node, "the number of a diagonal must be an int that is written out")
    return [("k", known)] if known else []


def _triangle(name: str) -> Callable[..., Value]:
    def lower(low: Arrays, node: ast.AST, m: Value, k: Any = 0) -> Value:
        x = array_of(low, node, m)
        if x.type.rank < 2:
            raise low.refusal(node, f"np.{name} needs a matrix, and this has {x.type.rank} axes")
        return low.emit(name, [x], node, _offset(low, node, k))

    return lower


word("tril")(_triangle("tril"))
word("triu")(_triangle("triu"))


@word("diag")
def _diag(low: Arrays, node: ast.AST, v: Value, k: Any = 0) -> Value:
    x = array_of(low, node, v)
    if x.type.rank not in (1, 2):
        raise low.refusal(node, "np.diag needs a vector or a matrix")
    return low.emit("diag_matrix" if x.type.rank == 1 else "diagonal", [x], node, _offset(low, node, k))


@word("diagonal", method=True)
def _diagonal(low: Arrays, node: ast.AST, a: Value, offset: Any = 0) -> Value:
    x = low.array(a, node)
    if x.type.rank != 2:
        raise low.refusal(node, f"np.diagonal of an array of {x.type.rank} axes is not supported", "the diagonal of a matrix")
    return low.emit("diagonal", [x], node, _offset(low, node, offset))


@word("trace", method=True)
def _trace(low: Arrays, node: ast.AST, a: Value, offset: Any = 0) -> Value:
    x = low.array(a, node)
    if x.type.rank != 2:
        raise low.refusal(node, f"np.trace of an array of {x.type.rank} axes is not supported", "the trace of a matrix")
    shift = _offset(low, node, offset)
    return low.emit("sum", [low.emit("diagonal", [x], node, shift)], node) if shift else low.emit("trace", [x], node)


__all__ = ["extent", "flipped", "on_axis", "section", "whole_of"]
