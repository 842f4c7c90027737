"""NumPy's words that move elements: transposing, reshaping, joining, splitting."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stagegrad.frontend.numpy_words import METHODS, NumpyWord, word
from stagegrad.frontend.values import Many, Value, describe
from stagegrad.frontend.words_creation import array_of, as_type, common_type, sizes
from stagegrad.ir import INT, Atom, Lit

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def axis_of(low: Arrays, node: ast.AST, value: Value, rank: int) -> int:
    """One axis, counted from the front."""
    found = low.axes(value, rank, node)
    if not isinstance(found, int):
        raise low.refusal(node, "this axis must be one int")
    return found


def in_order(low: Arrays, node: ast.AST, order: Value, *fitting: str) -> None:
    """Refuses an order of memory that is not C's."""
    if low.known(order, node) not in ("C", *fitting):
        raise low.refusal(node, "only order='C' is supported", "x.T.ravel() for order='F'")


# ---------------------------------------------------------------------------------------------- order of the axes


def transposed(low: Arrays, node: ast.AST, x: Atom, axes: Sequence[int] | None = None) -> Atom:
    """An array with its axes in another order, by default reversed; nothing is done where that is the order they have."""
    rank = x.type.rank
    order = tuple(reversed(range(rank))) if axes is None else tuple(axes)
    if order == tuple(range(rank)):
        return x
    return low.emit("transpose", [x], node, [] if order == tuple(reversed(range(rank))) else [("axes", order)])


def _permuted(low: Arrays, node: ast.AST, x: Atom, axes: Value) -> Value:
    known = low.known(axes, node)
    if known is None:
        return transposed(low, node, x)
    order = [k % x.type.rank if -x.type.rank <= k < x.type.rank else k for k in (known if isinstance(known, tuple) else (known,))]
    if sorted(order) != list(range(x.type.rank)):
        raise low.refusal(node, f"axes must be an order of the {x.type.rank} axes of this array")
    return transposed(low, node, x, order)


@word("transpose permute_dims")
def _transpose(low: Arrays, node: ast.AST, a: Value, axes: Any = None) -> Value:
    return _permuted(low, node, array_of(low, node, a), axes)


def _transpose_method(low: Arrays, node: ast.AST, *args: Value) -> Value:
    x, *axes = args
    given = axes[0] if len(axes) == 1 else Many(tuple(axes)) if axes else low.constant(None, node)
    return _permuted(low, node, low.array(x, node), given)


METHODS["transpose"] = NumpyWord("array.transpose", _transpose_method)


@word("T", attribute=True)
def _reversed(low: Arrays, node: ast.AST, x: Value) -> Value:
    return transposed(low, node, low.array(x, node))


@word("mT matrix_transpose", attribute=True)
def _matrix_transpose(low: Arrays, node: ast.AST, x: Value) -> Value:
    atom = low.array(x, node)
    rank = atom.type.rank
    if rank < 2:
        raise low.refusal(node, "a vector has no matrix transpose")
    return transposed(low, node, atom, (*range(rank - 2), rank - 1, rank - 2))


@word("swapaxes", method=True)
def _swapaxes(low: Arrays, node: ast.AST, a: Value, axis1: Value, axis2: Value) -> Value:
    x = low.array(a, node)
    order = list(range(x.type.rank))
    one, two = axis_of(low, node, axis1, x.type.rank), axis_of(low, node, axis2, x.type.rank)
    order[one], order[two] = order[two], order[one]
    return transposed(low, node, x, order)


@word("moveaxis")
def _moveaxis(low: Arrays, node: ast.AST, a: Value, source: Value, destination: Value) -> Value:
    x = low.array(a, node)
    rank = x.type.rank
    origin, goal = (_axes_in_order(low, node, value, rank) for value in (source, destination))
    if len(origin) != len(goal):
        raise low.refusal(node, "source and destination must name as many axes")
    order = [k for k in range(rank) if k not in origin]
    for to, axis in sorted(zip(goal, origin, strict=True)):
        order.insert(to, axis)
    return transposed(low, node, x, order)


def _axes_in_order(low: Arrays, node: ast.AST, value: Value, rank: int) -> list[int]:
    known = low.known(value, node)
    items = known if isinstance(known, tuple) else (known,)
    found = [k + rank if isinstance(k, int) and k < 0 else k for k in items]
    if len(set(found)) != len(found) or not all(isinstance(k, int) and 0 <= k < rank for k in found):
        raise low.refusal(node, f"these are not axes of an array of {rank} axes")
    return [int(k) for k in found]


# ---------------------------------------------------------------------------------------------- shape


def _reshaped(low: Arrays, node: ast.AST, x: Atom, shape: Value) -> Value:
    many = sizes(low, node, shape)
    if sum(isinstance(size, Lit) and size.value == -1 for size in many) > 1:
        raise low.refusal(node, "only one size of a shape can be -1")
    if not x.type.rank:
        x = low.emit("array_of", [x], node, [("shape", (1,))])
    if not many:
        return low.emit("load", [x, *[Lit(0, INT)] * x.type.rank], node, _at_first(x.type.rank))
    return low.emit("reshape", [x, *many], node)


def _at_first(rank: int) -> list[tuple[str, str | int]]:
    return [("at", f"[{', '.join(f'{{{k}}}' for k in range(rank))}]"), ("rank", 0)]


@word("reshape")
def _reshape(low: Arrays, node: ast.AST, a: Value, shape: Value, order: Any = "C") -> Value:
    in_order(low, node, order)
    return _reshaped(low, node, array_of(low, node, a), shape)


def _reshape_method(low: Arrays, node: ast.AST, *args: Value, order: Any = "C") -> Value:
    in_order(low, node, order)
    x, *shape = args
    return _reshaped(low, node, low.array(x, node), shape[0] if len(shape) == 1 else Many(tuple(shape)))


METHODS["reshape"] = NumpyWord("array.reshape", _reshape_method)


def flat(low: Arrays, node: ast.AST, x: Atom) -> Atom:
    """All elements of an array in one axis; a number becomes an array of one element."""
    if not x.type.rank:
        return low.emit("array_of", [x], node, [("shape", (1,))])
    return x if x.type.rank == 1 else low.emit("ravel", [x], node)


@word("ravel", method=True)
def _ravel(low: Arrays, node: ast.AST, a: Value, order: Any = "C") -> Value:
    in_order(low, node, order)
    return flat(low, node, array_of(low, node, a))


@word("flatten", method=True)
def _flatten(low: Arrays, node: ast.AST, a: Value, order: Any = "C") -> Value:
    in_order(low, node, order)
    return low.emit("flatten", [low.array(a, node)], node)


@word("expand_dims")
def _expand_dims(low: Arrays, node: ast.AST, a: Value, axis: Value) -> Value:
    x = array_of(low, node, a)
    known = low.known(axis, node)
    added = known if isinstance(known, tuple) else (known,)
    rank = x.type.rank + len(added)
    for at in sorted(_axes_in_order(low, node, axis, rank)):
        x = _with_axis(low, node, x, at)
    return x


def _with_axis(low: Arrays, node: ast.AST, x: Atom, axis: int) -> Atom:
    if not x.type.rank:
        return low.emit("array_of", [x], node, [("shape", (1,))])
    return low.emit("expand_dims", [x], node, [("axis", axis)])


@word("squeeze", method=True)
def _squeeze(low: Arrays, node: ast.AST, a: Value, axis: Any = None) -> Value:
    x = low.array(a, node)
    known = low.axes(axis, x.type.rank, node)
    if known is None:
        raise low.refusal(node, "which axes have one element is not known before the program runs", "np.squeeze(x, axis=...)")
    for at in sorted((known,) if isinstance(known, int) else known, reverse=True):
        expect_size(low, node, x, at, 1, "cannot select an axis to squeeze out which has size not equal to one")
        x = low.emit("squeeze", [x], node, [("axis", at)])
    return x


def expect_size(low: Arrays, node: ast.AST, x: Atom, axis: int, size: int, message: str) -> None:
    """Raises ValueError where an axis has another size, which compiled code would not notice."""
    extent = low.emit("extent", [x], node, [("axis", axis)])
    low.stop(low.emit("ne", [extent, Lit(size, INT)], node), "ValueError", message, node)


@word("broadcast_to")
def _broadcast_to(low: Arrays, node: ast.AST, array: Value, shape: Value) -> Value:
    x, many = array_of(low, node, array), sizes(low, node, shape)
    if x.type.rank > len(many):
        raise low.refusal(node, f"an array of {x.type.rank} axes cannot be broadcast to {len(many)}")
    if not many:
        return x
    if not x.type.rank:
        x = low.emit("array_of", [x], node, [("shape", (1,))])
    return low.emit("broadcast_to", [x, *many], node)


@word("atleast_1d")
def _atleast_1d(low: Arrays, node: ast.AST, a: Value) -> Value:
    return _at_least(low, node, a, 1)


@word("atleast_2d")
def _atleast_2d(low: Arrays, node: ast.AST, a: Value) -> Value:
    return _at_least(low, node, a, 2)


def _at_least(low: Arrays, node: ast.AST, value: Value, rank: int) -> Atom:
    x = array_of(low, node, value)
    while x.type.rank < rank:
        x = _with_axis(low, node, x, 0)
    return x


@word("shape")
def _shape(low: Arrays, node: ast.AST, a: Value) -> Value:
    x = array_of(low, node, a)
    return Many(tuple(low.emit("extent", [x], node, [("axis", axis)]) for axis in range(x.type.rank)))


@word("ndim")
def _ndim(low: Arrays, node: ast.AST, a: Value) -> Value:
    return Lit(array_of(low, node, a).type.rank, INT)


@word("size")
def _size(low: Arrays, node: ast.AST, a: Value, axis: Any = None) -> Value:
    x = array_of(low, node, a)
    known = low.axes(axis, x.type.rank, node)
    if isinstance(known, int):
        return low.emit("extent", [x], node, [("axis", known)])
    return low.count(x, node)


# ---------------------------------------------------------------------------------------------- joining


def several(low: Arrays, node: ast.AST, arrays: Value) -> list[Atom]:
    """The arrays of a tuple or list, all with elements of one type."""
    if not isinstance(arrays, Many):
        raise low.refusal(node, f"the arrays to join must be a tuple or a list of them, not {describe(arrays)}", "np.concatenate((a, b))")
    found = [array_of(low, node, item) for item in arrays.items]
    if not found:
        raise low.refusal(node, "there is nothing to join")
    type = common_type(found)
    return [as_type(low, node, atom, type) for atom in found]


def _same_ranks(low: Arrays, node: ast.AST, parts: Sequence[Atom]) -> int:
    ranks = {part.type.rank for part in parts}
    if len(ranks) > 1:
        raise low.refusal(node, f"arrays of {min(ranks)} and of {max(ranks)} axes cannot be joined")
    return ranks.pop()


def _concatenated(low: Arrays, node: ast.AST, parts: Sequence[Atom], axis: int) -> Atom:
    _same_ranks(low, node, parts)
    return low.emit("concatenate", parts, node, [("axis", axis)])


def _rows(low: Arrays, node: ast.AST, value: Value, doing: str = "concatenate") -> Atom | None:
    """An array whose rows are to be joined, or a list of computed length as one; None for arrays that stand one by one."""
    if not low.is_array(value):
        return None
    x = low.array(value, node)
    none = low.arithmetic("eq", low.length(x, node), Lit(0, INT), node)
    low.stop(none, "ValueError", f"need at least one array to {doing}", node)
    return x


def _rows_behind(low: Arrays, node: ast.AST, x: Atom, axis: int) -> Atom:
    """The rows of an array one behind the other along an axis of theirs."""
    if x.type.rank < 2:
        raise low.refusal(node, "numbers cannot be concatenated, arrays can", "the array itself")
    rank = x.type.rank - 1
    order = [*range(1, axis + 1), 0, *range(axis + 1, rank + 1)]
    x = transposed(low, node, x, order) if axis else x
    sizes: list[Atom] = [low.emit("extent", [x], node, [("axis", k)]) for k in range(rank + 1)]
    together = low.arithmetic("mul", sizes[axis], sizes[axis + 1], node)
    return low.emit("reshape", [x, *sizes[:axis], together, *sizes[axis + 2 :]], node)


def _rows_along(low: Arrays, node: ast.AST, x: Atom, axis: int) -> Atom:
    """The rows of an array side by side along a new axis: the array itself, or with its first axis elsewhere."""
    if not axis:
        return low.emit("duplicate", [x], node)
    return transposed(low, node, x, [*range(1, axis + 1), 0, *range(axis + 1, x.type.rank)])


@word("concatenate concat")
def _concatenate(low: Arrays, node: ast.AST, arrays: Value, axis: Any = 0) -> Value:
    if (rows := _rows(low, node, arrays)) is not None:
        if low.known(axis, node) is None:
            return flat(low, node, low.emit("duplicate", [rows], node))
        return _rows_behind(low, node, rows, axis_of(low, node, axis, rows.type.rank - 1) if rows.type.rank > 1 else 0)
    parts = several(low, node, arrays)
    if low.known(axis, node) is None:
        return _concatenated(low, node, [flat(low, node, part) for part in parts], 0)
    rank = _same_ranks(low, node, parts)
    if not rank:
        raise low.refusal(node, "numbers cannot be concatenated, arrays can", "np.array([a, b])")
    return _concatenated(low, node, parts, axis_of(low, node, axis, rank))


def stacked(low: Arrays, node: ast.AST, parts: Sequence[Atom], axis: int) -> Atom:
    """Arrays of one shape, or numbers, side by side along a new axis."""
    if _same_ranks(low, node, parts):
        return low.emit("stack", parts, node, [("axis", axis)])
    return low.emit("array_of", parts, node, [("shape", (len(parts),))])


@word("stack")
def _stack(low: Arrays, node: ast.AST, arrays: Value, axis: Any = 0) -> Value:
    if (rows := _rows(low, node, arrays, "stack")) is not None:
        return _rows_along(low, node, rows, axis_of(low, node, axis, rows.type.rank))
    parts = several(low, node, arrays)
    return stacked(low, node, parts, axis_of(low, node, axis, _same_ranks(low, node, parts) + 1))


@word("hstack")
def _hstack(low: Arrays, node: ast.AST, tup: Value) -> Value:
    if (rows := _rows(low, node, tup)) is not None:
        return _rows_along(low, node, rows, 0) if rows.type.rank == 1 else _rows_behind(low, node, rows, min(rows.type.rank - 2, 1))
    parts = several(low, node, tup)
    if all(not part.type.rank for part in parts):
        return stacked(low, node, parts, 0)
    parts = [flat(low, node, part) if not part.type.rank else part for part in parts]
    return _concatenated(low, node, parts, 0 if parts[0].type.rank == 1 else 1)


@word("vstack")
def _vstack(low: Arrays, node: ast.AST, tup: Value) -> Value:
    if (rows := _rows(low, node, tup)) is not None:
        if rows.type.rank == 1:
            return _with_axis(low, node, rows, 1)
        return _rows_along(low, node, rows, 0) if rows.type.rank == 2 else _rows_behind(low, node, rows, 0)
    parts = several(low, node, tup)
    if all(part.type.rank == 1 for part in parts):
        return stacked(low, node, parts, 0)
    return _concatenated(low, node, [_at_least(low, node, part, 2) for part in parts], 0)


@word("column_stack")
def _column_stack(low: Arrays, node: ast.AST, tup: Value) -> Value:
    if (rows := _rows(low, node, tup)) is not None and rows.type.rank > 1:
        return _rows_along(low, node, rows, 1) if rows.type.rank == 2 else _rows_behind(low, node, rows, 1)
    if rows is not None:
        return _with_axis(low, node, rows, 0)
    parts = several(low, node, tup)
    if all(part.type.rank == 1 for part in parts):
        return stacked(low, node, parts, 1)
    columns = [part if part.type.rank > 1 else _with_axis(low, node, flat(low, node, part), 1) for part in parts]
    return _concatenated(low, node, columns, 1)


__all__ = ["axis_of", "expect_size", "flat", "several", "stacked", "transposed"]


@word("dstack")
def _dstack(low: Arrays, node: ast.AST, tup: Value) -> Value:
    parts = several(low, node, tup)
    if _same_ranks(low, node, parts) > 2:
        return _concatenated(low, node, parts, 2)
    wide = [low.emit("expand_dims", [_at_least(low, node, part, 2)], node, [("axis", 2)]) for part in parts]
    return _concatenated(low, node, wide, 2)


@word("block")
def _block(low: Arrays, node: ast.AST, arrays: Value) -> Value:
    rows = arrays.items if isinstance(arrays, Many) and any(isinstance(row, Many) for row in arrays.items) else (arrays,)
    several_rows = rows != (arrays,)
    found: list[Atom] = []
    for row in rows:
        cells = row.items if isinstance(row, Many) else (row,)
        if any(isinstance(cell, Many) for cell in cells):
            raise low.refusal(node, "np.block of more than rows of arrays is not supported", "np.concatenate of the parts")
        parts = [_at_least(low, node, cell, 2 if several_rows else 1) for cell in several(low, node, Many(cells))]
        found.append(_concatenated(low, node, parts, _same_ranks(low, node, parts) - 1))
    return found[0] if not several_rows else _concatenated(low, node, several(low, node, Many(tuple(found))), found[0].type.rank - 2)
