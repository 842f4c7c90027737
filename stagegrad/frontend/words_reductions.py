"""NumPy's words for reductions, order, counts, interpolation and convolution, and SciPy's for sums of exponentials."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stagegrad.frontend import prelude_numpy
from stagegrad.frontend.numpy_words import WORDS, axis_and_keepdims, word
from stagegrad.frontend.values import Many, Value, describe
from stagegrad.frontend.words_creation import as_type, common_type, held
from stagegrad.frontend.words_products import factors
from stagegrad.frontend.words_shaping import axis_of, flat, stacked
from stagegrad.ir import FLOAT, Atom, Attr, Var
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.arrays import Arrays


def _array(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """An operand that must have axes."""
    atom = low.array(value, node)
    if not atom.type.rank:
        raise low.refusal(node, f"this needs an array, and it is {describe(atom)}", "the number itself")
    return atom


def _floats(low: Arrays, node: ast.AST, value: Value) -> Atom:
    """An operand whose elements are floats; ints become so."""
    atom = _array(low, node, value)
    return atom if atom.type.kind == "float" else as_type(low, node, atom, FLOAT)


def _absent(low: Arrays, node: ast.AST, **given: Value) -> None:
    """Refuses arguments that are not supported, where they say anything."""
    for name, value in given.items():
        if low.known(value, node) not in (None, False):
            raise low.refusal(node, f"`{name}=` is not supported here", f"the call without {name}")


def _reduce(low: Arrays, node: ast.AST, op: str, x: Atom, axis: Value, keepdims: Value, *more: tuple[str, Attr]) -> Atom:
    return low.emit(op, [x], node, [*axis_and_keepdims(low, node, x, axis, keepdims), *more])


# ---------------------------------------------------------------------------------------------- along any axes


@word("mean", method=True)
def _mean(low: Arrays, node: ast.AST, a: Value, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, dtype=dtype, out=out)
    return _reduce(low, node, "mean", _array(low, node, a), axis, keepdims)


@word("prod", method=True)
def _prod(low: Arrays, node: ast.AST, a: Value, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, dtype=dtype, out=out)
    return _reduce(low, node, "prod", _array(low, node, a), axis, keepdims)


@word("max amax", method=True)
def _max(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, out=out)
    return _reduce(low, node, "amax", _array(low, node, a), axis, keepdims)


@word("min amin", method=True)
def _min(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, out=out)
    return _reduce(low, node, "amin", _array(low, node, a), axis, keepdims)


@word("ptp")
def _ptp(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, out=out)
    x = _array(low, node, a)
    return low.emit("sub", [_reduce(low, node, op, x, axis, keepdims) for op in ("amax", "amin")], node)


@word("any", method=True)
def _any(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, out=out)
    return _reduce(low, node, "any", _array(low, node, a), axis, keepdims)


@word("all", method=True)
def _all(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, out=out)
    return _reduce(low, node, "all", _array(low, node, a), axis, keepdims)


@word("count_nonzero")
def _count_nonzero(low: Arrays, node: ast.AST, a: Value, axis: Any = None, keepdims: Any = False) -> Value:
    return _reduce(low, node, "count_nonzero", _array(low, node, a), axis, keepdims)


@word("argmax", method=True)
def _argmax(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, out=out)
    return _reduce(low, node, "argmax", _array(low, node, a), _one_axis(low, node, a, axis), keepdims)


@word("argmin", method=True)
def _argmin(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, keepdims: Any = False) -> Value:
    _absent(low, node, out=out)
    return _reduce(low, node, "argmin", _array(low, node, a), _one_axis(low, node, a, axis), keepdims)


def _one_axis(low: Arrays, node: ast.AST, a: Value, axis: Value) -> Value:
    """An axis argument that is one axis, or None for all of them; a tuple of all of them is None."""
    rank = _array(low, node, a).type.rank
    known = low.axes(axis, rank, node)
    if isinstance(known, tuple):
        if 1 < len(known) < rank:
            raise low.refusal(node, "several axes, but not all, are not supported here", "x.reshape(...) first, and then one axis")
        return low.constant(None if len(known) == rank else known[0], node)
    return axis


# ---------------------------------------------------------------------------------------------- moments


def _variance(low: Arrays, node: ast.AST, op: str, x: Atom, axis: Value, ddof: Value, keepdims: Value) -> Atom:
    """A variance or its root; along several axes, but not all, it is written as a mean of squares, which every target has."""
    less = low.known(ddof, node)
    if not isinstance(less, int) or isinstance(less, bool):
        raise low.refusal(node, "`ddof` must be an int", "ddof=1")
    known = low.axes(axis, x.type.rank, node)
    if not isinstance(known, tuple) or len(known) in (1, x.type.rank):
        return _reduce(low, node, op, x, _one_axis(low, node, x, axis), keepdims, *([("ddof", less)] if less else []))
    center = _reduce(low, node, "mean", x, axis, literal(True))
    squares = low.emit("square", [low.emit("sub", [x, center], node)], node)
    total = _reduce(low, node, "sum", squares, axis, keepdims)
    found = low.emit("div", [total, low.emit("number_along", [x], node, [("axis", known), ("less", less)])], node, [("lib", "numpy")])
    return root_of_variance(low, node, found) if op == "std" else found


def root_of_variance(low: Arrays, node: ast.AST, variance: Atom) -> Atom:
    """A deviation, whose slope is 0 where all that it is made of is equal; there the root has none."""
    equal = low.emit("eq", [variance, literal(0.0)], node)
    root = low.emit("sqrt", [low.emit("where", [equal, literal(1.0), variance], node)], node, [("lib", "numpy")])
    return low.emit("where", [equal, literal(0.0), root], node)


@word("var", method=True)
def _var(low: Arrays, node: ast.AST, a: Value, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
         keepdims: Any = False) -> Value:  # fmt: skip
    _absent(low, node, dtype=dtype, out=out)
    return _variance(low, node, "var", _floats(low, node, a), axis, ddof, keepdims)


@word("std", method=True)
def _std(low: Arrays, node: ast.AST, a: Value, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
         keepdims: Any = False) -> Value:  # fmt: skip
    _absent(low, node, dtype=dtype, out=out)
    return _variance(low, node, "std", _floats(low, node, a), axis, ddof, keepdims)


@word("average")
def _average(low: Arrays, node: ast.AST, a: Value, axis: Any = None, weights: Any = None, returned: Any = False,
             keepdims: Any = False) -> Value:  # fmt: skip
    _absent(low, node, returned=returned)
    x = _floats(low, node, a)
    if _is_none(weights):
        return _reduce(low, node, "mean", x, axis, keepdims)
    w = _floats(low, node, weights)
    if w.type.rank != x.type.rank:
        w = _along_axis(low, node, w, x.type.rank, axis)
        axis = low.constant(axis_of(low, node, axis, x.type.rank), node)
    total = _reduce(low, node, "sum", w, axis, keepdims)
    nothing = low.emit("eq", [total, literal(0.0)], node)
    low.stop(low.emit("any", [nothing], node) if nothing.type.rank else nothing, "ZeroDivisionError",
             "Weights sum to zero, can't be normalized", node)  # fmt: skip
    return low.emit("div", [_reduce(low, node, "sum", low.emit("mul", [x, w], node), axis, keepdims), total], node, [("lib", "numpy")])


def _is_none(value: Value) -> bool:
    return getattr(value, "thing", value) is None


def _along_axis(low: Arrays, node: ast.AST, w: Atom, rank: int, axis: Value) -> Atom:
    """Weights of one axis, with axes of one element beside it."""
    if w.type.rank != 1 or _is_none(axis):
        raise low.refusal(node, "weights must have the shape of the array, or be a vector beside an `axis=`")
    at = axis_of(low, node, axis, rank)
    for k in range(rank):
        if k != at:
            w = low.emit("expand_dims", [w], node, [("axis", k)])
    return w


# ---------------------------------------------------------------------------------------------- running sums, differences


def _running(low: Arrays, node: ast.AST, op: str, a: Value, axis: Value) -> Atom:
    x = _array(low, node, a)
    if _is_none(axis):
        x = flat(low, node, x)
        return low.emit(op, [x], node, [("axis", 0)])
    return low.emit(op, [x], node, [("axis", axis_of(low, node, axis, x.type.rank))])


@word("cumsum", method=True)
def _cumsum(low: Arrays, node: ast.AST, a: Value, axis: Any = None, dtype: Any = None, out: Any = None) -> Value:
    _absent(low, node, dtype=dtype, out=out)
    return _running(low, node, "cumsum", a, axis)


@word("cumprod", method=True)
def _cumprod(low: Arrays, node: ast.AST, a: Value, axis: Any = None, dtype: Any = None, out: Any = None) -> Value:
    _absent(low, node, dtype=dtype, out=out)
    return _running(low, node, "cumprod", a, axis)


@word("diff")
def _diff(low: Arrays, node: ast.AST, a: Value, n: Any = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Value:
    x = _array(low, node, a)
    x = _with_ends(low, node, x, axis_of(low, node, axis, x.type.rank), prepend, append)
    times = low.known(n, node)
    if not isinstance(times, int) or times < 0 or x.type.kind == "bool":
        raise low.refusal(node, "np.diff needs numbers, and a whole n that is not negative")
    for _ in range(times):
        x = low.emit("diff", [x], node, [("axis", axis_of(low, node, axis, x.type.rank))])
    return x


def _with_ends(low: Arrays, node: ast.AST, x: Atom, axis: int, first: Value, last: Value) -> Atom:
    """An array with more elements before and behind along an axis; a number stands for one element all over the others."""
    parts: list[Atom] = [x]
    for value in (first, last):
        if _is_none(value):
            continue
        end = as_type(low, node, low.array(value, node), common_type([x, low.array(value, node)]))
        if not end.type.rank and x.type.rank > 1:
            one: list[tuple[str, Attr]] = [("at", f"[{':, ' * axis}:1]"), ("rank", x.type.rank)]
            end = low.emit("full_like", [low.emit("load", [x], node, one), end], node)
        end = flat(low, node, end) if x.type.rank == 1 else end
        parts = [end, *parts] if value is first else [*parts, end]
    return parts[0] if len(parts) == 1 else low.emit("concatenate", parts, node, [("axis", axis)])


@word("ediff1d")
def _ediff1d(low: Arrays, node: ast.AST, ary: Value, to_end: Any = None, to_begin: Any = None) -> Value:
    found = low.emit("diff", [flat(low, node, _array(low, node, ary))], node, [("axis", 0)])
    return _with_ends(low, node, found, 0, to_begin, to_end)


# ---------------------------------------------------------------------------------------------- order


def _sorted(low: Arrays, node: ast.AST, op: str, a: Value, axis: Value, *more: tuple[str, Attr]) -> Atom:
    x = _array(low, node, a)
    if _is_none(axis):
        x = flat(low, node, x)
        return low.emit(op, [x], node, [("axis", 0), *more])
    return low.emit(op, [x], node, [("axis", axis_of(low, node, axis, x.type.rank)), *more])


@word("sort")
def _sort(low: Arrays, node: ast.AST, a: Value, axis: Any = -1, kind: Any = None, order: Any = None, stable: Any = None) -> Value:
    _absent(low, node, order=order)
    return _sorted(low, node, "sort", a, axis)


@word("argsort", method=True)
def _argsort(low: Arrays, node: ast.AST, a: Value, axis: Any = -1, kind: Any = None, order: Any = None, stable: Any = None) -> Value:
    _absent(low, node, order=order)
    steady = low.known(kind, node) in ("stable", "mergesort") or low.known(stable, node)
    return _sorted(low, node, "argsort", a, axis, *([("stable", True)] if steady else []))


@word("median")
def _median(low: Arrays, node: ast.AST, a: Value, axis: Any = None, out: Any = None, overwrite_input: Any = False,
            keepdims: Any = False) -> Value:  # fmt: skip
    _absent(low, node, out=out, overwrite_input=overwrite_input)
    return _reduce(low, node, "median", _array(low, node, a), _one_axis(low, node, a, axis), keepdims)


def _quantile_of(low: Arrays, node: ast.AST, a: Value, q: Value, axis: Value, method: Value, keepdims: Value, whole: int) -> Value:
    """A quantile, or several side by side; `whole` is what the largest is called, 1 or 100."""
    if low.known(method, node) != "linear":
        raise low.refusal(node, "only method='linear' is supported", "np.sort(x), and the element at the place that the method says")
    if isinstance(q, Many):
        return stacked(low, node, [low.array(_quantile_of(low, node, a, one, axis, method, keepdims, whole), node) for one in q.items], 0)
    if isinstance(q, Var) and q.type == FLOAT:
        return _quantile_at(low, node, a, low.emit("div", [q, literal(float(whole))], node) if whole > 1 else q, axis, keepdims)
    at = low.known(q, node)
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise low.refusal(node, "quantiles are numbers, or a list of such", "q as a number, such as 0.25, or a list in brackets")
    if not 0 <= at <= whole:
        raise low.refusal(node, f"a quantile is between 0 and {whole}, and this is {at!r}")
    return _reduce(low, node, "quantile", _array(low, node, a), _one_axis(low, node, a, axis), keepdims, ("q", at / whole))


def _quantile_at(low: Arrays, node: ast.AST, a: Value, q: Atom, axis: Value, keepdims: Value) -> Value:
    """A quantile that is a number of the program's own, which has a slope as well."""
    x = _floats(low, node, a)
    if (not _is_none(axis) and x.type.rank > 1) or low.known(keepdims, node):
        raise low.refusal(node, "a quantile along an axis must be a number that is written out", "a loop over the rows")
    return low.composed(prelude_numpy.quantile_at, [flat(low, node, x), q], node)


@word("quantile")
def _quantile(low: Arrays, node: ast.AST, a: Value, q: Value, axis: Any = None, out: Any = None, overwrite_input: Any = False,
              method: Any = "linear", keepdims: Any = False) -> Value:  # fmt: skip
    _absent(low, node, out=out, overwrite_input=overwrite_input)
    return _quantile_of(low, node, a, q, axis, method, keepdims, 1)


@word("percentile")
def _percentile(low: Arrays, node: ast.AST, a: Value, q: Value, axis: Any = None, out: Any = None, overwrite_input: Any = False,
                method: Any = "linear", keepdims: Any = False) -> Value:  # fmt: skip
    _absent(low, node, out=out, overwrite_input=overwrite_input)
    return _quantile_of(low, node, a, q, axis, method, keepdims, 100)


@word("searchsorted", method=True)
def _searchsorted(low: Arrays, node: ast.AST, a: Value, v: Value, side: Any = "left", sorter: Any = None) -> Value:
    _absent(low, node, sorter=sorter)
    right = _choice(low, node, "side", side, "left", "right") == "right"
    return low.emit("searchsorted", [_vector(low, node, a), low.array(v, node)], node, [("right", True)] if right else [])


@word("digitize")
def _digitize(low: Arrays, node: ast.AST, x: Value, bins: Value, right: Any = False) -> Value:
    closed = low.known(right, node)
    return low.emit("digitize", [low.array(x, node), _vector(low, node, bins)], node, [("right", True)] if closed else [])


def _choice(low: Arrays, node: ast.AST, name: str, value: Value, *allowed: str) -> str:
    known = low.known(value, node)
    if known not in allowed:
        raise low.refusal(node, f"`{name}` must be one of {', '.join(map(repr, allowed))}, and this is {known!r}")
    return str(known)


def _vector(low: Arrays, node: ast.AST, value: Value) -> Atom:
    atom = _array(low, node, value)
    if atom.type.rank != 1:
        raise low.refusal(node, f"this needs an array of one axis, and it is {describe(atom)}")
    return atom


# ---------------------------------------------------------------------------------------------- counts


@word("bincount")
def _bincount(low: Arrays, node: ast.AST, x: Value, weights: Any = None, minlength: Any = 0) -> Value:
    at = _vector(low, node, x)
    if isinstance(minlength, Var):
        counts = low.array(_bincount(low, node, at, weights, literal(0)), node)
        length = low.whole(minlength, node, "`minlength`")
        more = low.emit("max", [low.arithmetic("sub", length, low.emit("size", [counts], node), node), literal(0)], node)
        empty = low.emit("zeros_of", [more], node, held(replace(counts.type, rank=0)))
        return low.emit("concatenate", [counts, empty], node, [("axis", 0)])
    least = low.known(minlength, node)
    if at.type.kind != "int":
        raise low.refusal(node, f"np.bincount needs ints, and this is {describe(at)}", ".astype(int) behind it")
    if least != 0 and not _is_count(least):
        raise low.refusal(node, "`minlength` must be a known int that is not negative", "minlength=10")
    attrs: list[tuple[str, Attr]] = [("minlength", least)] if least else []
    if _is_none(weights):
        return low.emit("bincount", [at], node, attrs)
    return low.emit("weighted_bincount", [at, _floats(low, node, weights)], node, attrs)


def _is_count(known: object) -> bool:
    return isinstance(known, int) and not isinstance(known, bool) and known > 0


@word("histogram")
def _histogram(low: Arrays, node: ast.AST, a: Value, bins: Any = 10, range: Any = None, density: Any = None,
               weights: Any = None) -> Value:  # fmt: skip
    _absent(low, node, density=density, weights=weights)
    x = _array(low, node, a)
    if low.is_array(bins) or isinstance(bins, Many):
        edges = _vector(low, node, bins)
        return Many((low.emit("histogram_between", [x, edges], node), edges))
    if _is_none(range):
        raise low.refusal(node, "the edges of a histogram without `range=` depend on the numbers themselves", "range=(low, high)")
    count, ends = low.known(bins, node), low.known(range, node)
    if not _is_count(count) or not isinstance(ends, tuple) or len(ends) != 2 or not all(isinstance(end, (int, float)) for end in ends):
        raise low.refusal(node, "a histogram needs a known number of bins and a known range", "bins=10, range=(0.0, 1.0)")
    first, last = map(float, ends)
    between = WORDS["linspace"].call(low, node, [literal(first), literal(last), literal(count + 1)], {})
    return Many((low.emit("histogram", [x], node, [("bins", count), ("low", first), ("high", last)]), between))


# ---------------------------------------------------------------------------------------------- interpolation, convolution


@word("interp")
def _interp(low: Arrays, node: ast.AST, x: Value, xp: Value, fp: Value, left: Any = None, right: Any = None, period: Any = None) -> Value:
    _absent(low, node, period=period)
    at = as_type(low, node, low.array(x, node), FLOAT)
    knots, values = (_floats(low, node, _vector(low, node, part)) for part in (xp, fp))
    found = low.emit("interp", [at, knots, values], node)
    for beyond, op, end in ((left, "lt", 0), (right, "gt", -1)):
        if not _is_none(beyond):
            outside = low.emit(op, [at, low.emit("load", [knots, literal(end)], node)], node)
            found = low.emit("where", [outside, low.converted(low.atom(beyond, node), FLOAT, node), found], node)
    return found


def _product(low: Arrays, node: ast.AST, op: str, a: Value, v: Value, mode: Value) -> Atom:
    x, y = factors(low, node, _vector(low, node, a), _vector(low, node, v))
    return low.emit(op, [x, y], node, [("mode", _choice(low, node, "mode", mode, "full", "same", "valid"))])


@word("convolve")
def _convolve(low: Arrays, node: ast.AST, a: Value, v: Value, mode: Any = "full") -> Value:
    return _product(low, node, "convolve", a, v, mode)


@word("correlate")
def _correlate(low: Arrays, node: ast.AST, a: Value, v: Value, mode: Any = "valid") -> Value:
    return _product(low, node, "correlate", a, v, mode)


# ---------------------------------------------------------------------------------------------- sums of exponentials


@word("scipy.special.logsumexp")
def _logsumexp(low: Arrays, node: ast.AST, a: Value, axis: Any = None, b: Any = None, keepdims: Any = False,
               return_sign: Any = False) -> Value:  # fmt: skip
    _absent(low, node, return_sign=return_sign)
    if not _is_none(b):
        raise low.refusal(node, "`b=` is not supported in logsumexp", "logsumexp(a + np.log(b)), for positive b")
    x = _floats(low, node, a)
    known = low.axes(axis, x.type.rank, node)
    if not isinstance(known, tuple) or len(known) == x.type.rank:
        return _reduce(low, node, "logsumexp", x, _one_axis(low, node, x, axis), keepdims)
    for k in sorted(known, reverse=True):  # a sum of exponentials of sums of exponentials is one sum
        x = _reduce(low, node, "logsumexp", x, literal(k), keepdims)
    return x


def _over_axis(low: Arrays, node: ast.AST, op: str, x: Value, axis: Value) -> Atom:
    known = low.axes(_one_axis(low, node, x, axis), _array(low, node, x).type.rank, node)
    return low.emit(op, [_floats(low, node, x)], node, [] if known is None else [("axis", known)])


@word("scipy.special.softmax")
def _softmax(low: Arrays, node: ast.AST, x: Value, axis: Any = None) -> Value:
    return _over_axis(low, node, "softmax", x, axis)


@word("scipy.special.log_softmax")
def _log_softmax(low: Arrays, node: ast.AST, x: Value, axis: Any = None) -> Value:
    return _over_axis(low, node, "log_softmax", x, axis)
