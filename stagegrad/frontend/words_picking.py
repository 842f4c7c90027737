"""NumPy's words that pick elements by other arrays, put some in or leave some out: ``np.compress``, ``np.insert``, ``np.ix_``."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stagegrad.frontend.numpy_words import WORDS, word
from stagegrad.frontend.values import Many, Numbers, Range, Static, Stream, Value, describe
from stagegrad.frontend.words_arranging import extent, on_axis, section, whole_of
from stagegrad.frontend.words_creation import array_of, as_type, common_type
from stagegrad.frontend.words_shaping import axis_of, flat, stacked
from stagegrad.ir import INT, Atom, Attr, Lit
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


# ---------------------------------------------------------------------------------------------- where something is true


def _places(low: Arrays, node: ast.AST, condition: Value) -> Atom:
    """Where a condition is true, among all its elements in a row."""
    test = flat(low, node, array_of(low, node, condition))
    if test.type.kind != "bool":
        test = low.emit("ne", [test, literal(0)], node)
    everywhere = low.emit("arange", [Lit(0, INT), low.emit("size", [test], node), Lit(1, INT)], node)
    return low.emit("load", [everywhere, test], node, [("at", "[{0}]"), ("rank", 1), ("gather", True)])


@word("flatnonzero")
def _flatnonzero(low: Arrays, node: ast.AST, a: Value) -> Value:
    return _places(low, node, a)


def _along_axes(low: Arrays, node: ast.AST, a: Value) -> list[Atom]:
    """Where an array is not zero: its places along each axis."""
    x = array_of(low, node, a)
    if not x.type.rank:
        raise low.refusal(node, "np.nonzero needs an array, and this is a number", "a comparison")
    found: list[Atom] = []
    rest = _places(low, node, x)
    for axis in reversed(range(1, x.type.rank)):
        size = extent(low, node, x, axis)
        found.append(low.arithmetic("mod", rest, size, node))
        rest = low.arithmetic("floordiv", rest, size, node)
    return [rest, *reversed(found)]


@word("nonzero", method=True)
def _nonzero(low: Arrays, node: ast.AST, a: Value) -> Value:
    return Many(tuple(_along_axes(low, node, a)))


@word("argwhere")
def _argwhere(low: Arrays, node: ast.AST, a: Value) -> Value:
    return stacked(low, node, _along_axes(low, node, a), 1)


# ---------------------------------------------------------------------------------------------- picking


@word("tolist", method=True)
def _tolist(low: Arrays, node: ast.AST, a: Value) -> Value:
    x = low.array(a, node)
    if x.type.rank != 1:
        raise low.refusal(node, "the numbers of more than one axis in lists of lists are not supported", "the array itself")
    return Numbers((x,), low.length(x, node), low.new_ident(), exact=True, item=Lit(None, replace(x.type, rank=0)))


@word("item", method=True)
def _item(low: Arrays, node: ast.AST, a: Value, place: Value) -> Value:
    x = flat(low, node, low.array(a, node))
    found = low.emit("load", [x, whole_of(low, node, place, "a place")], node, [("at", "[{0}]"), ("rank", 0)])
    return low.converted(found, found.type, node)


@word("compress")
def _compress(low: Arrays, node: ast.AST, condition: Value, a: Value, axis: Any = None) -> Value:
    return low.call_word(WORDS["take"], [a, _places(low, node, condition)], {"axis": axis}, node)


@word("extract")
def _extract(low: Arrays, node: ast.AST, condition: Value, arr: Value) -> Value:
    return low.call_word(WORDS["take"], [flat(low, node, array_of(low, node, arr)), _places(low, node, condition)], {}, node)


@word("take_along_axis")
def _take_along_axis(low: Arrays, node: ast.AST, arr: Value, indices: Value, axis: Any = -1) -> Value:
    x, at = low.array(arr, node), low.array(indices, node)
    if at.type.kind != "int" or at.type.rank != x.type.rank:
        raise low.refusal(node, f"the indices must be ints in as many axes as {describe(x)} has, and this is {describe(at)}")
    along, rank = axis_of(low, node, axis, x.type.rank), x.type.rank
    if rank > 2:
        raise low.refusal(node, "np.take_along_axis of more than two axes is not supported", "a loop over the first axis")
    if rank == 1:
        return low.emit("load", [x, at], node, [("at", "[{0}]"), ("rank", 1), ("gather", True)])
    others = low.emit("arange", [Lit(0, INT), extent(low, node, x, 1 - along), Lit(1, INT)], node)
    others = low.emit("expand_dims", [others], node, [("axis", along)])
    order = [at, others] if along == 0 else [others, at]
    return low.emit("load", [x, *order], node, [("at", "[{0}, {1}]"), ("rank", 2), ("gather", True)])


@word("ix_")
def _ix(low: Arrays, node: ast.AST, *args: Value) -> Value:
    found: list[Value] = []
    for k, value in enumerate(args):
        at = array_of(low, node, value)
        if at.type.rank != 1 or at.type.kind == "float":
            raise low.refusal(node, f"np.ix_ needs ints or bools in one axis each, and this is {describe(at)}")
        at = _places(low, node, at) if at.type.kind == "bool" else at
        for axis in (*range(k), *range(k + 1, len(args))):
            at = low.emit("expand_dims", [at], node, [("axis", axis)])
        found.append(at)
    return Many(tuple(found))


# ---------------------------------------------------------------------------------------------- all places


@word("ndindex")
def _ndindex(low: Arrays, node: ast.AST, *shape: Value) -> Value:
    sizes = shape[0].items if len(shape) == 1 and isinstance(shape[0], Many) else shape
    bounds = [whole_of(low, node, size, "a size") for size in sizes]
    return Stream("product", tuple(Range(literal(0), bound, literal(1)) for bound in bounds))


@word("ndenumerate")
def _ndenumerate(low: Arrays, node: ast.AST, arr: Value) -> Value:
    x = low.array(arr, node)
    places = _ndindex(low, node, *(extent(low, node, x, axis) for axis in range(x.type.rank)))
    return Stream("zip", (places, flat(low, node, x)))


def _limits(name: str) -> Callable[..., Value]:
    """``np.finfo(float)`` and ``np.iinfo(int)``, whose attributes are numbers."""

    def lower(low: Arrays, node: ast.AST, dtype: Value) -> Value:
        return Static(getattr(sys.modules["numpy"], name)(low.known(dtype, node)))

    return lower


word("finfo")(_limits("finfo"))
word("iinfo")(_limits("iinfo"))


# ---------------------------------------------------------------------------------------------- putting in, leaving out


def _place(low: Arrays, node: ast.AST, obj: Value, size: Atom, most: Atom) -> Atom:
    """A place along an axis, counted from the front; NumPy raises where there is none."""
    at = whole_of(low, node, obj, "the place")
    front = at if isinstance(at, Lit) and int(at.value or 0) >= 0 else low.emit("where", [
        low.arithmetic("lt", at, literal(0), node), low.arithmetic("add", at, size, node), at,
    ], node)  # fmt: skip
    for test in (low.arithmetic("lt", front, literal(0), node), low.arithmetic("gt", front, most, node)):
        low.stop_with(test, "IndexError", ("index ", at, " is out of bounds for an axis of size ", size), node)
    return front


@word("insert")
def _insert(low: Arrays, node: ast.AST, arr: Value, obj: Value, values: Value, axis: Any = None) -> Value:
    x, along = on_axis(low, node, arr, axis)
    size = extent(low, node, x, along)
    at = _place(low, node, obj, size, size)
    new = array_of(low, node, values)
    if x.type.rank != 1 or new.type.rank > 1:
        raise low.refusal(node, "np.insert into more than one axis is not supported", "np.concatenate of the parts")
    new = as_type(low, node, flat(low, node, new), common_type([x]))
    parts = [section(low, node, x, 0, literal(0), at), new, section(low, node, x, 0, at, size)]
    return low.emit("concatenate", parts, node, [("axis", 0)])


@word("delete")
def _delete(low: Arrays, node: ast.AST, arr: Value, obj: Value, axis: Any = None) -> Value:
    if isinstance(obj, Many) or low.is_array(obj):
        raise low.refusal(node, "np.delete of several places is not supported", "x[keep], with a bool for each element")
    x, along = on_axis(low, node, arr, axis)
    size = extent(low, node, x, along)
    at = _place(low, node, obj, size, low.arithmetic("sub", size, literal(1), node))
    behind = low.arithmetic("add", at, literal(1), node)
    attrs: list[tuple[str, Attr]] = [("axis", along)]
    return low.emit("concatenate", [section(low, node, x, along, literal(0), at), section(low, node, x, along, behind, size)], node, attrs)
