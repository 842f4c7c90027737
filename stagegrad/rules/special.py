"""Sigmoid and its relatives, the error function, and the gamma family, in forms that neither overflow nor cancel."""

from __future__ import annotations

import math

from stagegrad.ops import Value, elementwise, helper
from stagegrad.rules.arithmetic import Partials, quotient
from stagegrad.rules.scalar import positive

helper(
    '''
    def logistic(x):
        """1 / (1 + exp(-x)) that never overflows."""
        if x >= 0.0:
            return 1.0 / (1.0 + math.exp(-x))
        e = math.exp(x)
        return e / (1.0 + e)
    '''
)
helper(
    '''
    def softplus(x):
        """log(1 + exp(x)) that never overflows."""
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
    '''
)
helper(
    '''
    def logaddexp(x, y):
        """log(exp(x) + exp(y)) that never overflows."""
        if x == y:
            return x + 0.6931471805599453
        return max(x, y) + math.log1p(math.exp(-abs(x - y)))
    '''
)
helper(
    '''
    def share(x, y):
        """exp(x) / (exp(x) + exp(y)) that never overflows; 0.0 where both are -inf."""
        if x == y:
            return 0.5 if x > -math.inf else 0.0
        d = x - y
        if math.isinf(d):
            return 1.0 if d > 0.0 else 0.0
        # What the subtraction lost (Knuth's two-sum): exp would turn it into a relative error many units large.
        back = d - x
        lost = (x - (d - back)) - (y + back)
        if d >= 0.0:
            return 1.0 / (1.0 + math.exp(-d) * (1.0 - lost))
        e = math.exp(d) * (1.0 + lost)
        return e / (1.0 + e)
    '''
)
helper(
    '''
    def xlogy(x, y):
        """x * log(y), which is 0 where x is; -inf times the sign of x at y = 0, nan below."""
        if x == 0.0 and y == y:
            return 0.0
        if y == 0.0:
            return -math.inf * x
        return x * math.log(y) if y > 0.0 else math.nan
    '''
)
helper(
    '''
    def gauss(x):
        """exp(-x**2), with the square in two parts: its rounding error would show in the exponential."""
        if not abs(x) < 28.0:
            return 0.0 if x == x else math.nan
        high = math.floor(x * 1048576.0) / 1048576.0
        return math.exp(-high * high) * math.exp((high - x) * (high + x))
    '''
)
helper(
    '''
    def digamma(x):
        """The logarithmic derivative of the gamma function; nan at its poles 0, -1, -2, ...

        Near the zero at 1.4616... a rational approximation (J. Maddock, Boost.Math), the zero in three parts; above 10 the
        asymptotic series; recurrence between them and reflection below 0.
        """
        if not x < math.inf:
            return x
        if x <= 0.0:
            if x == -math.inf or x % 1.0 == 0.0:
                return math.nan
            near = x - round(x)
            return digamma_positive(1.0 - x) - math.pi / math.tan(math.pi * near)
        return digamma_positive(x)
    ''',
    "digamma_positive",
)
helper(
    '''
    def digamma_positive(x):
        """digamma for x > 0."""
        if x >= 10.0:
            z = 1.0 / (x * x)
            series = 1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12)))))
            return math.log(x) - 0.5 / x - z * series
        shift = 0.0
        while x > 2.0:
            x -= 1.0
            shift += 1.0 / x
        if x < 1.0:
            shift = -1.0 / x
            x += 1.0
        t = x - 1.0
        p = 0.25479851061131551 + t * (-0.32555031186804491 + t * (-0.65031853770896507 + t * (-0.28919126444774784
            + t * (-0.045251321448739056 + t * -0.0020713321167745952))))
        q = 1.0 + t * (2.0767117023730469 + t * (1.4606242909763515 + t * (0.43593529692665969 + t * (0.054151797245674225
            + t * (0.0021284987017821144 + t * -0.55789841321675513e-6)))))
        g = ((x - 1.4616321446374059) - 3.3095646883275764e-10) - 9.016312093258696e-20
        return g * 0.99558162689208984 + g * (p / q) + shift
    '''
)
helper(
    '''
    def inverse_power(x, s):
        """1 / x**s for a whole s, inf where it overflows."""
        if abs(x) >= 1.0:
            return (1.0 / x) ** s
        power = x**s
        return 1.0 / power if power != 0.0 else math.copysign(math.inf, x) ** s
    '''
)
helper(
    '''
    def hurwitz(s, x):
        """The sum of 1 / (x + k)**s over k = 0, 1, 2, ... for x > 0 and a whole s > 1 (Euler and Maclaurin)."""
        total = 0.0
        while x < 12.0 + s:
            total += inverse_power(x, s)
            x += 1.0
        last = inverse_power(x, s)
        term = s * last / x
        tail = inverse_power(x, s - 1.0) / (s - 1.0) + 0.5 * last + term / 12
        for k, weight in ((3.0, -1.0 / 720), (5.0, 1.0 / 30240), (7.0, -1.0 / 1209600), (9.0, 1.0 / 47900160),
                          (11.0, -691.0 / 1307674368000), (13.0, 1.0 / 74724249600)):
            term *= (s + k - 2.0) * (s + k - 1.0) / (x * x)
            tail += term * weight
        return total + tail
    ''',
    "inverse_power",
)
helper(
    '''
    def polygamma(n, x):
        """The n-th derivative of digamma, n >= 1; nan at the poles 0, -1, -2, ..."""
        if x != x or x == -math.inf or (x <= 0.0 and x % 1.0 == 0.0):
            return math.nan
        if math.isinf(x):
            return 0.0
        s = n + 1.0
        flip = 1.0 if n % 2 == 1 else -1.0
        if x > 0.0:
            total = hurwitz(s, x)
        else:
            near = x - round(x)
            total = inverse_power(near, s) + hurwitz(s, 1.0 + near) + flip * (hurwitz(s, 1.0 - near) - hurwitz(s, 1.0 - x))
        return flip * math.gamma(s) * total
    ''',
    "hurwitz",
    "inverse_power",
)


# ---------------------------------------------------------------------------------------------- sigmoid and relatives


@elementwise({"python": "1.0 / (1.0 + math.exp(-{x}))", "numpy": "1.0 / (1.0 + np.exp(-{x}))"}, stage="sig{x}", title="sigmoid",
             exact="1 / (1 + exp(-x))", display="sigmoid({x})", cost=7.0)  # fmt: skip
def sigmoid(out: Value, x: Value) -> Partials:
    """The sigmoid's slope is its distance from one times itself."""
    return (1.0 - out) * out


@elementwise({"python": "1.0 / (1.0 + math.exp({x}))", "numpy": "1.0 / (1.0 + np.exp({x}))"}, stage="cosig{x}", title="sigmoid of -x",
             exact="1 / (1 + exp(x))", display="sigmoid(-{x})", cost=7.0)  # fmt: skip
def cosigmoid(out: Value, x: Value) -> Partials:
    """One minus the sigmoid: its slope is the sigmoid's with the sign turned."""
    return -((1.0 - out) * out)


@elementwise({"python": "{a} / (1.0 + math.exp({x}))", "numpy": "{a} / (1.0 + np.exp({x}))"}, stage="grown", title="logistic growth",
             exact="a / (1 + exp(x))", cost=7.0)  # fmt: skip
def growth(out: Value, a: Value, x: Value) -> Partials:
    """What a / (1 + exp(x)) loses as x grows is its own share of the exponential, which cannot overflow."""
    return logistic(-x), -(out * logistic(x))


@elementwise("logistic({x})", stage="sig{x}", title="sigmoid", exact="1 / (1 + exp(-x))", helpers=("logistic",), cost=9.0)
def logistic(out: Value, x: Value) -> Partials:
    """The sigmoid that keeps its relative accuracy at both ends: its slope is itself times its mirror image."""
    return out * logistic(-x)


@elementwise("softplus({x})", stage="softp{x}", title="softplus", exact="log(1 + exp(x))", helpers=("softplus",), cost=15.0)
def softplus(out: Value, x: Value) -> Partials:
    """The slope of log(1 + exp(x)) is the sigmoid."""
    return logistic(x)


@elementwise({"python": "logaddexp({x}, {y})", "numpy": "np.logaddexp({x}, {y})"}, stage="lae{x}{y}", title="log of summed exponentials",
             exact="log(exp(x) + exp(y))", helpers=("logaddexp",), cost=15.0)  # fmt: skip
def logaddexp(out: Value, x: Value, y: Value) -> Partials:
    """Each operand gets its share of the sum of exponentials."""
    return share(x, y), share(y, x)


@elementwise("share({x}, {y})", stage="share", title="share of exponentials", exact="exp(x) / (exp(x) + exp(y))", helpers=("share",),
             cost=10.0)  # fmt: skip
def share(out: Value, x: Value, y: Value) -> Partials:
    """One share grows by the product of both, at the other's expense."""
    slope = out * share(y, x)
    return slope, -slope


@elementwise("xlogy({x}, {y})", stage="{x}log{y}", title="x times log y", exact="x * log(y)", helpers=("xlogy",), pole=True, cost=8.0)
def xlogy(out: Value, x: Value, y: Value) -> Partials:
    """The slopes of x log(y) are log(y) and x/y; where x is zero nothing arrives at y."""
    return xlogy(1.0, y), quotient(x, positive(y, lib="numpy"))


# ---------------------------------------------------------------------------------------------- the error function


@elementwise("math.erf({x})", stage="erf{x}", title="error function", exact="erf(x)", cost=15.0)
def erf(out: Value, x: Value) -> Partials:
    """The slope of the error function is 2/sqrt(pi) exp(-x**2)."""
    return (2.0 / math.sqrt(math.pi)) * gauss(x)


@elementwise("math.erfc({x})", stage="erfc{x}", title="complementary error function", exact="erfc(x)", cost=15.0)
def erfc(out: Value, x: Value) -> Partials:
    """One minus the error function has its slope with the sign turned."""
    return (-2.0 / math.sqrt(math.pi)) * gauss(x)


@elementwise("gauss({x})", stage="gauss{x}", title="bell curve", exact="exp(-x**2)", helpers=("gauss",), cost=12.0)
def gauss(out: Value, x: Value) -> Partials:
    """The slope of exp(-x**2) is -2x times itself."""
    return -2.0 * (x * out)


# ---------------------------------------------------------------------------------------------- the gamma family


@elementwise("math.gamma({x})", stage="gam{x}", title="gamma function", exact="gamma(x)", pole=True, cost=30.0)
def gamma(out: Value, x: Value) -> Partials:
    """The slope of the gamma function is itself times digamma."""
    return out * digamma(x)


@elementwise("math.lgamma({x})", stage="lgam{x}", title="log of the gamma function", exact="log(Abs(gamma(x)))", pole=True, cost=30.0)
def lgamma(out: Value, x: Value) -> Partials:
    """The slope of the logarithm of gamma is digamma."""
    return digamma(x)


@elementwise("digamma({x})", stage="psi{x}", title="digamma function", exact="digamma(x)", helpers=("digamma",), pole=True, cost=25.0)
def digamma(out: Value, x: Value) -> Partials:
    """The slope of digamma is trigamma."""
    return polygamma(x, n=1)


@elementwise("polygamma({n}, {x})", stage="psi{x}", title="polygamma function", exact="polygamma(n, x)", helpers=("polygamma",),
             pole=True, cost=100.0)  # fmt: skip
def polygamma(out: Value, x: Value, *, n: int) -> Partials:
    """The slope of the n-th derivative of digamma is the next one."""
    return polygamma(x, n=n + 1)
