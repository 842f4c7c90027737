"""Sums of exponentials along axes and what each element has in them: `logsumexp`, `softmax`, `log_softmax`, as in SciPy.

The largest element is taken out first, so that nothing overflows. Where all elements are -inf, no change of them changes the sum: its
gradient is 0, as in a row that is masked out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stagegrad.ir import Attr, Type
from stagegrad.ops import Value, general, helper
from stagegrad.rules.reductions import Spelled, by_axis, declare_along, same, standing
from stagegrad.rules.scalar import exp
from stagegrad.rules.shapes import Axis, Pulled, reduced, sum_

helper(
    '''
    def logsumexp(x, axis, keepdims):
        """log(sum(exp(x))) along axes; the largest elements stay out of the sum, which keeps its digits where they dominate."""
        top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        largest = x == top
        rest = np.sum(np.where(largest, 0.0, np.exp(x - np.where(np.isfinite(top), top, 0.0))), axis=axis, keepdims=True)
        count = np.maximum(np.sum(largest, axis=axis, keepdims=True), 1).astype(x.dtype)
        found = np.log1p(rest / count) + np.log(count) + top
        return found if keepdims else np.squeeze(found, axis=axis)[()]
    '''
)
helper(
    '''
    def logsumexp_of(x):
        """log(sum(exp(x))) of all elements; the largest stay out of the sum, which keeps its digits where they dominate."""
        top = np.max(x) if x.size else x.dtype.type(-np.inf)
        if not math.isfinite(top):
            return top
        rest, count = 0.0, 0
        for v in x.flat:
            if v == top:
                count += 1
            else:
                rest += math.exp(v - top)
        return math.log1p(rest / count) + math.log(count) + top
    '''
)
declare_along("logsumexp", "logsumexp_of(lane)", needs=("logsumexp_of",))
helper(
    '''
    def softmax(x, axis):
        """exp(x) over its sum along axes, without overflow."""
        e = np.exp(x - np.max(x, axis=axis, keepdims=True))
        return e / np.sum(e, axis=axis, keepdims=True)
    ''',
    "lanes",
    numba='''
    def softmax(x, axis):
        """exp(x) over its sum along an axis (None: all of x), without overflow."""
        found = np.empty(x.shape, x.dtype)
        rows, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                top, total = np.max(x3[i, :, k]), x3.dtype.type(0.0)
                for j in range(rows.shape[1]):
                    rows[i, j, k] = math.exp(x3[i, j, k] - top)
                    total += rows[i, j, k]
                for j in range(rows.shape[1]):
                    rows[i, j, k] /= total
        return found
    ''',
)
helper(
    '''
    def shares(x, axis):
        """What each element has in the sum of exponentials along axes: 0.0 where all are -inf, and equal parts of +inf."""
        top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
        e = np.exp(x - np.where(np.isinf(top), 0.0, top).astype(x.dtype))
        e = np.where(top == np.inf, x == top, e)
        total = np.sum(e, axis=axis, keepdims=True)
        return e / np.where(total == 0.0, 1.0, total).astype(x.dtype)
    ''',
    "lanes",
    numba='''
    def shares(x, axis):
        """What each element has in the sum of exponentials along an axis (None: of all): 0.0 where all are -inf, equal parts of +inf."""
        found = np.zeros(x.shape, x.dtype)
        rows, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                if x3.shape[1] == 0 or np.max(x3[i, :, k]) == -np.inf:
                    continue
                top, total = np.max(x3[i, :, k]), x3.dtype.type(0.0)
                for j in range(rows.shape[1]):
                    rows[i, j, k] = 1.0 if x3[i, j, k] == top else math.exp(x3[i, j, k] - top)
                    total += rows[i, j, k]
                for j in range(rows.shape[1]):
                    rows[i, j, k] /= total
        return found
    ''',
)
helper(
    '''
    def log_softmax(x, axis):
        """x less the logarithm of the sum of exp(x) along axes, without overflow."""
        top = np.max(x, axis=axis, keepdims=True)
        below = x - np.where(np.isfinite(top), top, 0.0).astype(x.dtype)
        return below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))
    ''',
    "lanes",
    numba='''
    def log_softmax(x, axis):
        """x less the logarithm of the sum of exp(x) along an axis (None: of all), without overflow."""
        found = np.empty(x.shape, x.dtype)
        rows, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                top = np.max(x3[i, :, k])
                top, total = top if math.isfinite(top) else x3.dtype.type(0.0), x3.dtype.type(0.0)
                for j in range(rows.shape[1]):
                    rows[i, j, k] = x3[i, j, k] - top
                    total += math.exp(rows[i, j, k])
                share = math.log(total)
                for j in range(rows.shape[1]):
                    rows[i, j, k] -= share
        return found
    ''',
)


def _logsumexp(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"logsumexp({{x}}, {attrs.get('axis')}, {bool(attrs.get('keepdims'))})"


def _over_axis(name: str) -> Spelled:
    """``softmax(x, 1)``, ``softmax(x, None)``."""
    return lambda attrs, types: f"{name}({{x}}, {attrs.get('axis')})"


@general({"python": _logsumexp, "numba": by_axis("logsumexp", "logsumexp_of({x})")}, reduced, stage="lse{x}",
         title="log of summed exponentials", helpers=("logsumexp", "logsumexp_of", "logsumexp_along"))  # fmt: skip
def logsumexp(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """Each element gets its share in the sum of exponentials; none where all are -inf (`scipy.special.logsumexp`)."""
    return standing(g, x, axis, keepdims) * shares(x, axis=axis)


@general(_over_axis("shares"), same, stage="share{x}", title="shares of exponentials", helpers=("shares",))
def shares(g: Value, out: Value, x: Value, *, axis: Axis = None) -> Pulled:
    """One share grows at the expense of all others."""
    return out * (g - _total(g * out, axis))


@general(_over_axis("softmax"), same, stage="soft{x}", title="softmax", helpers=("softmax",))
def softmax(g: Value, out: Value, x: Value, *, axis: Axis = None) -> Pulled:
    """One share grows at the expense of all others (`scipy.special.softmax`)."""
    return out * (g - _total(g * out, axis))


@general(_over_axis("log_softmax"), same, stage="logsoft{x}", title="log of softmax", helpers=("log_softmax",))
def log_softmax(g: Value, out: Value, x: Value, *, axis: Axis = None) -> Pulled:
    """The logarithm of each share pays for the whole by that share (`scipy.special.log_softmax`)."""
    return g - exp(out) * _total(g, axis)


def _total(x: Value, axis: Axis) -> Value:
    """The sum along the axes of a share, which broadcasts against x."""
    return sum_(x) if axis is None else sum_(x, axis=axis, keepdims=True)
