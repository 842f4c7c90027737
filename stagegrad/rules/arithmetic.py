"""Python's arithmetic operators, comparisons and truth values."""

from __future__ import annotations

from typing import TypeAlias

from stagegrad.ir import BOOL
from stagegrad.ops import Value, each, elementwise, flat, helper

Partials: TypeAlias = "Value | float | tuple[Value | float | None, ...] | None"


@elementwise("{x} + {y}", stage="{x}p{y}", exact="x + y", integer=True)
def add(out: Value, x: Value, y: Value) -> Partials:
    """A sum hands its gradient to both operands."""
    return 1.0, 1.0


@elementwise("{x} - {y}", stage="{x}m{y}", title="subtract", exact="x - y", integer=True)
def sub(out: Value, x: Value, y: Value) -> Partials:
    """A difference hands its gradient on, to the second operand with the sign turned."""
    return 1.0, -1.0


@elementwise("{x} * {y}", stage="{x}{y}", title="multiply", exact="x * y", integer=True)
def mul(out: Value, x: Value, y: Value) -> Partials:
    """A product switches its inputs: each operand's slope is the other."""
    return y, x


@elementwise({"python": "{x} / {y}", "numpy": "np.divide({x}, {y})", "array": "{x} / {y}"}, stage="{x}o{y}", title="divide",
             exact="x / y", pole=True, cost=2.0)  # fmt: skip
def div(out: Value, x: Value, y: Value) -> Partials:
    """A quotient's slope is 1/y in the numerator and -(x/y)/y in the denominator."""
    return 1.0 / y, -(out / y)


@elementwise("-{x}", stage="neg{x}", title="negate", exact="-x", integer=True)
def neg(out: Value, x: Value) -> Partials:
    """Turning the sign turns the gradient's sign."""
    return -1.0


@elementwise({"python": "{x}**2", "numpy": "np.square({x})", "array": "{x}**2"}, stage="{x}sqr", title="square", exact="x**2",
             integer=True)  # fmt: skip
def square(out: Value, x: Value) -> Partials:
    """The slope of a square is twice its root."""
    return 2.0 * x


@elementwise("{x}**3", stage="{x}cub", title="cube", exact="x**3", integer=True)
def cube(out: Value, x: Value) -> Partials:
    """The slope of a cube is three times the square."""
    return 3.0 * x**2


@elementwise("{x}**4", stage="{x}fth", title="fourth power", exact="x**4", integer=True)
def quartic(out: Value, x: Value) -> Partials:
    """The slope of a fourth power is four times the cube."""
    return 4.0 * x**3


@elementwise({"python": "1.0 / {x}", "numpy": "np.reciprocal({x})", "array": "1.0 / {x}"}, stage="inv{x}", title="reciprocal",
             exact="1/x", pole=True, cost=2.0)  # fmt: skip
def reciprocal(out: Value, x: Value) -> Partials:
    """The slope of 1/x is minus its own square."""
    return -(out**2)


@flat("{x} < {y}", BOOL, title="compare", exact="x < y")
def lt(x: Value, y: Value) -> None:
    """Is x less than y?"""


@flat("{x} <= {y}", BOOL, title="compare", exact="x <= y")
def le(x: Value, y: Value) -> None:
    """Is x at most y?"""


@flat("{x} > {y}", BOOL, title="compare", exact="x > y")
def gt(x: Value, y: Value) -> None:
    """Is x greater than y?"""


@flat("{x} >= {y}", BOOL, title="compare", exact="x >= y")
def ge(x: Value, y: Value) -> None:
    """Is x at least y?"""


@flat("{x} == {y}", BOOL, title="compare", exact="Eq(x, y)")
def eq(x: Value, y: Value) -> None:
    """Is x equal to y?"""


@flat("{x} != {y}", BOOL, title="compare", exact="Ne(x, y)")
def ne(x: Value, y: Value) -> None:
    """Does x differ from y?"""


@flat({"python": "not {x}", "array": "~{x}"}, BOOL, title="not", exact="Not(x)")
def not_(x: Value) -> None:
    """Is x false?"""


@flat("{x} & {y}", BOOL, title="and", exact="And(x, y)")
def and_(x: Value, y: Value) -> None:
    """Are both true? Both are evaluated, as `&` does: `If` is the one that evaluates its second operand on demand."""


@flat("{x} | {y}", BOOL, title="or", exact="Or(x, y)")
def or_(x: Value, y: Value) -> None:
    """Is either true? Both are evaluated."""


helper(
    '''
    def quotient(num, den):
        """num / den as IEEE 754 has it, save that a zero num gives zero: where no gradient arrives, none leaves."""
        if num == 0.0:
            return 0.0
        if den == 0.0:
            return num * math.copysign(math.inf, den)
        return num / den
    '''
)
helper(
    '''
    def divided(num, den):
        """num / den as IEEE 754 has it: inf or nan where Python raises."""
        return num / den if den != 0.0 else num * math.copysign(math.inf, den)
    '''
)
helper(
    '''
    def scaled(gradient, slope):
        """gradient * slope, save that a zero gradient gives zero, whatever the slope is."""
        return gradient * slope if gradient != 0.0 else 0.0
    '''
)
each(
    '''
    def quotient_each(num, den):
        """num / den, save that a zero num gives zero: where no gradient arrives, none leaves."""
        return np.where(num == 0.0, 0.0, num / (den + 0.0))  # + 0.0 makes 0.0 of -0.0
    ''',
    "num / (den + 0.0) if num != 0.0 else 0.0",
)
each(
    '''
    def scaled_each(gradient, slope):
        """gradient * slope, save that a zero gradient gives zero, whatever the slope is."""
        return np.where(gradient == 0.0, 0.0, gradient * slope)
    ''',
    "gradient * slope if gradient != 0.0 else 0.0",
)


@elementwise({"python": "quotient({x}, {y})", "array": "quotient_each({x}, {y})"}, stage="{x}o{y}", title="divide", exact="x / y",
             helpers=("quotient", "quotient_each"), cost=2.0)  # fmt: skip
def quotient(out: Value, x: Value, y: Value) -> Partials:
    """A division in a derivative: it never raises, and a zero gradient stops at it."""
    return quotient(1.0, y), -quotient(out, y)


@elementwise({"python": "divided({x}, {y})", "numba": "{x} / {y}", "array": "{x} / {y}"}, stage="{x}o{y}", title="divide",
             exact="x / y", pole=True, helpers=("divided",), cost=2.0)  # fmt: skip
def divided(out: Value, x: Value, y: Value) -> Partials:
    """A division in the derivative of what NumPy computed: its value did not raise at the pole, so its slope must not either."""
    return divided(1.0, y), -divided(out, y)


@elementwise({"python": "scaled({g}, {slope})", "array": "scaled_each({g}, {slope})"}, stage="{g}{slope}", title="multiply",
             exact="g * slope", helpers=("scaled", "scaled_each"))  # fmt: skip
def scaled(out: Value, g: Value, slope: Value) -> Partials:
    """A product in a derivative at which a zero gradient stops."""
    return slope, g
