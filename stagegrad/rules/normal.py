"""The normal distribution: its density, the probability to be below a number, the ratio of both, and the number that has a probability.

Nothing cancels in the tails.
"""

from __future__ import annotations

import math

from stagegrad.ops import Value, elementwise, helper
from stagegrad.rules.arithmetic import Partials
from stagegrad.rules.kinks import abs as absolute
from stagegrad.rules.special import one_by_one

helper(
    '''
    def bell(x):
        """The standard normal density, with the square in two parts: its rounding error would show in the exponential."""
        if not abs(x) < 39.0:
            return 0.0 if x == x else math.nan
        high = math.floor(x * 1048576.0) / 1048576.0
        return 0.3989422804014327 * math.exp(-0.5 * high * high) * math.exp(0.5 * (high - x) * (high + x))
    '''
)
helper(
    '''
    def mills_tail(x):
        """x plus the standard normal density over the probability to be below x, for x <= -2.5: a continued fraction (Laplace)."""
        found = -x
        for k in range(90, 1, -1):
            found = k / found - x
        return 1.0 / found
    '''
)
helper(
    '''
    def ndtr(x):
        """The probability that a standard normal number is below x."""
        if x <= -2.5:
            return bell(x) / (mills_tail(x) - x)
        z = 0.7071067811865476 * x
        return 0.5 + 0.5 * math.erf(z) if abs(z) < 1.0 else 0.5 * math.erfc(-z)
    ''',
    "bell",
    "mills_tail",
)
helper(
    '''
    def mills(x):
        """The standard normal density over the probability to be below x (the inverse of Mills' ratio)."""
        return bell(x) / ndtr(x) if x > -2.5 else mills_tail(x) - x
    ''',
    "bell",
    "ndtr",
    "mills_tail",
)
helper(
    '''
    def mills_gap(x):
        """x + mills(x), which nearly cancel far below 0."""
        return x + bell(x) / ndtr(x) if x > -2.5 else mills_tail(x)
    ''',
    "bell",
    "ndtr",
    "mills_tail",
)
helper(
    '''
    def log_ndtr(x):
        """The logarithm of the probability that a standard normal number is below x."""
        if x > -1.0:
            return math.log1p(-ndtr(-x))
        if x > -2.5:
            return math.log(ndtr(x))
        return -0.5 * x * x - 0.9189385332046727 - math.log(mills(x))
    ''',
    "ndtr",
    "mills",
)
helper(
    '''
    def probit(q, tail):
        """The number below which a standard normal one lies with probability 0.5 + q, where tail is 0.5 - abs(q) (M. Wichura, AS 241)."""
        if abs(q) <= 0.425:
            r = 0.180625 - q * q
            num = ((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
                + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
                + 133.14166789178437745) * r + 3.387132872796366608
            den = ((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
                + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r
                + 42.313330701600911252) * r + 1.0
            return q * num / den
        r = math.sqrt(-math.log(tail))
        if r <= 5.0:
            r -= 1.6
            num = ((((((0.000774545014278341407640 * r + 0.0227238449892691845833) * r + 0.241780725177450611770) * r
                + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.76949722146069140550) * r
                + 4.63033784615654529590) * r + 1.42343711074968357734
            den = ((((((1.05075007164441684324e-9 * r + 0.000547593808499534494600) * r + 0.0151986665636164571966) * r
                + 0.148103976427480074590) * r + 0.689767334985100004550) * r + 1.67638483018380384940) * r
                + 2.05319162663775882187) * r + 1.0
        else:
            r -= 5.0
            num = ((((((2.01033439929228813265e-7 * r + 0.0000271155556874348757815) * r + 0.00124266094738807843860) * r
                + 0.0265321895265761230930) * r + 0.296560571828504891230) * r + 1.78482653991729133580) * r
                + 5.46378491116411436990) * r + 6.65790464350110377720
            den = ((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 0.0000184631831751005468180) * r
                + 0.000786869131145613259100) * r + 0.0148753612908506148525) * r + 0.136929880922735805310) * r
                + 0.599832206555887937690) * r + 1.0
        return math.copysign(num / den, q)
    '''
)
helper(
    '''
    def ndtri(p):
        """The number below which a standard normal one lies with a probability; infinite at 0 and 1, nan beyond."""
        if not 0.0 < p < 1.0:
            return math.copysign(math.inf, p - 0.5) if p == 0.0 or p == 1.0 else math.nan
        return probit(p - 0.5, min(p, 1.0 - p))
    ''',
    "probit",
)
helper(
    '''
    def ndtri_dx(p):
        """One over the density at the number that has a probability; infinite at 0 and 1, nan beyond."""
        tail = min(p, 1.0 - p) if p == p else p
        if not tail > 0.0:
            return math.inf if tail == 0.0 else math.nan
        return 1.0 / tail / mills(probit(tail - 0.5, tail))
    ''',
    "probit",
    "mills",
)
helper(
    '''
    def erfinv(x):
        """The number whose error function is x; infinite at -1 and 1, nan beyond."""
        if not abs(x) < 1.0:
            return math.copysign(math.inf, x) if abs(x) == 1.0 else math.nan
        return 0.7071067811865476 * probit(0.5 * x, 0.5 * (1.0 - abs(x)))
    ''',
    "probit",
)
helper(
    '''
    def erfcinv(x):
        """The number whose complementary error function is x; infinite at 0 and 2, nan beyond."""
        if not 0.0 < x < 2.0:
            return math.copysign(math.inf, 1.0 - x) if x == 0.0 or x == 2.0 else math.nan
        return -0.7071067811865476 * probit(0.5 * (x - 1.0), min(0.5 * x, 1.0 - 0.5 * x))
    ''',
    "probit",
)
one_by_one("ndtr", "The probability that a standard normal number is below x", "ndtr", "ndtr")
one_by_one("bell", "The standard normal density", "bell", "bell")
one_by_one("log_ndtr", "The logarithm of the probability that a standard normal number is below x", "log_ndtr", "log_ndtr")
one_by_one("mills", "The standard normal density over the probability to be below x", "mills", "mills")
one_by_one("mills_gap", "x + mills(x)", "mills_gap", "mills_gap")
one_by_one("ndtri", "The number below which a standard normal one lies with a probability", "ndtri", "ndtri")
one_by_one("ndtri_dx", "One over the density at the number that has a probability", "ndtri_dx", "ndtri_dx")
one_by_one("erfinv", "The number whose error function is x", "erfinv", "erfinv")
one_by_one("erfcinv", "The number whose complementary error function is x", "erfcinv", "erfcinv")


@elementwise({"python": "ndtr({x})", "array": "ndtr_each({x})", "lanes": "kernels.ndtr({x})"}, stage="ndtr{x}", title="normal probability",
             exact="(1 + erf(x / sqrt(2))) / 2", helpers=("ndtr", "ndtr_each"), cost=15.0)  # fmt: skip
def ndtr(out: Value, x: Value) -> Partials:
    """The slope of a probability is the density."""
    return bell(x)


@elementwise({"python": "bell({x})", "array": "bell_each({x})", "lanes": "kernels.bell({x})"}, stage="bell{x}", title="normal density",
             exact="exp(-x**2 / 2) / sqrt(2 * pi)", helpers=("bell", "bell_each"), cost=12.0)  # fmt: skip
def bell(out: Value, x: Value) -> Partials:
    """The slope of the standard normal density is -x times itself."""
    return -(x * out)


@elementwise({"python": "log_ndtr({x})", "array": "log_ndtr_each({x})"}, stage="logn{x}", title="log of a normal probability",
             exact="log(erfc(-x / sqrt(2)) / 2)", helpers=("log_ndtr", "log_ndtr_each"), cost=25.0)  # fmt: skip
def log_ndtr(out: Value, x: Value) -> Partials:
    """The slope of the logarithm of a probability is the density over it."""
    return mills(x)


@elementwise({"python": "mills({x})", "array": "mills_each({x})"}, stage="mills{x}", title="density over probability",
             exact="sqrt(2 / pi) * exp(-x**2 / 2) / erfc(-x / sqrt(2))", helpers=("mills", "mills_each"), cost=25.0)  # fmt: skip
def mills(out: Value, x: Value) -> Partials:
    """The slope of the density over the probability is minus itself times x plus itself."""
    return -(out * mills_gap(x))


@elementwise({"python": "mills_gap({x})", "array": "mills_gap_each({x})"}, stage="gap{x}", title="x + density over probability",
             exact="x + sqrt(2 / pi) * exp(-x**2 / 2) / erfc(-x / sqrt(2))", helpers=("mills_gap", "mills_gap_each"),
             cost=25.0)  # fmt: skip
def mills_gap(out: Value, x: Value) -> Partials:
    """The slope of x + mills(x) is one minus their product."""
    return 1.0 - mills(x) * out


@elementwise({"python": "ndtri({x})", "array": "ndtri_each({x})"}, stage="ndtri{x}", title="normal quantile",
             exact="-sqrt(2) * erfinv(1 - 2 * x)", domain=(0.0, 1.0), helpers=("ndtri", "ndtri_each"), cost=25.0)  # fmt: skip
def ndtri(out: Value, x: Value) -> Partials:
    """The slope of a quantile is one over the density there."""
    return ndtri_dx(x)


@elementwise({"python": "ndtri_dx({x})", "array": "ndtri_dx_each({x})"}, stage="sparse{x}", title="one over a normal density",
             exact="sqrt(2 * pi) * exp(erfinv(1 - 2 * x)**2)", domain=(0.0, 1.0), helpers=("ndtri_dx", "ndtri_dx_each"),
             cost=40.0)  # fmt: skip
def ndtri_dx(out: Value, x: Value) -> Partials:
    """The slope of one over the density at a quantile is its square times the quantile."""
    return ndtri(x) * out * out


@elementwise({"python": "erfinv({x})", "array": "erfinv_each({x})"}, stage="erfi{x}", title="inverse error function", exact="erfinv(x)",
             domain=(-1.0, 1.0), helpers=("erfinv", "erfinv_each"), cost=25.0)  # fmt: skip
def erfinv(out: Value, x: Value) -> Partials:
    """The slope of the inverse error function is that of a quantile, by the distance from the nearer end."""
    return (0.25 * math.sqrt(2.0)) * ndtri_dx(0.5 * (1.0 - absolute(x)))


@elementwise({"python": "erfcinv({x})", "array": "erfcinv_each({x})"}, stage="erfci{x}", title="inverse of erfc", exact="erfinv(1 - x)",
             domain=(0.0, 2.0), helpers=("erfcinv", "erfcinv_each"), cost=25.0)  # fmt: skip
def erfcinv(out: Value, x: Value) -> Partials:
    """The slope of the inverse of erfc is that of a quantile at half of x."""
    return (-0.25 * math.sqrt(2.0)) * ndtri_dx(0.5 * x)
