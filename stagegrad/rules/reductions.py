"""Reductions of arrays along axes: moments, extrema and counts.

Elements that tie for an extreme share its gradient. Numba reduces along an axis only in `np.sum`: the other reductions are helpers
with loops there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from stagegrad.ir import INT, Attr, Type
from stagegrad.ops import Helper, Value, general, helper
from stagegrad.rules.arithmetic import div, quotient, scaled
from stagegrad.rules.shapes import Axis, Pulled, axes_of, expand_dims, full_like, reduced, reduction, spread

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
declare_along("nanmax", "np.nanmax(lane)")
declare_along("nanmin", "np.nanmin(lane)")
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


@general({"python": reduction("np.nanmax"), "numba": by_axis("nanmax")}, reduced, stage="max{x}", title="largest but for nan",
         helpers=("nanmax_along",))  # fmt: skip
def nanmax(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The largest of the elements that are not nan gets the gradient; those that tie share it; nan where all are (`np.nanmax`)."""
    return scaled(tied(x, standing(out, x, axis, keepdims)), standing(g, x, axis, keepdims))


@general({"python": reduction("np.nanmin"), "numba": by_axis("nanmin")}, reduced, stage="min{x}", title="smallest but for nan",
         helpers=("nanmin_along",))  # fmt: skip
def nanmin(g: Value, out: Value, x: Value, *, axis: Axis = None, keepdims: bool = False) -> Pulled:
    """The smallest of the elements that are not nan gets the gradient; those that tie share it; nan where all are (`np.nanmin`)."""
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
