"""Sorting and what depends on order: quantiles, positions in a sorted array, counts in bins, interpolation between knots.

Sorting moves numbers, and its gradient moves back with them; equal ones keep their order. A quantile's gradient goes to the one or two
elements that it is made of. Positions and counts do not change where they are defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from stagegrad.ir import Attr, Type
from stagegrad.ops import Value, each, elementwise, general, helper
from stagegrad.rules.arithmetic import Partials, scaled
from stagegrad.rules.reductions import averaged, by_axis, declare_along, same, standing
from stagegrad.rules.shapes import Axis, Pulled, axes_of, reduction

Spelled = Callable[[Mapping[str, Attr], Sequence[Type]], str]

# ---------------------------------------------------------------------------------------------- sorting

helper(
    '''
    def sort_along(x, axis):
        """np.sort(x, axis=axis)."""
        found = x.copy()
        rows = lanes(found, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                lane = np.sort(rows[i, :, k])
                for j in range(rows.shape[1]):
                    rows[i, j, k] = lane[j]
        return found
    ''',
    "lanes",
)
helper(
    '''
    def argsort_along(x, axis):
        """np.argsort(x, axis=axis, kind="stable")."""
        found = np.empty(x.shape, np.int64)
        rows, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                lane = np.argsort(x3[i, :, k], kind="mergesort")
                for j in range(rows.shape[1]):
                    rows[i, j, k] = lane[j]
        return found
    ''',
    "lanes",
)
helper(
    '''
    def picked(x, order, axis):
        """np.take_along_axis(x, order, axis)."""
        found = np.empty(x.shape, x.dtype)
        rows, x3, at = lanes(found, axis), lanes(x, axis), lanes(order, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                for j in range(rows.shape[1]):
                    rows[i, j, k] = x3[i, at[i, j, k], k]
        return found
    ''',
    "lanes",
)
helper(
    '''
    def placed(g, order, axis):
        """The array from which np.take_along_axis picks g in this order: the permutation undone."""
        found = np.empty_like(g)
        np.put_along_axis(found, order, g, axis)
        return found
    ''',
    "lanes",
    numba='''
    def placed(g, order, axis):
        """The array from which np.take_along_axis picks g in this order: the permutation undone."""
        found = np.empty(g.shape, g.dtype)
        rows, g3, at = lanes(found, axis), lanes(g, axis), lanes(order, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                for j in range(rows.shape[1]):
                    rows[i, at[i, j, k], k] = g3[i, j, k]
        return found
    ''',
)


def _sorting(name: str) -> Spelled:
    """``np.sort(x)`` along the last axis, ``np.sort(x, axis=0)``, ``np.argsort(x, kind="stable")``."""

    def spelled(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
        last = attrs["axis"] == types[0].rank - 1
        given = ["{x}", *([] if last else ["axis={axis}"]), *(['kind="stable"'] if attrs.get("stable") else [])]
        return f"{name}({', '.join(given)})"

    return spelled


def _flat_or(flat: str, along: str) -> Spelled:
    """What Numba has for vectors, and a helper for more axes."""
    return lambda attrs, types: flat if types[0].rank == 1 else along


def _positions(types: Sequence[Type]) -> Type:
    return Type("int", types[0].rank)


@general({"python": _sorting("np.sort"), "numba": _flat_or("np.sort({x})", "sort_along({x}, {axis})")}, same, stage="sort{x}",
         helpers=("sort_along",))  # fmt: skip
def sort(g: Value, out: Value, x: Value, *, axis: int) -> Pulled:
    """Sorting moves every number, and its gradient moves back with it; equal ones stay in order (`np.sort`)."""
    return placed(g, argsort(x, axis=axis, stable=True), axis=axis)


@general({"python": _sorting("np.argsort"), "numba": _flat_or('np.argsort({x}, kind="mergesort")', "argsort_along({x}, {axis})")},
         _positions, stage="order{x}", title="order", helpers=("argsort_along",))  # fmt: skip
def argsort(g: Value, out: Value, x: Value, *, axis: int, stable: bool = False) -> Pulled:
    """The positions that sort an array; among equal numbers compiled code keeps their order (`np.argsort`)."""
    return None


@general({"python": "np.take_along_axis({x}, {order}, {axis})", "numba": _flat_or("{x}[{order}]", "picked({x}, {order}, {axis})")}, same,
         stage="{x}picked", title="pick in order", helpers=("picked",))  # fmt: skip
def picked(g: Value, out: Value, x: Value, order: Value, *, axis: int) -> Pulled:
    """The numbers of an array in another order, a permutation along one axis."""
    return placed(g, order, axis=axis), None


@general("placed({x}, {order}, {axis})", same, stage="{x}placed", title="put back in order", helpers=("placed",))
def placed(g: Value, out: Value, x: Value, order: Value, *, axis: int) -> Pulled:
    """A permutation undone."""
    return picked(g, order, axis=axis), None


# ---------------------------------------------------------------------------------------------- quantiles

declare_along("median", "np.median(lane)")
declare_along("quantile", "np.quantile(lane, q)", parameters="x, q, axis")
helper(
    '''
    def quantile_shares(x, q, axis):
        """What each element has in the quantile along the axis (None: of all), by stable order: 1, or parts of two; nan beside a nan."""
        rows = x.reshape(1, -1) if axis is None else np.moveaxis(x, axis, -1)
        place = np.argsort(np.argsort(rows, axis=-1, kind="stable"), axis=-1)
        at = q * (rows.shape[-1] - 1)
        found = np.where(np.isnan(rows).any(axis=-1, keepdims=True), np.nan, np.maximum(1.0 - np.abs(place - at), 0.0))
        return (found.reshape(x.shape) if axis is None else np.moveaxis(found, -1, axis)).astype(x.dtype)
    ''',
)
helper(
    '''
    def share_out(lane, q, found):
        """Writes what each element of a lane has in its quantile."""
        at = q * (lane.size - 1)
        order = np.argsort(lane, kind="mergesort")
        beside_nan = np.isnan(lane).any()
        for j in range(lane.size):
            found[order[j]] = math.nan if beside_nan else max(1.0 - abs(j - at), 0.0)
    '''
)
helper(
    '''
    def quantile_shares_along(x, q, axis):
        """What each element has in the quantile along the axis, by stable order: 1, or parts of two; nan beside a nan."""
        found = np.empty(x.shape, x.dtype)
        rows, x3 = lanes(found, axis), lanes(x, axis)
        for i in range(rows.shape[0]):
            for k in range(rows.shape[2]):
                share_out(x3[i, :, k], q, rows[i, :, k])
        return found
    ''',
    "lanes",
    "share_out",
)
helper(
    '''
    def quantile_shares_of_all(x, q):
        """What each element has in the quantile of all, by stable order: 1, or parts of two; nan beside a nan."""
        found = np.empty(x.shape, x.dtype)
        share_out(np.ascontiguousarray(x).reshape(x.size), q, found.reshape(x.size))
        return found
    ''',
    "share_out",
)


def _shares(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    axes = axes_of(cast(Axis, attrs.get("axis")), types[0].rank)
    whole = len(axes) == types[0].rank
    return "quantile_shares_of_all({x}, {q})" if whole else f"quantile_shares_along({{x}}, {{q}}, {axes[0]})"


def _shares_numpy(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return f"quantile_shares({{x}}, {{q}}, {attrs.get('axis')})"


@general({"python": _shares_numpy, "numba": _shares}, same, stage="share{x}", title="shares in a quantile",
         helpers=("quantile_shares", "quantile_shares_along", "quantile_shares_of_all"))  # fmt: skip
def quantile_shares(g: Value, out: Value, x: Value, *, q: float, axis: int | None = None) -> Pulled:
    """The shares that elements have in a quantile do not change where they are defined."""
    return None


@general({"python": reduction("np.median"), "numba": by_axis("median", floats=True)}, averaged, stage="med{x}", helpers=("median_along",))
def median(g: Value, out: Value, x: Value, *, axis: int | None = None, keepdims: bool = False) -> Pulled:
    """The element in the middle gets the gradient, or the two there a half each; equal ones are told apart by position (`np.median`)."""
    return scaled(quantile_shares(x, q=0.5, axis=axis), standing(g, x, axis, keepdims))


def _with_q(name: str) -> Spelled:
    """``np.quantile(x, 0.25, axis=0)``."""
    plain = reduction(name)
    return lambda attrs, types: plain(attrs, types).replace("{x}", "{x}, {q}", 1)


def _quantile_by_axis(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    text = by_axis("quantile", "np.quantile({x}, {q})", floats=True)(attrs, types)
    axis = axes_of(cast(Axis, attrs.get("axis")), types[0].rank)[0]
    return text.replace(f", {axis})", f", {{q}}, {axis})", 1) if "quantile_along" in text else text


@general({"python": _with_q("np.quantile"), "numba": _quantile_by_axis}, averaged, stage="quant{x}", helpers=("quantile_along",))
def quantile(g: Value, out: Value, x: Value, *, q: float, axis: int | None = None, keepdims: bool = False) -> Pulled:
    """The elements between which a quantile lies get its gradient by their nearness (`np.quantile`, linear)."""
    return scaled(quantile_shares(x, q=q, axis=axis), standing(g, x, axis, keepdims))


# ---------------------------------------------------------------------------------------------- positions and counts


def _like_second(types: Sequence[Type]) -> Type:
    return Type("int", types[1].rank)


def _searched(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return 'np.searchsorted({a}, {v}, "right")' if attrs.get("right") else "np.searchsorted({a}, {v})"


@general(_searched, _like_second, stage="at{v}", title="position")
def searchsorted(g: Value, out: Value, a: Value, v: Value, *, right: bool = False) -> Pulled:
    """Where numbers belong in a sorted array (`np.searchsorted`)."""
    return None, None


def _digitized(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return "np.digitize({x}, {bins}, True)" if attrs.get("right") else "np.digitize({x}, {bins})"


@general(_digitized, _positions, stage="bin{x}", title="bin")
def digitize(g: Value, out: Value, x: Value, bins: Value, *, right: bool = False) -> Pulled:
    """The bin that each number falls into (`np.digitize`)."""
    return None, None


def _vector(kind: str) -> Callable[[Sequence[Type]], Type]:
    return lambda types: Type(kind, 1)


def _at_least(text: str) -> Spelled:
    return lambda attrs, types: f"{text}, minlength={attrs['minlength']})" if attrs.get("minlength") else f"{text})"


@general(_at_least("np.bincount({x}"), _vector("int"), stage="count{x}", title="count")
def bincount(g: Value, out: Value, x: Value, *, minlength: int = 0) -> Pulled:
    """How often each int occurs (`np.bincount`)."""
    return None


@general(_at_least("np.bincount({x}, {weights}"), _vector("float"), stage="count{weights}", title="weighted count", linear=True)
def weighted_bincount(g: Value, out: Value, x: Value, weights: Value, *, minlength: int = 0) -> Pulled:
    """The sum of the weights at each int hands its gradient to every one of them (`np.bincount` with weights)."""
    return None, taken(g, x)


@general("np.histogram({a}, {bins}, ({low}, {high}))[0]", _vector("int"), stage="hist{a}", title="histogram")
def histogram(g: Value, out: Value, a: Value, *, bins: int, low: float, high: float) -> Pulled:
    """How many numbers fall into each of so many bins of one width (`np.histogram`)."""
    return None


@general("np.histogram({a}, {bins})[0]", _vector("int"), stage="hist{a}", title="histogram")
def histogram_between(g: Value, out: Value, a: Value, bins: Value) -> Pulled:
    """How many numbers fall into each of the bins between these edges (`np.histogram`)."""
    return None, None


# ---------------------------------------------------------------------------------------------- interpolation

helper(
    '''
    def scattered(values, at, like):
        """Zeros in the shape of a vector, to which every value is added at its position."""
        found = np.zeros_like(like)
        np.add.at(found, at, values)
        return found
    ''',
    numba='''
    def scattered(values, at, like):
        """Zeros in the shape of a vector, to which every value is added at its position."""
        found = np.zeros(like.shape, like.dtype)
        for index in np.ndindex(at.shape):
            found[at[index]] += values[index]
        return found
    ''',
)
helper(
    '''
    def one_hot(value, at, like):
        """Zeros in the shape of a vector, with a value at one position."""
        found = np.zeros(like.shape, like.dtype)
        found[at] = value
        return found
    '''
)


def _taken(types: Sequence[Type]) -> Type:
    return Type(types[0].kind, types[1].rank, types[0].bits)


@general(lambda attrs, types: "np.take({a}, {at})" if types[1].rank else "{a}[{at}]", _taken, stage="{a}at", title="take", linear=True)
def taken(g: Value, out: Value, a: Value, at: Value) -> Pulled:
    """The elements of a vector at some positions."""
    return scattered(g, at, a), None


@general(lambda attrs, types: "scattered({x}, {at}, {like})" if types[1].rank else "one_hot({x}, {at}, {like})", lambda types: types[2],
         stage="{x}back", title="scatter", linear=True, helpers=("scattered", "one_hot"))  # fmt: skip
def scattered(g: Value, out: Value, x: Value, at: Value, like: Value) -> Pulled:
    """Numbers added to the elements of a vector of zeros."""
    return taken(g, at), None, None


helper(
    '''
    def segments(x, xp):
        """The number of the piece between two knots that each x is in or nearest to; at a knot the piece on its right."""
        if xp.size < 2:
            raise ValueError("the gradient of np.interp needs at least two knots")
        return np.clip(np.searchsorted(xp, x, "right") - 1, 0, xp.size - 2)
    ''',
    numba='''
    def segments(x, xp):
        """The number of the piece between two knots that each x is in or nearest to; at a knot the piece on its right."""
        if xp.size < 2:
            raise ValueError("the gradient of np.interp needs at least two knots")
        return np.minimum(np.maximum(np.searchsorted(xp, x, "right") - 1, 0), xp.size - 2)
    ''',
)


@general("segments({x}, {xp})", lambda types: Type("int", types[0].rank), stage="piece{x}", title="piece", helpers=("segments",))
def segments(g: Value, out: Value, x: Value, xp: Value) -> Pulled:
    """The piece between two knots that each number is in."""
    return None, None


helper(
    '''
    def between(x, low, high):
        """How far x is on the way from low to high: 0.0 before, 1.0 behind."""
        if x < low:
            return 0.0
        return 1.0 if x > high else (x - low) / (high - low)
    '''
)
helper(
    '''
    def pace(x, low, high):
        """1 / (high - low) where x is between them, 0.0 where it is not, nan where it is nan."""
        if x < low or x > high:
            return 0.0
        return 1.0 / (high - low) + 0.0 * x
    '''
)
each(
    '''
    def between_each(x, low, high):
        """How far x is on the way from low to high: 0.0 before, 1.0 behind."""
        return np.where(x < low, 0.0, np.where(x > high, 1.0, (x - low) / (high - low)))
    ''',
    "between(x, low, high)",
    "between",
)
each(
    '''
    def pace_each(x, low, high):
        """1 / (high - low) where x is between them, 0.0 where it is not, nan where it is nan."""
        return np.where((x < low) | (x > high), 0.0, 1.0 / (high - low) + (x - x))
    ''',
    "pace(x, low, high)",
    "pace",
)


@elementwise({"python": "between({x}, {low}, {high})", "array": "between_each({x}, {low}, {high})"}, stage="way{x}",
             title="way between knots", exact="Piecewise((0, x < low), (1, x > high), ((x - low) / (high - low), True))",
             helpers=("between", "between_each"), cost=4.0)  # fmt: skip
def between(out: Value, x: Value, low: Value, high: Value) -> Partials:
    """The way between two knots is linear in x; both of its ends pull it back by how near they are."""
    slope = pace(x, low, high)
    return slope, -((1.0 - out) * slope), -(out * slope)


@elementwise({"python": "pace({x}, {low}, {high})", "array": "pace_each({x}, {low}, {high})"}, stage="pace{x}", title="slope between knots",
             exact="Piecewise((0, x < low), (0, x > high), (1 / (high - low), True))", helpers=("pace", "pace_each"),
             cost=4.0)  # fmt: skip
def pace(out: Value, x: Value, low: Value, high: Value) -> Partials:
    """The slope of the way between two knots depends on their distance alone."""
    return None, out**2, -(out**2)


@general("np.interp({x}, {xp}, {fp})", lambda types: Type("float", types[0].rank), stage="interp{x}", title="interpolate")
def interp(g: Value, out: Value, x: Value, xp: Value, fp: Value) -> Pulled:
    """On a line between two knots both values share the gradient by nearness; beyond the last knot it goes to that knot's value.

    At a knot the slope is that of the piece on its right (`np.interp`).
    """
    k = segments(x, xp)
    left, right = taken(xp, k), taken(xp, k + 1)
    way = between(x, left, right)
    slope = (taken(fp, k + 1) - taken(fp, k)) * pace(x, left, right)
    knots = scattered(-(g * slope * (1.0 - way)), k, xp) + scattered(-(g * slope * way), k + 1, xp)
    values = scattered(g * (1.0 - way), k, fp) + scattered(g * way, k + 1, fp)
    return g * slope, knots, values
