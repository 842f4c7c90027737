"""Roots, exponentials, logarithms, trigonometric and hyperbolic functions, and their inverses.

The forms are those that stay within a few units in the last place over the whole domain: ``exp(x)`` for the slope of
``expm1``, ``(1 - x) * (1 + x)`` and not ``1 - x*x`` for the inverse functions, ``x / hypot(x, y)`` for ``hypot``. Tanh
keeps its textbook slope in terms of its own result, whose error is absolute (one rounding of 1).
"""

from __future__ import annotations

import math

from stagegrad.ops import Value, each, elementwise, helper
from stagegrad.rules.arithmetic import Partials, quotient

helper(
    '''
    def exp(x):
        """The exponential that is inf where math.exp would raise."""
        return math.exp(x) if not x > 709.782712893384 else math.inf
    '''
)
helper(
    '''
    def positive(x):
        """x itself, or nan where x is negative: where a logarithm is nan, its slope must not be a number."""
        return x if x >= 0.0 else math.nan
    '''
)
helper(
    '''
    def cbrt_dx(x, root):
        """The slope of the cube root of x, with its limits at 0 and at infinity."""
        if x == 0.0:
            return math.inf
        return 0.0 if math.isinf(x) else root / x / 3.0
    '''
)
helper(
    '''
    def over_square(a, b):
        """a / (a**2 + b**2) without overflow; it has no limit at (0, 0), so it is nan there."""
        h = math.hypot(a, b)
        if h == 0.0:
            return math.nan
        if math.isinf(h) and a == a and b == b:
            return 0.0
        return a / h / h
    '''
)
each(
    '''
    def positive_each(x):
        """x itself, or nan where x is negative: where a logarithm is nan, its slope must not be a number."""
        return np.where(x >= 0.0, x, np.nan)
    ''',
    "x if x >= 0.0 else math.nan",
)
each(
    '''
    def cbrt_dx_each(x, root):
        """The slope of the cube root of x, with its limits at 0 and at infinity."""
        return np.where(x == 0.0, np.inf, np.where(np.isinf(x), 0.0, root / x / 3.0))
    ''',
    "cbrt_dx(x, root)",
    "cbrt_dx",
)
each(
    '''
    def over_square_each(a, b):
        """a / (a**2 + b**2) without overflow; it has no limit at (0, 0), so it is nan there."""
        h = np.hypot(a, b)
        return np.where(h == 0.0, np.nan, np.where(np.isinf(h) & (a == a) & (b == b), 0.0, a / h / h))
    ''',
    "over_square(a, b)",
    "over_square",
)


def both(name: str, operands: str = "x", numba: str = "", numpy: str = "", lanes: bool = True) -> dict[str, str]:
    """The spellings of a function that `math` and NumPy have, with other words for NumPy and for Numba if need be.

    With `lanes` there is a vector kernel of that name.
    """
    words = ", ".join(f"{{{operand}}}" for operand in operands)
    spelling = {"python": f"math.{name}({words})", "numpy": f"np.{numpy or name}({words})"}
    if lanes:
        spelling["lanes"] = f"kernels.{name}({words})"
    return {**spelling, "numba": f"{numba}({words})"} if numba else spelling


@elementwise({"python": "{x}", "numba": "positive({x})", "numpy": "positive({x})", "array": "positive_each({x})"}, stage="{x}",
             title="positive", exact="x", display="{x}", helpers=("positive", "positive_each"))  # fmt: skip
def positive(out: Value, x: Value) -> Partials:
    """The operand of a logarithm's slope; on the python target `math` has raised before a negative one gets here."""
    return 1.0


# ---------------------------------------------------------------------------------------------- roots


@elementwise(both("sqrt", lanes=False), stage="sqrt{x}", title="square root", exact="sqrt(x)", domain=(0.0, math.inf), cost=4.0,
             singular=True)  # fmt: skip
def sqrt(out: Value, x: Value) -> Partials:
    """The slope of a root is one half over the root: infinite at 0, as in the limit."""
    return quotient(0.5, out)


@elementwise(both("cbrt", numba="np.cbrt", lanes=False), stage="cbrt{x}", title="cube root", exact="sign(x) * Abs(x)**Rational(1, 3)",
             cost=12.0, singular=True)  # fmt: skip
def cbrt(out: Value, x: Value) -> Partials:
    """The slope of a cube root is a third of the root over x: one over three times its square would double the root's own error."""
    return cbrt_dx(x, out)


@elementwise({"python": "cbrt_dx({x}, {root})", "array": "cbrt_dx_each({x}, {root})"}, stage="slope", title="slope of a cube root",
             exact="Abs(x)**Rational(-2, 3) / 3", pole=True, singular=True, helpers=("cbrt_dx", "cbrt_dx_each"), cost=3.0)  # fmt: skip
def cbrt_dx(out: Value, x: Value, root: Value) -> Partials:
    """The slope of x**(-2/3) / 3 is -2/(3x) times itself; the root, which is handed over to save its price, follows x."""
    return (-2.0 / 3.0) * quotient(out, x), None


@elementwise(both("hypot", "xy"), stage="hyp{x}{y}", title="hypotenuse", exact="sqrt(x**2 + y**2)", cost=8.0)
def hypot(out: Value, x: Value, y: Value) -> Partials:
    """Each slope of a distance is that side over the distance; at the origin it is zero, the smallest subgradient."""
    return quotient(x, out), quotient(y, out)


# ---------------------------------------------------------------------------------------------- exponentials, logarithms


@elementwise(both("exp"), stage="exp{x}", title="exponential", exact="exp(x)", cost=5.0)
def exp(out: Value, x: Value) -> Partials:
    """The exponential is its own derivative."""
    return out


@elementwise(both("exp2"), stage="exp2{x}", title="power of two", exact="2**x", cost=6.0)
def exp2(out: Value, x: Value) -> Partials:
    """The slope of 2**x is log(2) times itself."""
    return math.log(2.0) * out


@elementwise(both("expm1"), stage="expm1{x}", title="exponential minus one", exact="exp(x) - 1", cost=8.0)
def expm1(out: Value, x: Value) -> Partials:
    """The slope of exp(x) - 1 is exp(x), and not 1 + the result, which has lost it where x is very negative."""
    return exp(x)


@elementwise(both("log"), stage="log{x}", title="logarithm", exact="log(x)", domain=(0.0, math.inf), pole=True, cost=6.0)
def log(out: Value, x: Value) -> Partials:
    """The slope of the logarithm is 1/x."""
    return 1.0 / positive(x)


@elementwise(both("log2"), stage="log2{x}", title="logarithm, base 2", exact="log(x) / log(2)", domain=(0.0, math.inf), pole=True, cost=6.0)
def log2(out: Value, x: Value) -> Partials:
    """The slope of the binary logarithm is 1 / (x log 2)."""
    return (1.0 / math.log(2.0)) / positive(x)


@elementwise(both("log10"), stage="log10{x}", title="logarithm, base 10", exact="log(x) / log(10)", domain=(0.0, math.inf), pole=True,
             cost=8.0)  # fmt: skip
def log10(out: Value, x: Value) -> Partials:
    """The slope of the decimal logarithm is 1 / (x log 10)."""
    return (1.0 / math.log(10.0)) / positive(x)


@elementwise(both("log1p"), stage="log1p{x}", title="logarithm of 1 + x", exact="log(1 + x)", domain=(-1.0, math.inf), pole=True, cost=8.0)
def log1p(out: Value, x: Value) -> Partials:
    """The slope of log(1 + x) is 1 / (1 + x)."""
    return 1.0 / positive(1.0 + x)


# ---------------------------------------------------------------------------------------------- trigonometry


@elementwise(both("sin"), stage="sin{x}", title="sine", exact="sin(x)", cost=8.0)
def sin(out: Value, x: Value) -> Partials:
    """The slope of the sine is the cosine."""
    return cos(x)


@elementwise(both("cos"), stage="cos{x}", title="cosine", exact="cos(x)", cost=8.0)
def cos(out: Value, x: Value) -> Partials:
    """The slope of the cosine is minus the sine."""
    return -sin(x)


@elementwise(both("tan"), stage="tan{x}", title="tangent", exact="tan(x)", pole=True, cost=12.0)
def tan(out: Value, x: Value) -> Partials:
    """The tangent's slope is one plus its own square."""
    return 1.0 + out**2


@elementwise(both("asin", numpy="arcsin"), stage="asin{x}", title="arc sine", exact="asin(x)",
             domain=(-1.0, 1.0), cost=12.0, singular=True)  # fmt: skip
def asin(out: Value, x: Value) -> Partials:
    """The slope of the arc sine is one over sqrt(1 - x**2), factored so that nothing cancels near 1."""
    return quotient(1.0, sqrt((1.0 - x) * (1.0 + x)))


@elementwise(both("acos", numpy="arccos"), stage="acos{x}", title="arc cosine", exact="acos(x)",
             domain=(-1.0, 1.0), cost=12.0, singular=True)  # fmt: skip
def acos(out: Value, x: Value) -> Partials:
    """The slope of the arc cosine is minus that of the arc sine."""
    return quotient(-1.0, sqrt((1.0 - x) * (1.0 + x)))


@elementwise(both("atan", numpy="arctan"), stage="atan{x}", title="arc tangent", exact="atan(x)", cost=10.0)
def atan(out: Value, x: Value) -> Partials:
    """The slope of the arc tangent is 1 / (1 + x**2); the square is a product, which cannot raise as ** can."""
    return 1.0 / (1.0 + x * x)


@elementwise(both("atan2", "yx", numpy="arctan2"), stage="ang{y}{x}", title="angle",
             exact="atan2(y, x)", cost=15.0)  # fmt: skip
def atan2(out: Value, y: Value, x: Value) -> Partials:
    """The angle of (x, y) turns with x / (x**2 + y**2) and -y / (x**2 + y**2)."""
    return over_square(x, y), -over_square(y, x)


@elementwise({"python": "over_square({a}, {b})", "array": "over_square_each({a}, {b})", "lanes": "kernels.over_square({a}, {b})"},
             stage="turn", title="slope of an angle",
             exact="a / (a**2 + b**2)", helpers=("over_square", "over_square_each"), pole=True, cost=15.0)  # fmt: skip
def over_square(out: Value, a: Value, b: Value) -> Partials:
    """The slopes of a / (a**2 + b**2) are products of it and its mirror image."""
    other = over_square(b, a)
    return (other - out) * (other + out), -2.0 * (out * other)


@elementwise(both("degrees", lanes=False), stage="deg{x}", title="degrees", exact="x * 180 / pi")
def degrees(out: Value, x: Value) -> Partials:
    """A radian is 180/pi degrees."""
    return 180.0 / math.pi


@elementwise(both("radians", lanes=False), stage="rad{x}", title="radians", exact="x * pi / 180")
def radians(out: Value, x: Value) -> Partials:
    """A degree is pi/180 radians."""
    return math.pi / 180.0


# ---------------------------------------------------------------------------------------------- hyperbolic


@elementwise(both("sinh"), stage="sinh{x}", title="hyperbolic sine", exact="sinh(x)", cost=12.0)
def sinh(out: Value, x: Value) -> Partials:
    """The slope of the hyperbolic sine is the hyperbolic cosine."""
    return cosh(x)


@elementwise(both("cosh"), stage="cosh{x}", title="hyperbolic cosine", exact="cosh(x)", cost=12.0)
def cosh(out: Value, x: Value) -> Partials:
    """The slope of the hyperbolic cosine is the hyperbolic sine."""
    return sinh(x)


@elementwise(both("tanh"), stage="tanh{x}", title="hyperbolic tangent", exact="tanh(x)", cost=12.0)
def tanh(out: Value, x: Value) -> Partials:
    """Tanh's slope is one minus its own square."""
    return 1.0 - out**2


@elementwise({"python": "math.asinh({x})", "numpy": "np.arcsinh({x})"}, stage="asinh{x}", title="inverse hyperbolic sine",
             exact="asinh(x)", cost=15.0)  # fmt: skip
def asinh(out: Value, x: Value) -> Partials:
    """The slope of the inverse hyperbolic sine is one over sqrt(1 + x**2)."""
    return 1.0 / hypot(1.0, x)


@elementwise({"python": "math.acosh({x})", "numpy": "np.arccosh({x})"}, stage="acosh{x}", title="inverse hyperbolic cosine",
             exact="acosh(x)", domain=(1.0, math.inf), cost=15.0, singular=True)  # fmt: skip
def acosh(out: Value, x: Value) -> Partials:
    """The slope of the inverse hyperbolic cosine is one over sqrt(x**2 - 1), factored so that nothing cancels near 1."""
    return quotient(1.0, sqrt(x - 1.0) * sqrt(x + 1.0))


@elementwise({"python": "math.atanh({x})", "numpy": "np.arctanh({x})"}, stage="atanh{x}", title="inverse hyperbolic tangent",
             exact="atanh(x)", domain=(-1.0, 1.0), pole=True, cost=15.0)  # fmt: skip
def atanh(out: Value, x: Value) -> Partials:
    """The slope of the inverse hyperbolic tangent is one over 1 - x**2, factored so that nothing cancels near 1."""
    return 1.0 / positive((1.0 - x) * (1.0 + x))
