"""The normal distribution: its density, the probability to be below a number, and the ratio of both, without cancelling in the tails."""

from __future__ import annotations

from stagegrad.ops import Value, elementwise, helper
from stagegrad.rules.arithmetic import Partials
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
one_by_one("ndtr", "The probability that a standard normal number is below x", "ndtr", "ndtr")
one_by_one("bell", "The standard normal density", "bell", "bell")
one_by_one("log_ndtr", "The logarithm of the probability that a standard normal number is below x", "log_ndtr", "log_ndtr")
one_by_one("mills", "The standard normal density over the probability to be below x", "mills", "mills")
one_by_one("mills_gap", "x + mills(x)", "mills_gap", "mills_gap")


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
