"""Powers: ``x**y`` in all its cases, and the two operations that its derivatives are made of.

Frontends emit ``pow``; `stagegrad.rules.idioms` turns a power with an int exponent into ``powi`` (whose base may be
negative) and a power of two ints into ``pow_int`` (which stays an int).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from stagegrad.ir import FLOAT, INT, Type
from stagegrad.ops import Value, each, elementwise, flat, helper
from stagegrad.rules.arithmetic import Partials, quotient

#: Exponents whose powers are products of a number and its square root.
HALVES = frozenset({-2.5, -1.5, -0.5, 0.5, 1.5, 2.5})
#: Beyond this size a float exponent no longer tells odd from even, and the general rule is as good.
_LARGEST_WHOLE = 2.0**53

helper(
    '''
    def power(x, y):
        """x**y for floats; where Python's own answer would be complex, it raises instead."""
        if -math.inf < x < 0.0 and math.isfinite(y) and y % 1.0 != 0.0:
            raise ValueError("a negative base to a fractional power is complex")
        return x**y
    '''
)
helper(
    '''
    def power_times(x, y, factor):
        """factor * x**y that never raises: the limit at 0, inf where it overflows, nan where it is complex."""
        y = float(y)
        if x != x or y != y:
            return math.nan
        if x < 0.0 and math.isfinite(y) and y % 1.0 != 0.0:
            return math.nan
        if math.copysign(1.0, x) < 0.0 and abs(y) % 2.0 == 1.0:
            factor = -factor
        size = abs(x)
        if size == 0.0 and y <= 0.0:
            return factor if y == 0.0 else factor * math.inf
        if size > 0.0 and y * math.log(size) > 1400.0:
            return factor * math.inf
        half = size ** (0.5 * y)
        return factor * half * half
    '''
)
helper(
    '''
    def pow_dx(x, y):
        """The slope of x**y along x, y * x**(y - 1), with its limits at x = 0."""
        if y == 0.0:
            return 0.0
        if y >= 0.5 or x == 0.0 or math.isinf(x):
            return power_times(x, y - 1.0, y)
        return power_times(x, y, y) / x
    ''',
    "power_times",
)
helper(
    '''
    def pow_dy(x, y, n):
        """x**y * log(x)**n, the n-th slope of x**y along y, with its limits at x = 0."""
        if n == 0:
            return power_times(x, y, 1.0)
        if x < 0.0:
            return math.nan
        if x == 0.0:
            return 0.0 if y >= 0.0 else math.nan
        if math.isinf(x) and y < 0.0:
            return 0.0
        return power_times(x, y, math.log(x) ** n)
    ''',
    "power_times",
)
helper(
    '''
    def pow_int(x, n):
        """x**n for ints, which stays an int."""
        if n < 0:
            raise ValueError("a negative power of an int is a float: write float(x)**n")
        return x**n
    '''
)
helper(
    '''
    def not_negative(n):
        """n, if an int can be raised to it."""
        if n < 0:
            raise ValueError("Integers to negative integer powers are not allowed.")
        return n
    '''
)
helper(
    '''
    def pow_int64(x, n):
        """x**n for ints, which stays an int and is checked against 64 bits."""
        if n < 0:
            raise ValueError("a negative power of an int is a float: write float(x)**n")
        if abs(float(x)) ** n > 9.2e18:
            raise OverflowError("an int power exceeds 64 bits")
        return x**n
    '''
)
each(
    '''
    def power_times_each(x, y, factor):
        """factor * x**y in two halves, neither of which overflows before the whole does."""
        half = abs(x) ** (0.5 * y)
        whole = factor * half * half
        signed = np.where((np.copysign(1.0, x) < 0.0) & (abs(y) % 2.0 == 1.0), -whole, whole)
        fractional = np.isfinite(y) & (y % 1.0 != 0.0)
        return np.where((x != x) | (y != y) | ((x < 0.0) & fractional), np.nan, signed)
    ''',
    "power_times(x, y, factor)",
    "power_times",
)
each(
    '''
    def pow_dx_each(x, y):
        """The slope of x**y along x, y * x**(y - 1), with its limits at x = 0."""
        direct = (y >= 0.5) | (x == 0.0) | np.isinf(x)
        slope = np.where(direct, power_times_each(x, y - 1.0, y), power_times_each(x, y, y) / x)
        return np.where(y == 0.0, 0.0, slope)
    ''',
    "pow_dx(x, y)",
    "power_times_each",
    "pow_dx",
)
each(
    '''
    def pow_dy_each(x, y, n):
        """x**y * log(x)**n, the n-th slope of x**y along y, with its limits at x = 0."""
        if n == 0:
            return power_times_each(x, y, 1.0)
        undefined = (x < 0.0) | ((x == 0.0) & (y < 0.0)) | (y != y)
        vanishing = ((x == 0.0) & (y >= 0.0)) | (np.isinf(x) & (y < 0.0))
        return np.where(undefined, np.nan, np.where(vanishing, 0.0, power_times_each(x, y, np.log(x) ** n)))
    ''',
    "pow_dy(x, y, n)",
    "power_times_each",
    "pow_dy",
)
each(
    '''
    def whole_power(x, n):
        """x**n for a whole n; compiled, it would else be a chain of products."""
        return x**n
    ''',
    "math.pow(x, float(n))",
)
each(
    '''
    def pow_int_each(x, n):
        """x**n for ints, which stay ints."""
        return x**n
    ''',
    "x ** not_negative(n)",
    "not_negative",
    keeps_width=True,
)


def _int_or_float(types: Sequence[Type]) -> Type:
    return FLOAT if any(type.kind == "float" for type in types) else INT


def whole(exponent: float | int | bool | None) -> int | None:
    """The exponent as an int where it is a constant without a fraction."""
    if exponent is None or not math.isfinite(exponent) or abs(exponent) > _LARGEST_WHOLE or exponent % 1 != 0:
        return None
    return int(exponent)


def _whole_slope(out: Value, x: Value, n: int) -> Value | float:
    """n * x**(n - 1); a negative power divides its own result, which cannot overflow on the way."""
    if n == 0:
        return 0.0
    if n < 0:
        return float(n) * (out / x)
    return float(n) * x ** (n - 1) if n > 2 else float(n) * (x if n == 2 else 1.0)


def _slopes(out: Value, x: Value, y: Value) -> Partials:
    n = whole(y.literal)
    if n is not None:
        return _whole_slope(out, x, n), None
    base, exponent = x.literal, y.literal
    dx = exponent * pow(x, exponent - 1.0) if exponent is not None and 1.0 < exponent < math.inf else pow_dx(x, y)
    if y.type.kind != "float" or exponent is not None:
        return dx, None
    return dx, out * math.log(base) if base is not None and 0.0 < base < math.inf else pow_dy(x, y, n=1)


@elementwise({"python": "power({x}, {y})", "numba": "{x}**{y}", "numpy": "np.power({x}, {y})", "array": "{x}**{y}",
              "lanes": "kernels.pow({x}, {y})"},
             stage="{x}pow{y}", title="power", exact="x**y", display="{x}**{y}", cost=20.0, pole=True, helpers=("power",),
             result=_int_or_float)  # fmt: skip
def pow(out: Value, x: Value, y: Value) -> Partials:
    """A power's slope is y * x**(y - 1) in the base and x**y * log(x) in the exponent."""
    return _slopes(out, x, y)


@elementwise({"python": "power({x}, {y})", "numba": "{x}**{y}", "numpy": "np.power({x}, {y})", "array": "{x}**{y}",
              "lanes": "kernels.pow_halves({x}, {y})"},
             stage="{x}pow{y}", title="power", exact="x**y", display="{x}**{y}", cost=5.0, pole=True, helpers=("power",))  # fmt: skip
def pow_halves(out: Value, x: Value, y: Value) -> Partials:
    """The slope of a power of which the exponent is a constant of HALVES; a negative power divides its own result."""
    exponent = y.literal
    if exponent is None:
        return _slopes(out, x, y)
    if exponent == 0.5:
        return quotient(0.5, out), None
    return exponent * (out / x if exponent < 0.0 else pow_halves(x, exponent - 1.0)), None


@elementwise({"python": "{x}**{y}", "lanes": "kernels.pow({x}, {y})"}, stage="{x}pow{y}", title="power", exact="x**y", cost=20.0)
def pow_positive(out: Value, x: Value, y: Value) -> Partials:
    """A power of a positive constant, which is never complex, has the slopes of any power."""
    return _slopes(out, x, y)


@elementwise({"python": "{x}**{n}", "numba": "math.pow({x}, float({n}))", "array": "{x}**{n}", "array:numba": "whole_power({x}, {n})",
              "lanes": "kernels.pow({x}, float({n}))"},
             stage="{x}pow{n}", title="power", exact="x**n", display="{x}**{n}", helpers=("whole_power",), cost=20.0,
             pole=True)  # fmt: skip
def powi(out: Value, x: Value, n: Value) -> Partials:
    """The slope of a whole power is n * x**(n - 1)."""
    constant = whole(n.literal)
    return (pow_dx(x, n) if constant is None else _whole_slope(out, x, constant)), None


@flat({"python": "pow_int({x}, {n})", "numba": "pow_int64({x}, {n})", "array": "{x}**{n}", "array:numba": "pow_int_each({x}, {n})"}, INT,
      stage="{x}pow{n}", title="power", exact="x**n", display="{x}**{n}", helpers=("pow_int", "pow_int64", "pow_int_each"),
      cost=5.0)  # fmt: skip
def pow_int(x: Value, n: Value) -> None:
    """A power of ints, an int."""


@elementwise({"python": "pow_dx({x}, {y})", "array": "pow_dx_each({x}, {y})", "lanes": "kernels.pow_dx({x}, {y})"},
             stage="slope", title="slope of a power",
             exact="y * x**(y - 1)", cost=25.0, pole=True, singular=True, helpers=("pow_dx", "pow_dx_each"))  # fmt: skip
def pow_dx(out: Value, x: Value, y: Value) -> Partials:
    """The slope of y * x**(y - 1): the power rule once more."""
    return y * pow_dx(x, y - 1.0), pow_dy(x, y - 1.0, n=0) + y * pow_dy(x, y - 1.0, n=1)


@elementwise({"python": "pow_dy({x}, {y}, {n})", "array": "pow_dy_each({x}, {y}, {n})",
              "lanes": "kernels.pow_dy({x}, {y}, kernels.log({x}) ** {n})"}, stage="slope", title="slope of a power",
             exact="x**y * log(x)**n", cost=30.0, pole=True, singular=True, helpers=("pow_dy", "pow_dy_each"))  # fmt: skip
def pow_dy(out: Value, x: Value, y: Value, *, n: int) -> Partials:
    """The slopes of x**y * log(x)**n are of the same form."""
    dx = y * pow_dy(x, y - 1.0, n=n)
    if n > 0:
        dx = dx + float(n) * pow_dy(x, y - 1.0, n=n - 1)
    return dx, pow_dy(x, y, n=n + 1)
