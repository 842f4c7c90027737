"""Products of arrays along axes, running sums and products, and differences of neighbours.

A product's gradient is made of the products of all other elements, never of a quotient, so that zeros are right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stagegrad.ir import Attr, Type
from stagegrad.ops import Value, general, helper
from stagegrad.rules.reductions import Spelled, by_axis, same, standing
from stagegrad.rules.shapes import Axis, Pulled, axes_of, reduction, summed

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


def _differences(rank: int) -> None:
    """The helper for arrays of a rank; Numba's own `np.diff` knows the last axis only, and takes long to compile."""
    sizes = ", ".join(f"x.shape[{k}] - (axis == {k} and x.shape[{k}] > 0)" for k in range(rank))
    helper(
        f'''
        def diff_{rank}(x, axis):
            """np.diff(x, axis=axis)."""
            out = np.empty(({sizes},), x.dtype)
            rows, found = lanes(x, axis), lanes(out, axis)
            for i in range(found.shape[0]):
                for j in range(found.shape[1]):
                    for k in range(found.shape[2]):
                        found[i, j, k] = rows[i, j + 1, k] - rows[i, j, k]
            return out
        ''',
        "lanes",
    )


_RANKS = range(1, 6)
for _rank in _RANKS:
    _differences(_rank)


def _diff(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "np.diff({x})" if attrs["axis"] == types[0].rank - 1 else "np.diff({x}, axis={axis})"


def _diff_by_rank(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"diff_{types[0].rank}({{x}}, {{axis}})"


@general({"python": _diff, "numba": _diff_by_rank}, same, stage="diff{x}", title="differences", linear=True,
         helpers=tuple(f"diff_{rank}" for rank in _RANKS))  # fmt: skip
def diff(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """A difference hands its gradient to the later element, and takes it from the earlier (`np.diff`)."""
    return diff_back(g, x, axis=axis)


@general("diff_back({grad}, {x}, {axis})", lambda types: types[1], stage="diff{grad}", title="differences, undone", helpers=("diff_back",))
def diff_back(g: Value, out: Value, grad: Value, x: Value, *, axis: int) -> Pulled:
    """What undoes differences is itself undone by them."""
    return diff(g, axis=axis), None
