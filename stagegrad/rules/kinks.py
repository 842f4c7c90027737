"""Operations with a kink or a choice: abs, sign, min, max, clip, where, relu. Each has one documented slope at its kink.

Where an operand was not chosen, its partial is a ``where`` with a literal 0.0, so that `reverse` can keep an infinite
gradient from meeting that zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stagegrad.ir import BOOL, FLOAT, INT, Attr, Type
from stagegrad.ops import Value, each, elementwise, flat, general, helper
from stagegrad.rules.arithmetic import Partials, eq

helper(
    '''
    def sign(x):
        """-1.0, 0.0 or 1.0 by the sign of x; nan for nan."""
        if x > 0.0:
            return 1.0
        if x < 0.0:
            return -1.0
        return 0.0 if x == 0.0 else math.nan
    '''
)
helper(
    '''
    def larger(x, y):
        """1.0 where x > y, 0.0 where x < y, one half at a tie, nan where either is nan."""
        if x > y:
            return 1.0
        if x < y:
            return 0.0
        return 0.5 if x == y else math.nan
    '''
)
helper(
    '''
    def unit(x):
        """1.0 where x is a number, nan where it is nan."""
        return 1.0 if x == x else math.nan
    '''
)
helper(
    '''
    def maximum(x, y):
        """The larger of the two; nan where either is nan."""
        if x != x or y != y:
            return math.nan
        return x if x >= y else y
    '''
)
helper(
    '''
    def minimum(x, y):
        """The smaller of the two; nan where either is nan."""
        if x != x or y != y:
            return math.nan
        return x if x <= y else y
    '''
)
helper(
    '''
    def clip(x, lo, hi):
        """x kept between lo and hi (hi where they cross); nan where any of them is nan."""
        return minimum(maximum(x, lo), hi)
    ''',
    "maximum",
    "minimum",
)
each(
    '''
    def larger_each(x, y):
        """1.0 where x > y, 0.0 where x < y, one half at a tie, nan where either is nan."""
        return np.where(x > y, 1.0, np.where(x < y, 0.0, np.where(x == y, 0.5, x + y)))
    ''',
    "larger(x, y)",
    "larger",
)
each(
    '''
    def unit_each(x):
        """1.0 where x is a number, nan where it is nan."""
        return np.where(x == x, 1.0, x)
    ''',
    "1.0 if x == x else x",
)
helper(
    '''
    def heaviside(x, h):
        """0.0 below 0, h at 0, 1.0 above; nan for nan."""
        if x == 0.0:
            return float(h)
        if x != x:
            return math.nan
        return 1.0 if x > 0.0 else 0.0
    '''
)
each(
    '''
    def heaviside_each(x, h):
        """0.0 below 0, h at 0, 1.0 above; nan for nan."""
        return np.heaviside(x, h)
    ''',
    "heaviside(x, h)",
    "heaviside",
)
each(
    '''
    def chosen(test, x, y):
        """x where the test holds, y where it does not."""
        return np.where(test, x, y)
    ''',
    "x if test else y",
    keeps_width=True,
)


def _chosen(types: Sequence[Type]) -> Type:
    """The type of a choice between the last two operands: as they are where they agree."""
    first, second = types[-2:]
    if first == second:
        return first
    return FLOAT if "float" in (first.kind, second.kind) else INT


@elementwise({"python": "abs({x})", "numpy": "np.abs({x})"}, stage="abs{x}", title="absolute value", exact="Abs(x)", integer=True)
def abs(out: Value, x: Value) -> Partials:
    """The slope of |x| is the sign of x, and 0 at 0."""
    return sign(x)


@flat({"python": "sign({x})", "numpy": "np.sign({x})"}, None, stage="sign{x}", exact="sign(x)", helpers=("sign",))
def sign(x: Value) -> None:
    """-1, 0 or 1 by the sign of x."""


@elementwise({"python": "math.copysign({x}, {y})", "numpy": "np.copysign({x}, {y})"}, stage="{x}sgn{y}", title="copy sign",
             exact="Abs(x) * sign(y)")  # fmt: skip
def copysign(out: Value, x: Value, y: Value) -> Partials:
    """The slope is 1 where the sign stayed, -1 where it turned, and 0 at x = 0."""
    return sign(x) * sign(out), None


@flat({"python": "larger({x}, {y})", "array": "larger_each({x}, {y})"}, FLOAT, stage="larger",
      exact="Piecewise((1, x > y), (0, x < y), (Rational(1, 2), True))", helpers=("larger", "larger_each"))  # fmt: skip
def larger(x: Value, y: Value) -> None:
    """Is x the larger one: 1, 0, or one half at a tie; nan where either is nan."""


@flat({"python": "unit({x})", "array": "unit_each({x})"}, FLOAT, stage="unit", exact="1", helpers=("unit", "unit_each"))
def unit(x: Value) -> None:
    """1 for every number, nan for nan."""


@elementwise("max({x}, {y})", stage="max{x}{y}", title="maximum", exact="Max(x, y)", integer=True)
def max(out: Value, x: Value, y: Value) -> Partials:
    """Python's max is a branch: the operand that it returns, the first at a tie, gets the whole gradient."""
    return where(y > x, 0.0, 1.0), where(y > x, 1.0, 0.0)


@elementwise("min({x}, {y})", stage="min{x}{y}", title="minimum", exact="Min(x, y)", integer=True)
def min(out: Value, x: Value, y: Value) -> Partials:
    """Python's min is a branch: the operand that it returns, the first at a tie, gets the whole gradient."""
    return where(y < x, 0.0, 1.0), where(y < x, 1.0, 0.0)


@elementwise({"python": "maximum({x}, {y})", "ints": "max({x}, {y})", "numpy": "np.maximum({x}, {y})",
              "lanes": "kernels.maximum({x}, {y})"}, stage="max{x}{y}", exact="Max(x, y)",
             helpers=("maximum",), integer=True)  # fmt: skip
def maximum(out: Value, x: Value, y: Value) -> Partials:
    """The larger operand gets the gradient; a tie splits it in halves."""
    return where(x < y, 0.0, larger(x, y)), where(y < x, 0.0, larger(y, x))


@elementwise({"python": "minimum({x}, {y})", "ints": "min({x}, {y})", "numpy": "np.minimum({x}, {y})",
              "lanes": "kernels.minimum({x}, {y})"}, stage="min{x}{y}", exact="Min(x, y)",
             helpers=("minimum",), integer=True)  # fmt: skip
def minimum(out: Value, x: Value, y: Value) -> Partials:
    """The smaller operand gets the gradient; a tie splits it in halves."""
    return where(x > y, 0.0, larger(y, x)), where(y > x, 0.0, larger(x, y))


@elementwise({"python": "clip({x}, {lo}, {hi})", "ints": "min(max({x}, {lo}), {hi})", "numpy": "np.clip({x}, {lo}, {hi})",
              "array:numba": "np.minimum(np.maximum({x}, {lo}), {hi})"}, stage="clip{x}", exact="Min(Max(x, lo), hi)",
             display="clip({x}, {lo}, {hi})", helpers=("clip",), integer=True)  # fmt: skip
def clip(out: Value, x: Value, lo: Value, hi: Value) -> Partials:
    """Clipping is min(max(x, lo), hi), and has its slopes: one half at a bound, 0 for x where lo > hi."""
    raised = maximum(x, lo)
    kept = where(raised > hi, 0.0, larger(hi, raised))
    return kept * where(x < lo, 0.0, larger(x, lo)), kept * where(lo < x, 0.0, larger(lo, x)), where(raised < hi, 0.0, larger(raised, hi))


@elementwise({"python": "max({x}, 0.0)", "array": "np.maximum({x}, 0.0)"}, stage="relu{x}", exact="Max(x, 0)", display="relu({x})")
def relu(out: Value, x: Value) -> Partials:
    """The gradient passes where x is positive, and stops at 0."""
    return where(x <= 0.0, 0.0, unit(x))


@elementwise({"python": "{x} if {test} else {y}", "array": "np.where({test}, {x}, {y})", "array:numba": "chosen({test}, {x}, {y})"},
             stage="chosen", title="choose", exact="Piecewise((x, test), (y, True))", result=_chosen, helpers=("chosen",))  # fmt: skip
def where(out: Value, test: Value, x: Value, y: Value) -> Partials:
    """The gradient goes to the operand that was chosen."""
    return None, where(test, 1.0, 0.0), where(test, 0.0, 1.0)


def _item(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    parts = ", ".join(f"{{x{k}}}" for k in range(len(types) - 1))
    return f"[{parts}][{{index}}]" if attrs.get("display") == "list" else f"({parts}{',' * (len(types) == 2)})[{{index}}]"


def _item_of_numba(attrs: Mapping[str, Attr], types: Sequence[Type]) -> str:
    return _item({}, types)  # a list would be made anew each time


@general({"python": _item, "numba": _item_of_numba}, lambda types: types[1], stage="item", title="item", cost=1.0)
def item(g: Value, out: Value, index: Value, *x: Value, display: str = "tuple") -> tuple[None, list[Value]]:
    """One of a few numbers, at a position that may count from the end; the gradient is that of the item there, and 0 for the others."""
    return None, [item(index, *(g if j == k else 0.0 for j in range(len(x))), display=display) for k in range(len(x))]


@elementwise({"python": "heaviside({x}, {h})", "numpy": "np.heaviside({x}, {h})", "array:numba": "heaviside_each({x}, {h})"},
             stage="step{x}", title="step", exact="Piecewise((0, x < 0), (h, Eq(x, 0)), (1, True))",
             helpers=("heaviside", "heaviside_each"))  # fmt: skip
def heaviside(out: Value, x: Value, h: Value) -> Partials:
    """A step is flat beside its jump, and at the jump too; the value there gets the gradient where x is 0."""
    return None, where(eq(x, 0.0), 1.0, 0.0)


@flat({"python": "math.isnan({x})", "numpy": "np.isnan({x})"}, BOOL, stage="nan{x}", title="is nan")
def isnan(x: Value) -> None:
    """Is x not a number?"""


@flat({"python": "math.isinf({x})", "numpy": "np.isinf({x})"}, BOOL, stage="inf{x}", title="is infinite")
def isinf(x: Value) -> None:
    """Is x infinite, of either sign?"""


@flat({"python": "math.isfinite({x})", "numpy": "np.isfinite({x})"}, BOOL, stage="fin{x}", title="is finite")
def isfinite(x: Value) -> None:
    """Is x neither infinite nor nan?"""
