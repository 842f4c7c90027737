"""NumPy's words that leave nan out: ``np.nansum``, ``np.nanmax``, ``np.nanmedian`` and their like."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from stagegrad.frontend import prelude_numpy
from stagegrad.frontend.numpy_words import axis_and_keepdims, word
from stagegrad.frontend.values import Value, describe
from stagegrad.frontend.words_creation import array_of, as_type
from stagegrad.frontend.words_reductions import root_of_variance
from stagegrad.frontend.words_shaping import axis_of, flat, transposed
from stagegrad.ir import FLOAT, Atom, Attr
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def _floats(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """An array of floats: only these can be nan."""
    x = array_of(low, node, value)
    if not x.type.rank:
        raise low.refusal(node, f"this needs an array, and it is {describe(x)}", "the number itself")
    return x if x.type.kind == "float" else as_type(low, node, x, FLOAT)


def _filled(low: Arrays, node: ast.AST, a: Value, by: float) -> tuple[Atom, Atom]:
    """Which elements are nan, and the array with something else in their places."""
    x = _floats(low, node, a)
    missing = low.emit("isnan", [x], node)
    return missing, low.emit("where", [missing, literal(by), x], node)


def _number(low: Arrays, node: ast.AST, missing: Atom, attrs: list[tuple[str, Attr]]) -> Atom:
    """How many elements there are that are not nan, as floats."""
    there = low.emit("where", [missing, literal(0.0), literal(1.0)], node)
    return low.emit("sum", [there], node, attrs)


# ---------------------------------------------------------------------------------------------- sums and products


@word("nansum")
def _nansum(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    _, filled = _filled(low, node, a, 0.0)
    return low.emit("sum", [filled], node, axis_and_keepdims(low, node, filled, axis, keepdims))


@word("nanprod")
def _nanprod(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    _, filled = _filled(low, node, a, 1.0)
    return low.emit("prod", [filled], node, axis_and_keepdims(low, node, filled, axis, keepdims))


def _running(low: Arrays, node: ast.AST, op: str, filled: Atom, axis: Value) -> Value:
    if low.known(axis, node) is None:
        return low.emit(op, [flat(low, node, filled)], node, [("axis", 0)])
    return low.emit(op, [filled], node, [("axis", axis_of(low, node, axis, filled.type.rank))])


@word("nancumsum")
def _nancumsum(low: Arrays, node: ast.AST, a: Value, axis: Any = None) -> Value:
    return _running(low, node, "cumsum", _filled(low, node, a, 0.0)[1], axis)


@word("nancumprod")
def _nancumprod(low: Arrays, node: ast.AST, a: Value, axis: Any = None) -> Value:
    return _running(low, node, "cumprod", _filled(low, node, a, 1.0)[1], axis)


# ---------------------------------------------------------------------------------------------- moments


@word("nanmean")
def _nanmean(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    missing, filled = _filled(low, node, a, 0.0)
    attrs = axis_and_keepdims(low, node, filled, axis, keepdims)
    return low.arithmetic("div", low.emit("sum", [filled], node, attrs), _number(low, node, missing, attrs), node)


def _variance(low: Arrays, node: ast.AST, a: Value, axis: Value, ddof: Value, keepdims: Value) -> Atom:
    """The mean of the squared distances from the mean; nan where no degree of freedom is left."""
    less = low.known(ddof, node)
    if not isinstance(less, int | float) or isinstance(less, bool):
        raise low.refusal(node, "`ddof` must be a number", "ddof=1")
    missing, filled = _filled(low, node, a, 0.0)
    attrs, around = (axis_and_keepdims(low, node, filled, axis, kept) for kept in (keepdims, literal(True)))
    center = low.emit("div", [low.emit("sum", [filled], node, around), _number(low, node, missing, around)], node, [("lib", "numpy")])
    distance = low.emit("where", [missing, literal(0.0), low.emit("sub", [filled, center], node)], node)
    total = low.emit("sum", [low.emit("square", [distance], node)], node, attrs)
    left = low.emit("sub", [_number(low, node, missing, attrs), literal(float(less))], node)
    none = low.emit("le", [left, literal(0.0)], node)
    return low.emit("div", [total, low.emit("where", [none, literal(float("nan")), left], node)], node, [("lib", "numpy")])


@word("nanvar")
def _nanvar(low: Arrays, node: ast.AST, a: Value, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> Value:
    return _variance(low, node, a, axis, ddof, keepdims)


@word("nanstd")
def _nanstd(low: Arrays, node: ast.AST, a: Value, axis: Any = None, ddof: Any = 0, keepdims: Any = False) -> Value:
    return root_of_variance(low, node, _variance(low, node, a, axis, ddof, keepdims))


# ---------------------------------------------------------------------------------------------- order


def _extreme(low: Arrays, node: ast.AST, op: str, a: Value, axis: Value, keepdims: Value) -> Value:
    x = _floats(low, node, a)
    return low.emit(op, [x], node, axis_and_keepdims(low, node, x, axis, keepdims))


@word("nanmax")
def _nanmax(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    return _extreme(low, node, "nanmax", a, axis, keepdims)


@word("nanmin")
def _nanmin(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    return _extreme(low, node, "nanmin", a, axis, keepdims)


def _position(low: Arrays, node: ast.AST, op: str, a: Value, by: float, axis: Value) -> Value:
    """Where the extreme is; NumPy raises where all elements are nan."""
    missing, filled = _filled(low, node, a, by)
    known = low.axes(axis, filled.type.rank, node)
    attrs: list[tuple[str, Attr]] = [] if known is None else [("axis", known)]
    none = low.emit("all", [missing], node, attrs)
    none = low.emit("any", [none], node) if none.type.rank else none
    low.stop(none, "ValueError", "All-NaN slice encountered", node)
    return low.emit(op, [filled], node, attrs)


@word("nanargmax")
def _nanargmax(low: Arrays, node: ast.AST, a: Value, axis: Any = None) -> Value:
    return _position(low, node, "argmax", a, -float("inf"), axis)


@word("nanargmin")
def _nanargmin(low: Arrays, node: ast.AST, a: Value, axis: Any = None) -> Value:
    return _position(low, node, "argmin", a, float("inf"), axis)


@word("nanmedian")
def _nanmedian(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    x, known = _floats(low, node, a), low.known(axis, node)
    if low.known(keepdims, node):
        raise low.refusal(node, "`keepdims=` is not supported in a call of np.nanmedian", "np.expand_dims(..., axis)")
    if isinstance(known, tuple):
        raise low.refusal(node, "np.nanmedian along several axes is not supported", "x.reshape(...) first, and then one axis")
    if known is None:
        return low.composed(prelude_numpy.median_of_numbers, [flat(low, node, x)], node)
    along, rank = axis_of(low, node, axis, x.type.rank), x.type.rank
    last = x if along == rank - 1 else transposed(low, node, x, [*(k for k in range(rank) if k != along), along])
    if rank == 1:
        return low.composed(prelude_numpy.median_of_numbers, [last], node)
    sizes = [low.emit("extent", [last], node, [("axis", k)]) for k in range(rank)]
    count = sizes[0]
    for size in sizes[1:-1]:
        count = low.emit("mul", [count, size], node)
    rows = low.emit("reshape", [last, count, sizes[-1]], node)
    found = low.array(low.composed(prelude_numpy.medians_of_numbers, [rows], node), node)
    return found if rank == 2 else low.emit("reshape", [found, *sizes[:-1]], node)
