"""Reductions of arrays along axes: moments, products, extrema and counts, and the running sums and products.

A product's gradient is made of the products of all other elements, never of a quotient, so that zeros are right. Elements that tie for
an extreme share its gradient. Numba reduces along an axis only in `np.sum`: the other reductions are helpers with loops there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from stagegrad.ir import INT, Attr, Type
from stagegrad.ops import Helper, Value, general, helper
from stagegrad.rules.arithmetic import div, quotient, scaled
from stagegrad.rules.shapes import Axis, Pulled, axes_of, expand_dims, full_like, reduced, reduction, spread, summed

Spelled = Callable[[Mapping[str, Attr], Sequence[Type]], str]

# ---------------------------------------------------------------------------------------------- how Numba writes them

helper(
    '''
    def lanes(x, axis):
        """An array in three axes: what is before an axis, the axis itself (None: all of them in a row), and what is after it."""
        if axis is None:
            return np.ascontiguousarray(x).reshape((1, x.size, 1))
        before, after = 1, 1
        for k in range(axis):
            before *= x.shape[k]
        for k in range(axis + 1, x.ndim):
            after *= x.shape[k]
        return np.ascontiguousarray(x).reshape((before, x.shape[axis], after))
    '''
)


def declare_along(name: str, each: str, result: str = "np.sum(x, axis)", parameters: str = "x, axis", needs: Sequence[str] = ()) -> Helper:
    """A helper that reduces along one axis by a loop; `each` is the reduction of one ``lane``, `result` has the shape of the result."""
    return helper(
        f'''
        def {name}_along({parameters}):
            """np.{name}(x, axis=axis)."""
            found = {result}
            flat, x3 = found.reshape(found.size), lanes(x, axis)
            for i in range(x3.shape[0]):
                for k in range(x3.shape[2]):
                    lane = x3[i, :, k]
                    flat[i * x3.shape[2] + k] = {each}
            return found
        ''',
        "lanes",
        *needs,
    )


helper(
    '''
    def var_of(x, ddof):
        """np.var(x, ddof=ddof) of all of an array."""
        return np.var(x) * x.size / (x.size - ddof)
    '''
)
declare_along("mean", "np.sum(lane) / lane.size")
declare_along("prod", "np.prod(lane)")
declare_along("max", "np.max(lane)")
declare_along("min", "np.min(lane)")
declare_along("var", "var_of(lane, ddof)", parameters="x, axis, ddof=0", needs=("var_of",))
declare_along("any", "np.any(lane)", "np.sum(x, axis) != 0")
declare_along("all", "np.all(lane)", "np.sum(x, axis) != 0")


def by_axis(name: str, whole: str = "", floats: bool = False) -> Spelled:
    """How Numba reduces: ``np.max(x)`` of all of an array, ``max_along(max_along(x, 1), 0)`` along some of its axes.

    `whole` spells the reduction of all of it where that is not ``np.name(x)``; `floats` says that the result is one whatever x holds.
    """

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        rank, axes = types[0].rank, axes_of(cast(Axis, attrs.get("axis")), types[0].rank)
        text = "{x}" if types[0].kind == "float" or not floats else "{x}.astype(np.float64)"
        if len(axes) == rank:
            return kept(_narrow((whole or f"np.{name}({{x}})").replace("{x}", text), types), attrs, types)
        for axis in reversed(axes):
            text = f"{name}_along({text}, {axis})"
        return kept(text, attrs, types)

    return spelled


def kept(text: str, attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """The text of a reduction whose axes stay, with one element each, where `keepdims` says so."""
    rank, axes = types[0].rank, axes_of(cast(Axis, attrs.get("axis")), types[0].rank)
    if not attrs.get("keepdims"):
        return text
    if len(axes) == rank:
        return f"np.full({(1,) * rank}, {text})"
    for axis in axes:
        text = f"np.expand_dims({text}, {axis})"
    return text


def _narrow(text: str, types: Sequence[Type]) -> str:
    """Numba computes means in 64 bits: the result has the width of the array."""
    return f"np.float32({text})" if types[0].kind == "float" and types[0].bits == 32 else text


def averaged(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    """As `reduced`, but of ints and bools a float."""
    found = reduced(types, attrs)
    return found if found.kind == "float" else Type("float", found.rank)


def _counted(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    return Type("int", reduced(types, attrs).rank)


def _asked(types: Sequence[Type], attrs: Mapping[str, Attr]) -> Type:
    return Type("bool", reduced(types, attrs).rank)


def same(types: Sequence[Type]) -> Type:
    """The first operand's type."""
    return types[0]


def standing(g: Value, x: Value, axis: Axis, keepdims: bool) -> Value:
    """What a reduction of x gave, with one element along the axes that it took away: it broadcasts against x."""
    if g.type.rank:
        for k in axes_of(axis, x.type.rank) if not keepdims else ():
            g = expand_dims(g, axis=k)
    return g


# ---------------------------------------------------------------------------------------------- moments


def _number(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """``x.size``, or ``x.shape[0] * x.shape[1]``: how many elements a reduction puts into one; `less` of them are not counted."""
    axes = axes_of(cast(Axis, attrs.get("axis")), types[0].rank)
    text = "{x}.size" if len(axes) == types[0].rank else " * ".join(f"{{x}}.shape[{axis}]" for axis in axes)
    return f"{text} - {attrs['less']}" if attrs.get("less") else text


@general(_number, lambda types: INT, stage="n{x}")
def number_along(g: Value, out: Value, x: Value, *, axis: Axis = None, less: int = 0) -> Pulled:
    """The number of elements that a reduction puts into one."""
    return None


@general({"python": reduction("np.mean"), "numba": by_axis("mean", floats=True)}, averaged, stage="mean{x}", linear=True,
         helpers=("mean_along",))  # fmt: skip
def mean(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """A mean hands an equal share of its gradient to every element (`np.mean`)."""
    if g.type.rank:
        return spread(div(g, number_along(x, axis=axis)), x, axis, keepdims)
    return div(full_like(x, g), number_along(x))  # arrays may be divided by zero, the number of elements of an empty one


def _deviation(name: str) -> Spelled:
    """``np.var(x, axis=0, ddof=1)``."""
    plain = reduction(f"np.{name}")

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        text = plain(attrs, types)
        return text.removesuffix(")") + f", ddof={attrs['ddof']})" if attrs.get("ddof") else text

    return spelled


def _deviation_by_axis(root: bool) -> Spelled:
    """Numba's variance has neither axes nor `ddof`; the root is taken at the end."""

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        ddof = attrs.get("ddof")
        whole = f"var_of({{x}}, {ddof})" if ddof else "np.var({x})"
        text = by_axis("var", whole, floats=True)({**attrs, "keepdims": False}, types)
        text = text.removesuffix(")") + f", {ddof})" if ddof and text.startswith("var_along") else text
        if root:
            text = _narrow(f"np.sqrt({text})", types) if text.startswith("np.float32(") else f"np.sqrt({text})"
        return kept(text, attrs, types)

    return spelled


@general({"python": _deviation("var"), "numba": _deviation_by_axis(False)}, averaged, stage="var{x}", title="variance",
         helpers=("var_along", "var_of"))  # fmt: skip
def var(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Pulled:
    """The slope of a variance is twice each element's distance from the mean, over n - ddof (`np.var`)."""
    distance = x - _mean_below(x, axis)
    return div(2.0 * standing(g, x, axis, keepdims) * distance, number_along(x, axis=axis, less=ddof))


@general({"python": _deviation("std"), "numba": _deviation_by_axis(True)}, averaged, stage="std{x}", title="standard deviation",
         helpers=("var_along", "var_of"))  # fmt: skip
def std(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Pulled:
    """The slope of a deviation is each element's distance from the mean over it and n - ddof; 0 where all are equal (`np.std`)."""
    distance = quotient(x - _mean_below(x, axis), standing(out, x, axis, keepdims))
    return div(standing(g, x, axis, keepdims) * distance, number_along(x, axis=axis, less=ddof))


def _mean_below(x: Value, axis: Axis) -> Value:
    """The mean along an axis, to be subtracted from what it is the mean of."""
    return mean(x) if len(axes_of(axis, x.type.rank)) == x.type.rank else mean(x, axis=axis, keepdims=True)


# ---------------------------------------------------------------------------------------------- products

helper(
    '''
    def others(x, axis):
        """For each element the product of all others along the axis: of those before it and of those after it."""
        rows = np.moveaxis(x, axis, -1)
        one = np.ones_like(rows[..., :1])
        before = np.cumprod(np.concatenate([one, rows[..., :-1]], axis=-1), axis=-1)
        after = np.cumprod(np.concatenate([one, rows[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
        return np.moveaxis(before * after, -1, axis)
    ''',
    "lanes",
    numba='''
    def others(x, axis):
        """For each element the product of all others along the axis: of those before it and of those after it."""
        found = np.ones(x.shape, x.dtype)
        y3, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(x3.shape[0]):
            for k in range(x3.shape[2]):
                for j in range(1, x3.shape[1]):
                    y3[i, j, k] = y3[i, j - 1, k] * x3[i, j - 1, k]
                after = 1.0
                for j in range(x3.shape[1] - 2, -1, -1):
                    after *= x3[i, j + 1, k]
                    y3[i, j, k] *= after
        return found
    ''',
)
helper(
    '''
    def earlier(x, axis, first):
        """The element before each one along the axis; `first` before the first."""
        found = np.full(x.shape, first, x.dtype)
        np.moveaxis(found, axis, 0)[1:] = np.moveaxis(x, axis, 0)[:-1]
        return found
    ''',
    "lanes",
    numba='''
    def earlier(x, axis, first):
        """The element before each one along the axis; `first` before the first."""
        found = np.full(x.shape, x.dtype.type(first))
        rows, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(rows.shape[0]):
            for j in range(1, rows.shape[1]):
                for k in range(rows.shape[2]):
                    rows[i, j, k] = x3[i, j - 1, k]
        return found
    ''',
)
helper(
    '''
    def later(x, axis, last):
        """The element after each one along the axis; `last` after the last."""
        found = np.full(x.shape, last, x.dtype)
        np.moveaxis(found, axis, 0)[:-1] = np.moveaxis(x, axis, 0)[1:]
        return found
    ''',
    "lanes",
    numba='''
    def later(x, axis, last):
        """The element after each one along the axis; `last` after the last."""
        found = np.full(x.shape, x.dtype.type(last))
        rows, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(rows.shape[0]):
            for j in range(rows.shape[1] - 1):
                for k in range(rows.shape[2]):
                    rows[i, j, k] = x3[i, j + 1, k]
        return found
    ''',
)
helper(
    '''
    def recurrence(a, b, axis):
        """y[k] = b[k] + a[k] * y[k - 1] along the axis, from y[0] = b[0]."""
        found = b.copy()
        rows, slopes = np.moveaxis(found, axis, 0), np.moveaxis(a, axis, 0)
        for k in range(1, len(rows)):
            rows[k] += slopes[k] * rows[k - 1]
        return found
    ''',
    "lanes",
    numba='''
    def recurrence(a, b, axis):
        """y[k] = b[k] + a[k] * y[k - 1] along the axis, from y[0] = b[0]."""
        found = b.copy()
        rows, slopes = lanes(found, axis), lanes(a, axis)
        for i in range(rows.shape[0]):
            for j in range(1, rows.shape[1]):
                for k in range(rows.shape[2]):
                    rows[i, j, k] += slopes[i, j, k] * rows[i, j - 1, k]
        return found
    ''',
)
helper(
    '''
    def recurrence_back(a, b, axis):
        """y[k] = b[k] + a[k] * y[k + 1] along the axis, from its end."""
        found = b.copy()
        rows, slopes = np.moveaxis(found, axis, 0), np.moveaxis(a, axis, 0)
        for k in range(len(rows) - 2, -1, -1):
            rows[k] += slopes[k] * rows[k + 1]
        return found
    ''',
    "lanes",
    numba='''
    def recurrence_back(a, b, axis):
        """y[k] = b[k] + a[k] * y[k + 1] along the axis, from its end."""
        found = b.copy()
        rows, slopes = lanes(found, axis), lanes(a, axis)
        for i in range(rows.shape[0]):
            for j in range(rows.shape[1] - 2, -1, -1):
                for k in range(rows.shape[2]):
                    rows[i, j, k] += slopes[i, j, k] * rows[i, j + 1, k]
        return found
    ''',
)
helper(
    '''
    def cumsum_along(x, axis):
        """np.cumsum(x, axis=axis)."""
        found = x.copy()
        rows = lanes(found, axis)
        for i in range(rows.shape[0]):
            for j in range(1, rows.shape[1]):
                for k in range(rows.shape[2]):
                    rows[i, j, k] += rows[i, j - 1, k]
        return found
    ''',
    "lanes",
)
helper(
    '''
    def cumprod_along(x, axis):
        """np.cumprod(x, axis=axis)."""
        found = x.copy()
        rows = lanes(found, axis)
        for i in range(rows.shape[0]):
            for j in range(1, rows.shape[1]):
                for k in range(rows.shape[2]):
                    rows[i, j, k] *= rows[i, j - 1, k]
        return found
    ''',
    "lanes",
)
helper(
    '''
    def cumsum_back(x, axis):
        """For each element the sum of it and of all after it along the axis."""
        return np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis)
    ''',
    "lanes",
    numba='''
    def cumsum_back(x, axis):
        """For each element the sum of it and of all after it along the axis."""
        found = x.copy()
        rows = lanes(found, axis)
        for i in range(rows.shape[0]):
            for j in range(rows.shape[1] - 2, -1, -1):
                for k in range(rows.shape[2]):
                    rows[i, j, k] += rows[i, j + 1, k]
        return found
    ''',
)
helper(
    '''
    def cumprod_back(x, axis):
        """For each element the product of it and of all after it along the axis."""
        return np.flip(np.cumprod(np.flip(x, axis), axis=axis), axis)
    ''',
    "lanes",
    numba='''
    def cumprod_back(x, axis):
        """For each element the product of it and of all after it along the axis."""
        found = x.copy()
        rows = lanes(found, axis)
        for i in range(rows.shape[0]):
            for j in range(rows.shape[1] - 2, -1, -1):
                for k in range(rows.shape[2]):
                    rows[i, j, k] *= rows[i, j + 1, k]
        return found
    ''',
)


@general({"python": reduction("np.prod"), "numba": by_axis("prod")}, summed, stage="prod{x}", title="product", helpers=("prod_along",))
def prod(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The slope of a product in each element is the product of the others, which is right where some are zero (`np.prod`)."""
    found, rest = standing(g, x, axis, keepdims), x
    axes = axes_of(axis, x.type.rank)
    for k in reversed(axes):
        found = found * others(rest, axis=k)
        rest = rest if k == axes[0] else prod(rest, axis=k, keepdims=True)
    return found


@general("others({x}, {axis})", same, stage="{x}others", title="products of the others", helpers=("others",))
def others(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """The product of all other elements along an axis is that of those before, a running product, times that of those after."""
    before = earlier(cumprod(x, axis=axis), axis=axis, fill=1.0)
    after = later(cumprod_back(x, axis=axis), axis=axis, fill=1.0)
    from_before = recurrence_back(later(x, axis=axis, fill=0.0), later(g * after, axis=axis, fill=0.0), axis=axis)
    from_after = recurrence(earlier(x, axis=axis, fill=0.0), earlier(g * before, axis=axis, fill=0.0), axis=axis)
    return before * from_before + after * from_after


def _running(name: str) -> Mapping[str, Spelled]:
    """``np.cumsum(x, axis=0)``, which Numba has for one axis only."""

    def spelled(deeper: str) -> Spelled:
        return lambda attrs, types: f"np.{name}({{x}})" if types[0].rank == 1 else deeper

    return {"python": spelled(f"np.{name}({{x}}, axis={{axis}})"), "numba": spelled(f"{name}_along({{x}}, {{axis}})")}


def _summed_up(types: Sequence[Type]) -> Type:
    return types[0] if types[0].kind != "bool" else Type("int", types[0].rank)


@general(_running("cumsum"), _summed_up, stage="run{x}", title="running sum", linear=True, helpers=("cumsum_along",))
def cumsum(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """An element is in every running sum from its own on: it receives the sum of their gradients (`np.cumsum`)."""
    return cumsum_back(g, axis=axis)


@general("cumsum_back({x}, {axis})", same, stage="run{x}", title="running sum from the end", linear=True, helpers=("cumsum_back",))
def cumsum_back(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """The running sum from the other end."""
    return cumsum(g, axis=axis)


@general(_running("cumprod"), _summed_up, stage="run{x}", title="running product", helpers=("cumprod_along",))
def cumprod(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """The product of what is before an element, times a recurrence through what is after it: no quotient (`np.cumprod`)."""
    after = recurrence_back(later(x, axis=axis, fill=0.0), g, axis=axis)
    return earlier(out, axis=axis, fill=1.0) * after


@general("cumprod_back({x}, {axis})", same, stage="run{x}", title="running product from the end", helpers=("cumprod_back",))
def cumprod_back(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """The running product from the other end."""
    before = recurrence(earlier(x, axis=axis, fill=0.0), g, axis=axis)
    return later(out, axis=axis, fill=1.0) * before


@general("earlier({x}, {axis}, {fill})", same, stage="{x}before", helpers=("earlier",))
def earlier(g: Value, out: Value, x: Value, *, axis: int, fill: float) -> Pulled:
    """The element before each one along an axis, a constant before the first."""
    return later(g, axis=axis, fill=0.0)


@general("later({x}, {axis}, {fill})", same, stage="{x}after", helpers=("later",))
def later(g: Value, out: Value, x: Value, *, axis: int, fill: float) -> Pulled:
    """The element after each one along an axis, a constant after the last."""
    return earlier(g, axis=axis, fill=0.0)


@general("recurrence({a}, {b}, {axis})", same, stage="recur{b}", title="linear recurrence", helpers=("recurrence",))
def recurrence(g: Value, out: Value, a: Value, b: Value, *, axis: int) -> Pulled:
    """y[k] = b[k] + a[k] y[k - 1]: the gradient runs through the same recurrence from the other end."""
    found = recurrence_back(later(a, axis=axis, fill=0.0), g, axis=axis)
    return found * earlier(out, axis=axis, fill=0.0), found


@general("recurrence_back({a}, {b}, {axis})", same, stage="recur{b}", title="linear recurrence", helpers=("recurrence_back",))
def recurrence_back(g: Value, out: Value, a: Value, b: Value, *, axis: int) -> Pulled:
    """y[k] = b[k] + a[k] y[k + 1], from the end."""
    found = recurrence(earlier(a, axis=axis, fill=0.0), g, axis=axis)
    return found * later(out, axis=axis, fill=0.0), found


# ---------------------------------------------------------------------------------------------- differences

helper(
    '''
    def diff_back(g, x, axis):
        """The gradient of what np.diff(x, axis=axis) took differences of: each adds to the later element, and is taken from the earlier."""
        found = np.zeros_like(x)
        rows, slopes = np.moveaxis(found, axis, 0), np.moveaxis(g, axis, 0)
        rows[1:] += slopes
        rows[:-1] -= slopes
        return found
    ''',
    "lanes",
    numba='''
    def diff_back(g, x, axis):
        """The gradient of what np.diff(x, axis=axis) took differences of: each adds to the later element, and is taken from the earlier."""
        found = np.zeros(x.shape, x.dtype)
        rows, slopes = lanes(found, axis), lanes(g, axis)
        for i in range(slopes.shape[0]):
            for j in range(slopes.shape[1]):
                for k in range(slopes.shape[2]):
                    rows[i, j + 1, k] += slopes[i, j, k]
                    rows[i, j, k] -= slopes[i, j, k]
        return found
    ''',
)
helper(
    '''
    def diff_along(x, axis):
        """np.diff(x, axis=axis)."""
        last = np.diff(np.ascontiguousarray(np.swapaxes(x, axis, x.ndim - 1)))
        return np.ascontiguousarray(np.swapaxes(last, axis, x.ndim - 1))
    '''
)


def _diff(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "np.diff({x})" if attrs["axis"] == types[0].rank - 1 else "np.diff({x}, axis={axis})"


def _diff_by_axis(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """Numba takes differences along the last axis."""
    return "np.diff({x})" if attrs["axis"] == types[0].rank - 1 else "diff_along({x}, {axis})"


@general({"python": _diff, "numba": _diff_by_axis}, same, stage="diff{x}", title="differences", linear=True, helpers=("diff_along",))
def diff(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """A difference hands its gradient to the later element, and takes it from the earlier (`np.diff`)."""
    return diff_back(g, x, axis=axis)


@general("diff_back({grad}, {x}, {axis})", lambda types: types[1], stage="diff{grad}", title="differences, undone", helpers=("diff_back",))
def diff_back(g: Value, out: Value, grad: Value, x: Value, *, axis: int) -> Pulled:
    """What undoes differences is itself undone by them."""
    return diff(g, axis=axis), None


# ---------------------------------------------------------------------------------------------- extrema

helper(
    '''
    def tied(x, m):
        """1/n where x is one of the n elements that equal their extreme m, else 0.0; nan where m is nan."""
        m = np.reshape(m, np.shape(m) or (1,) * x.ndim)
        here = np.where(np.isnan(m), np.nan, x == m).astype(x.dtype)
        return here / unbroadcast(here, m)
    ''',
    "unbroadcast",
    numba='''
    def tied(x, m):
        """1/n where x is one of the n elements that equal their extreme m, else 0.0; nan where m is nan."""
        here = np.empty(x.shape, x.dtype)
        wide = np.broadcast_to(m, x.shape)
        for at in np.ndindex(x.shape):
            here[at] = 1.0 if x[at] == wide[at] else (0.0 if wide[at] == wide[at] else np.nan)
        here /= np.broadcast_to(unbroadcast(here, m), x.shape)
        return here
    ''',
)
helper(
    '''
    def tied_in_all(x, m):
        """1/n where x is one of the n elements that equal the extreme m of all, else 0.0; nan where m is nan."""
        here = np.empty(x.shape, x.dtype)
        count = 0
        for at in np.ndindex(x.shape):
            here[at] = 1.0 if x[at] == m else (0.0 if m == m else np.nan)
            count += x[at] == m
        for at in np.ndindex(x.shape):
            here[at] /= max(count, 1)
        return here
    '''
)


def _tied(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "tied({x}, {m})" if types[1].rank else "tied_in_all({x}, {m})"


@general({"python": "tied({x}, {m})", "numba": _tied}, same, stage="tied{x}", title="shares of those that tie",
         helpers=("tied", "tied_in_all"))  # fmt: skip
def tied(g: Value, out: Value, x: Value, m: Value) -> Pulled:
    """The shares that the elements have in their extreme do not change where they are defined."""
    return None, None


@general({"python": reduction("np.max"), "numba": by_axis("max")}, reduced, stage="max{x}", title="largest", helpers=("max_along",))
def amax(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The largest element gets the gradient; those that tie share it; nan where the largest is nan (`np.max`)."""
    return scaled(tied(x, standing(out, x, axis, keepdims)), standing(g, x, axis, keepdims))


@general({"python": reduction("np.min"), "numba": by_axis("min")}, reduced, stage="min{x}", title="smallest", helpers=("min_along",))
def amin(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The smallest element gets the gradient; those that tie share it; nan where the smallest is nan (`np.min`)."""
    return scaled(tied(x, standing(out, x, axis, keepdims)), standing(g, x, axis, keepdims))


def _position(name: str) -> Mapping[str, Spelled]:
    """``np.argmax(x, axis=0)``; Numba keeps no axes."""
    plain = reduction(f"np.{name}")

    def compiled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        return kept(plain({**attrs, "keepdims": False}, types), attrs, types)

    return {"python": plain, "numba": compiled}


@general(_position("argmax"), _counted, stage="at{x}", title="position of the largest")
def argmax(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The position of the first of the largest elements (`np.argmax`)."""
    return None


@general(_position("argmin"), _counted, stage="at{x}", title="position of the smallest")
def argmin(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The position of the first of the smallest elements (`np.argmin`)."""
    return None


# ---------------------------------------------------------------------------------------------- truth and counts


@general({"python": reduction("np.any"), "numba": by_axis("any")}, _asked, stage="any{x}", helpers=("any_along",))
def any_(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """Is any element true, or not zero (`np.any`)?"""
    return None


@general({"python": reduction("np.all"), "numba": by_axis("all")}, _asked, stage="all{x}", helpers=("all_along",))
def all_(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """Are all elements true, or not zero (`np.all`)?"""
    return None


def _nonzero_by_axis(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    """Numba counts along one axis, so the others are summed up."""
    axes = axes_of(cast(Axis, attrs.get("axis")), types[0].rank)
    if len(axes) == types[0].rank:
        return kept("np.count_nonzero({x})", attrs, types)
    text = f"np.count_nonzero({{x}}, {axes[-1]})"
    for axis in reversed(axes[:-1]):
        text = f"np.sum({text}, {axis})"
    return kept(text, attrs, types)


@general({"python": reduction("np.count_nonzero"), "numba": _nonzero_by_axis}, _counted, stage="n{x}", title="count")
def count_nonzero(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The number of elements that are not zero (`np.count_nonzero`)."""
    return None
