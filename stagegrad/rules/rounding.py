"""Rounding, remainders, and the passage from floats to ints: flat wherever a derivative exists, but for the remainders.

Numba turns nan, inf and what exceeds 64 bits into an arbitrary int without a word; the helper ``fits_int`` raises there
what Python raises.
"""

from __future__ import annotations

from stagegrad.ir import FLOAT, INT
from stagegrad.ops import Value, elementwise, flat, helper
from stagegrad.rules.arithmetic import Partials, divided
from stagegrad.rules.kinks import unit

helper(
    '''
    def fits_int(x):
        """x, if it can become a 64-bit int; raises what Python raises if it cannot."""
        if x != x:
            raise ValueError("cannot convert float NaN to integer")
        if math.isinf(x):
            raise OverflowError("cannot convert float infinity to integer")
        if not -9.3e18 < x < 9.2e18:
            raise OverflowError("the number exceeds a 64-bit int")
        return x
    '''
)
helper(
    '''
    def floored(x):
        """The largest whole float that is not above x; inf and nan stay."""
        return math.copysign(float(math.floor(x)), x) if abs(x) < 4503599627370496.0 else x
    '''
)
helper(
    '''
    def ceiled(x):
        """The smallest whole float that is not below x; inf and nan stay."""
        return math.copysign(float(math.ceil(x)), x) if abs(x) < 4503599627370496.0 else x
    '''
)
helper(
    '''
    def truncated(x):
        """x without its fraction, as a float; inf and nan stay."""
        return math.copysign(float(math.trunc(x)), x) if abs(x) < 4503599627370496.0 else x
    '''
)
helper(
    '''
    def rounded(x):
        """The whole float nearest to x, the even one at a tie; inf and nan stay."""
        return math.copysign(float(round(x)), x) if abs(x) < 4503599627370496.0 else x
    '''
)
helper(
    '''
    def round_digits(x, n):
        """x rounded to n decimals exactly as Python does: to the nearest, judged on the exact value of x, even at a tie."""
        if not abs(x) < math.inf or x == 0.0:
            return x
        if n > 22 or n < -22:
            raise ValueError("round(x, n) is compiled for n from -22 to 22")
        size = abs(x)
        p = 10.0 ** abs(n)
        if n < 0:
            rest = size % p
            whole = rounded((size - rest) / p)
            excess = rest - (p - rest)
        else:
            y = size * p
            if y >= 9007199254740992.0:
                return x
            whole = floored(y)
            # The exact product is y + error (Veltkamp's split, Dekker's product); the error decides where y looks like a tie.
            c = 134217729.0 * size
            high = c - (c - size)
            low = size - high
            c = 134217729.0 * p
            p_high = c - (c - p)
            p_low = p - p_high
            error = ((high * p_high - y) + high * p_low + low * p_high) + low * p_low
            excess = y - whole - 0.5
            if excess == 0.0:
                excess = error
            elif abs(error) == 0.5:
                whole = min(y, y + 2.0 * error)
                excess = 0.0
        if excess > 0.0 or (excess == 0.0 and whole % 2.0 == 1.0):
            whole += 1.0
        return math.copysign(whole * p if n < 0 else whole / p, x)
    ''',
    "rounded",
    "floored",
)
helper(
    '''
    def truncated_remainder(x, y):
        """The remainder of x / y with the sign of x, exact; nan for y = 0 or an infinite x."""
        if y == 0.0 or math.isinf(x) or x != x or y != y:
            return math.nan
        return math.copysign(abs(x) % abs(y), x)
    '''
)
helper(
    '''
    def nearest_remainder(x, y):
        """x - n*y for the whole n nearest to x / y, the even one at a tie, exact; nan for y = 0 or an infinite x."""
        if y == 0.0 or math.isinf(x) or x != x or y != y:
            return math.nan
        if math.isinf(y):
            return x
        size, step = abs(x), abs(y)
        low = size % step
        high = step - low
        if low < high:
            rest = low
        elif low > high:
            rest = -high
        else:
            rest = low - 2.0 * ((0.5 * (size - low)) % step)
        return math.copysign(1.0, x) * rest
    '''
)


# ---------------------------------------------------------------------------------------------- floats to floats


@flat({"python": "floored({x})", "numba": "np.floor({x})", "numpy": "np.floor({x})"}, FLOAT, stage="floor{x}", exact="floor(x)",
      display="floor({x})", helpers=("floored",))  # fmt: skip
def floor(x: Value) -> None:
    """The largest whole number that is not above x, as a float."""


@flat({"python": "ceiled({x})", "numba": "np.ceil({x})", "numpy": "np.ceil({x})"}, FLOAT, stage="ceil{x}", exact="ceiling(x)",
      display="ceil({x})", helpers=("ceiled",))  # fmt: skip
def ceil(x: Value) -> None:
    """The smallest whole number that is not below x, as a float."""


@flat({"python": "truncated({x})", "numba": "np.trunc({x})", "numpy": "np.trunc({x})"}, FLOAT, stage="trunc{x}", title="truncate",
      exact="sign(x) * floor(Abs(x))", display="trunc({x})", helpers=("truncated",))  # fmt: skip
def trunc(x: Value) -> None:
    """x without its fraction, as a float."""


@flat({"python": "rounded({x})", "numba": "np.rint({x})", "numpy": "np.rint({x})"}, FLOAT, stage="round{x}", title="round",
      exact="floor(x + Rational(1, 2))", display="rint({x})", helpers=("rounded",))  # fmt: skip
def rint(x: Value) -> None:
    """The nearest whole number, the even one at a tie, as a float (`exact` holds but for the ties)."""


@flat({"python": "round({x}, {n})", "numba": "round_digits({x}, {n})", "numpy": "np.round({x}, {n})"}, FLOAT, stage="round{x}",
      title="round", display="round({x}, {n})", exact="floor(x * 10**n + Rational(1, 2)) / 10**n",
      helpers=("round_digits",), cost=10.0)  # fmt: skip
def round_digits(x: Value, n: Value) -> None:
    """x rounded to n decimals, as a float (`exact` holds but for the ties)."""


# ---------------------------------------------------------------------------------------------- floats to ints


@flat({"python": "math.floor({x})", "numba": "math.floor(fits_int({x}))"}, INT, stage="floor{x}", title="floor", exact="floor(x)",
      helpers=("fits_int",))  # fmt: skip
def floor_int(x: Value) -> None:
    """The largest int that is not above x."""


@flat({"python": "math.ceil({x})", "numba": "math.ceil(fits_int({x}))"}, INT, stage="ceil{x}", title="ceil", exact="ceiling(x)",
      helpers=("fits_int",))  # fmt: skip
def ceil_int(x: Value) -> None:
    """The smallest int that is not below x."""


@flat({"python": "math.trunc({x})", "numba": "math.trunc(fits_int({x}))"}, INT, stage="trunc{x}", title="truncate",
      exact="sign(x) * floor(Abs(x))", helpers=("fits_int",))  # fmt: skip
def trunc_int(x: Value) -> None:
    """x without its fraction, as an int."""


@flat({"python": "round({x})", "numba": "round(fits_int({x}))"}, INT, stage="round{x}", title="round",
      exact="floor(x + Rational(1, 2))", helpers=("fits_int",))  # fmt: skip
def round_int(x: Value) -> None:
    """The nearest int, the even one at a tie."""


# ---------------------------------------------------------------------------------------------- remainders


@flat({"python": "{x} // {y}", "numpy": "np.floor_divide({x}, {y})", "array": "{x} // {y}"}, None,
      stage="{x}div{y}", title="floor division", exact="floor(x / y)", cost=5.0)  # fmt: skip
def floordiv(x: Value, y: Value) -> None:
    """How often y goes into x, rounded down; its derivative is zero wherever it exists."""


@elementwise({"python": "{x} % {y}", "numpy": "np.mod({x}, {y})", "array": "{x} % {y}"}, stage="{x}mod{y}", title="remainder",
             exact="x - y * floor(x / y)", integer=True, cost=8.0)  # fmt: skip
def mod(out: Value, x: Value, y: Value) -> Partials:
    """The slope of a remainder is 1 in x, and minus the whole quotient in y."""
    return unit(out), -floordiv(x, y) * unit(out)


@elementwise({"python": "math.fmod({x}, {y})", "numba": "truncated_remainder({x}, {y})", "numpy": "np.fmod({x}, {y})"},
             stage="{x}mod{y}", title="remainder", exact="x - y * sign(x / y) * floor(Abs(x / y))", display="fmod({x}, {y})",
             helpers=("truncated_remainder",), cost=8.0)  # fmt: skip
def fmod(out: Value, x: Value, y: Value) -> Partials:
    """The slope of a truncated remainder is 1 in x, and minus the whole quotient in y."""
    return unit(out), rint(divided(out - x, y))


@elementwise({"python": "math.remainder({x}, {y})", "numba": "nearest_remainder({x}, {y})"}, stage="{x}mod{y}", title="remainder",
             exact="x - y * floor(x / y + Rational(1, 2))", display="remainder({x}, {y})", helpers=("nearest_remainder",),
             cost=10.0)  # fmt: skip
def remainder(out: Value, x: Value, y: Value) -> Partials:
    """The slope of a nearest remainder is 1 in x, and minus the whole quotient in y."""
    return unit(out), rint(divided(out - x, y))
