"""NumPy's words that are short programs in others: statistics, differences, indices of triangles."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from stagegrad.frontend import prelude_numpy
from stagegrad.frontend.numpy_words import WORDS, word
from stagegrad.frontend.values import Many, Static, Value
from stagegrad.frontend.words_creation import array_of, as_type
from stagegrad.frontend.words_shaping import axis_of, flat, transposed
from stagegrad.ir import FLOAT, INT, Atom, Lit
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def _is_none(value: Value) -> bool:
    return isinstance(value, Static) and value.thing is None


def _floats(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """An array or a number of floats."""
    x = array_of(low, node, value)
    return x if x.type.kind == "float" else as_type(low, node, x, FLOAT)


# ---------------------------------------------------------------------------------------------- statistics


def _variables(low: Arrays, node: ast.AST, m: Value, y: Value, rowvar: Value) -> tuple[Atom, bool]:
    """The observations, each variable in a row, in 64 bits as NumPy has them; and whether it is one variable alone."""
    parts = [as_type(low, node, array_of(low, node, value), FLOAT) for value in (m, y) if not _is_none(value)]
    rows: list[Atom] = []
    for x in parts:
        if x.type.rank not in (1, 2):
            raise low.refusal(node, "observations have one or two axes")
        if x.type.rank == 1:
            rows.append(low.emit("expand_dims", [x], node, [("axis", 0)]))
        else:
            rows.append(x if low.known(rowvar, node) else transposed(low, node, x))
    together = rows[0] if len(rows) == 1 else low.emit("concatenate", rows, node, [("axis", 0)])
    return together, len(parts) == 1 and parts[0].type.rank == 1


def _of_one(low: Arrays, node: ast.AST, matrix: Value, alone: bool) -> Value:
    if not alone:
        return matrix
    element = low.emit("load", [low.array(matrix, node), literal(0), literal(0)], node, [("at", "[{0}, {1}]"), ("rank", 0)])
    return low.without_axes(element, node)


@word("cov")
def _cov(
    low: Arrays, node: ast.AST, m: Value, y: Any = None, rowvar: Any = True, bias: Any = False, ddof: Any = None
) -> Value:  # fmt: skip
    x, alone = _variables(low, node, m, y, rowvar)
    less = literal(0.0 if low.known(bias, node) else 1.0) if _is_none(ddof) else low.converted(low.atom(ddof, node), FLOAT, node)
    return _of_one(low, node, low.composed(prelude_numpy.covariance, [x, less], node), alone)


@word("corrcoef")
def _corrcoef(low: Arrays, node: ast.AST, x: Value, y: Any = None, rowvar: Any = True) -> Value:
    rows, alone = _variables(low, node, x, y, rowvar)
    return low.without_axes(literal(1.0), node) if alone else low.composed(prelude_numpy.correlation, [rows], node)


# ---------------------------------------------------------------------------------------------- along an axis


def _to_the_end(low: Arrays, node: ast.AST, x: Atom, axis: int) -> Atom:
    rank = x.type.rank
    return x if axis == rank - 1 else transposed(low, node, x, [*(k for k in range(rank) if k != axis), axis])


def _from_the_end(low: Arrays, node: ast.AST, x: Atom, axis: int) -> Atom:
    rank = x.type.rank
    return x if axis == rank - 1 else transposed(low, node, x, [*range(axis), rank - 1, *range(axis, rank - 1)])


@word("trapezoid trapz")
def _trapezoid(low: Arrays, node: ast.AST, y: Value, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Value:
    values = _floats(low, node, y)
    at = axis_of(low, node, axis, values.type.rank)
    distances: Value = low.numeric(dx, node)
    if not _is_none(x):
        points = _floats(low, node, x)
        points = points if points.type.rank == 1 else _to_the_end(low, node, points, at)
        distances = low.emit("diff", [points], node, [("axis", points.type.rank - 1)])
    return low.composed(prelude_numpy.trapezoid, [_to_the_end(low, node, values, at), distances], node)


@word("gradient")
def _gradient(low: Arrays, node: ast.AST, *args: Value, axis: Any = None, edge_order: Any = 1) -> Value:
    if not args:
        raise low.refusal(node, "gradient() is missing the argument `f`")
    f = _floats(low, node, args[0])
    known = low.axes(axis, f.type.rank, node)
    along = tuple(range(f.type.rank)) if known is None else (known,) if isinstance(known, int) else known
    spacings = list(args[1:]) * (len(along) if len(args) == 2 else 1) or [literal(1.0)] * len(along)
    if len(spacings) != len(along):
        raise low.refusal(node, "invalid number of arguments")
    order = low.known(edge_order, node)
    if order not in (1, 2):
        raise low.refusal(node, "'edge_order' greater than 2 not supported")
    found = [_one_gradient(low, node, f, at, spacing, order) for at, spacing in zip(along, spacings, strict=True)]
    return found[0] if len(found) == 1 else Many(tuple(found))


def _one_gradient(low: Arrays, node: ast.AST, f: Atom, axis: int, spacing: Value, order: int) -> Atom:
    x, h = _to_the_end(low, node, f, axis), low.array(spacing, node)
    if h.type.rank and order == 2:
        raise low.refusal(node, "edge_order=2 with the coordinates of points is not supported", "the distance of the points, if it is one")
    if h.type.rank:
        found = low.composed(prelude_numpy.gradient_at, [x, _floats(low, node, h)], node)
    else:
        found = low.composed(prelude_numpy.uniform_gradient, [x, low.converted(h, FLOAT, node), literal(order)], node)
    return _from_the_end(low, node, low.array(found, node), axis)


# ---------------------------------------------------------------------------------------------- indices


def _sizes(low: Arrays, node: ast.AST, n: Value, k: Value, m: Value) -> list[Value]:
    rows, offset = (low.whole(low.atom(value, node), node, "a size") for value in (n, k))
    return [rows, offset, rows if _is_none(m) else low.whole(low.atom(m, node), node, "a size")]


def _sizes_of(low: Arrays, node: ast.AST, arr: Value, k: Value) -> list[Value]:
    x = low.array(arr, node)
    if x.type.rank != 2:
        raise low.refusal(node, "input array must be 2-d")
    rows, columns = (low.emit("extent", [x], node, [("axis", axis)]) for axis in (0, 1))
    return [rows, low.whole(low.atom(k, node), node, "an offset"), columns]


@word("triu_indices")
def _triu_indices(low: Arrays, node: ast.AST, n: Value, k: Any = 0, m: Any = None) -> Value:
    return low.composed(prelude_numpy.upper_indices, _sizes(low, node, n, k, m), node)


@word("tril_indices")
def _tril_indices(low: Arrays, node: ast.AST, n: Value, k: Any = 0, m: Any = None) -> Value:
    return low.composed(prelude_numpy.lower_indices, _sizes(low, node, n, k, m), node)


@word("triu_indices_from")
def _triu_indices_from(low: Arrays, node: ast.AST, arr: Value, k: Any = 0) -> Value:
    return low.composed(prelude_numpy.upper_indices, _sizes_of(low, node, arr, k), node)


@word("tril_indices_from")
def _tril_indices_from(low: Arrays, node: ast.AST, arr: Value, k: Any = 0) -> Value:
    return low.composed(prelude_numpy.lower_indices, _sizes_of(low, node, arr, k), node)


@word("diag_indices")
def _diag_indices(low: Arrays, node: ast.AST, n: Value, ndim: Any = 2) -> Value:
    size = low.whole(low.atom(n, node), node, "a size")
    along = low.emit("arange", [Lit(0, INT), size, Lit(1, INT)], node)
    return Many((along,) * int(low.known(ndim, node)))


# ---------------------------------------------------------------------------------------------- norms of matrices


@word("linalg.cond")
def _cond(low: Arrays, node: ast.AST, x: Value, p: Any = None) -> Value:
    if low.known(p, node) not in (None, 2):
        raise low.refusal(node, "only the condition in the 2-norm is supported", "np.linalg.norm(a) * np.linalg.norm(np.linalg.inv(a))")
    s = low.array(low.call_word(WORDS["linalg.svd"], [x], {"compute_uv": literal(False)}, node), node)
    first, last = (low.emit("load", [s, literal(k)], node) for k in (0, -1))
    return low.arithmetic("div", first, last, node)


@word("linalg.matrix_norm")
def _matrix_norm(low: Arrays, node: ast.AST, x: Value, keepdims: Any = False, ord: Any = "fro") -> Value:
    return low.call_word(WORDS["linalg.norm"], [x, ord], {"keepdims": keepdims}, node)


@word("linalg.vector_norm")
def _vector_norm(low: Arrays, node: ast.AST, x: Value, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Value:
    a = low.array(x, node)
    if _is_none(axis) and a.type.rank > 1:
        a = low.emit("ravel", [a], node)
    return low.call_word(WORDS["linalg.norm"], [a, ord], {"axis": axis, "keepdims": keepdims}, node)


# ---------------------------------------------------------------------------------------------- running extremes, spaced points, equality


def running_extreme(low: Arrays, node: ast.AST, name: str, array: Value, axis: Value) -> Value:
    """``np.maximum.accumulate`` and ``np.minimum.accumulate``."""
    x, function = low.array(array, node), {"maximum": prelude_numpy.running_maximum, "minimum": prelude_numpy.running_minimum}[name]
    along = axis_of(low, node, axis, x.type.rank)
    order = [along, *(k for k in range(x.type.rank) if k != along)]
    first = x if along == 0 else transposed(low, node, x, order)
    found = low.array(low.composed(function, [first], node), node)
    return found if along == 0 else transposed(low, node, found, [order.index(k) for k in range(x.type.rank)])


@word("logspace")
def _logspace(low: Arrays, node: ast.AST, start: Value, stop: Value, num: Any = 50, endpoint: Any = True, base: Any = 10.0) -> Value:
    powers = low.array(low.call_word(WORDS["linspace"], [start, stop, num], {"endpoint": endpoint}, node), node)
    return low.emit("pow", [low.converted(low.atom(base, node), FLOAT, node), powers], node, [("lib", "numpy")])


@word("geomspace")
def _geomspace(low: Arrays, node: ast.AST, start: Value, stop: Value, num: Any = 50, endpoint: Any = True) -> Value:
    ends = [low.converted(low.atom(value, node), FLOAT, node) for value in (start, stop)]
    count = low.whole(low.atom(num, node), node, "the number of points")
    return low.composed(prelude_numpy.geometric, [*ends, count, literal(bool(low.known(endpoint, node)))], node)


@word("array_equal")
def _array_equal(low: Arrays, node: ast.AST, a1: Value, a2: Value) -> Value:
    x, y = array_of(low, node, a1), array_of(low, node, a2)
    if x.type.rank != y.type.rank:
        return literal(False)
    alike: Atom = literal(True)
    for axis in range(x.type.rank):
        test = low.emit("eq", [low.emit("extent", [array], node, [("axis", axis)]) for array in (x, y)], node)
        alike = test if axis == 0 else low.emit("and", [alike, test], node)

    def equal() -> Value:
        same = low.emit("eq", [x, y], node)
        return low.emit("all", [same], node) if same.type.rank else same

    return low.choose(alike, equal, lambda: literal(False), node)


@word("unique")
def _unique(low: Arrays, node: ast.AST, ar: Value) -> Value:
    x = flat(low, node, array_of(low, node, ar))
    return low.composed(prelude_numpy.different if x.type.kind == "float" else prelude_numpy.different_ints, [x], node)


@word("real", attribute=True)
def _real(low: Arrays, node: ast.AST, val: Value) -> Value:
    return array_of(low, node, val)


@word("divmod")
def _divmod(low: Arrays, node: ast.AST, x1: Value, x2: Value) -> Value:
    x, y = _floats(low, node, x1), _floats(low, node, x2)
    return Many(tuple(low.emit(op, [x, y], node, [("lib", "numpy")]) for op in ("floordiv", "mod")))
