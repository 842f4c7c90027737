"""Sigmoid and its relatives, the error function, and the gamma family, in forms that neither overflow nor cancel."""

from __future__ import annotations

import math

from stagegrad.ops import Value, each, elementwise, helper
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
        """The logarithmic derivative of the gamma function; -inf at its pole 0 (inf at -0.0), nan at the others, -1, -2, ...

        Near the zero at 1.4616... a rational approximation (J. Maddock, Boost.Math), the zero in three parts; above 10 the
        asymptotic series; recurrence between them and reflection below 0.
        """
        if not x < math.inf:
            return x
        if x == 0.0:
            return math.copysign(math.inf, -x)
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
each(
    '''
    def logistic_each(x):
        """1 / (1 + exp(-x)) that never overflows."""
        e = np.exp(-abs(x))
        return np.where(x >= 0.0, 1.0, e) / (1.0 + e)
    ''',
    "logistic(x)",
    "logistic",
)
each(
    '''
    def softplus_each(x):
        """log(1 + exp(x)) that never overflows."""
        return np.maximum(x, 0.0) + np.log1p(np.exp(-abs(x)))
    ''',
    "softplus(x)",
    "softplus",
)
each(
    '''
    def share_each(x, y):
        """exp(x) / (exp(x) + exp(y)) that never overflows; 0.0 where both are -inf."""
        d = x - y
        # What the subtraction lost (Knuth's two-sum): exp would turn it into a relative error many units large.
        back = d - x
        lost = (x - (d - back)) - (y + back)
        e = np.exp(-abs(d)) * np.where(d >= 0.0, 1.0 - lost, 1.0 + lost)
        finite = np.where(d >= 0.0, 1.0, e) / (1.0 + e)
        unequal = np.where(d == np.inf, 1.0, np.where(d == -np.inf, 0.0, finite))
        return np.where((x == y) & (x > -np.inf), 0.5, np.where(x == y, 0.0, unequal))
    ''',
    "share(x, y)",
    "share",
)
each(
    '''
    def xlogy_each(x, y):
        """x * log(y), which is 0 where x is; -inf times the sign of x at y = 0, nan below."""
        return np.where((x == 0.0) & (y == y), 0.0, x * np.log(y))
    ''',
    "xlogy(x, y)",
    "xlogy",
)
each(
    '''
    def gauss_each(x):
        """exp(-x**2), with the square in two parts: its rounding error would show in the exponential."""
        high = np.floor(x * 1048576.0) / 1048576.0
        inside = np.exp(-high * high) * np.exp((high - x) * (high + x))
        return np.where(abs(x) < 28.0, inside, np.where(x == x, 0.0, x))
    ''',
    "gauss(x)",
    "gauss",
)
helper(
    '''
    def sinc(x):
        """sin(pi*x) / (pi*x), which is 1 at 0."""
        if x == 0.0:
            return 1.0
        return math.sin(math.pi * x) / (math.pi * x) if not math.isinf(x) else math.nan
    '''
)
helper(
    '''
    def sinc_dx(x, n):
        """The n-th derivative of sin(pi*x) / (pi*x): a series near 0, where the recurrence beyond it would cancel."""
        y = math.pi * x
        if math.isinf(y):
            return math.nan
        if abs(y) > n + 1.0:
            slope = math.sin(y) / y
            for k in range(1, n + 1):
                slope = (math.sin(y + k * (0.5 * math.pi)) - k * slope) / y
            return math.pi**n * slope
        power = n % 2
        term = (1.0 - 2.0 * ((n + 1) // 2 % 2)) * y**power
        total = 0.0
        for _ in range(n + 12):
            total += term / (n + power + 1.0)
            term *= -y * y / ((power + 1.0) * (power + 2.0))
            power += 2
        return math.pi**n * total
    '''
)
helper(
    '''
    def gamma_anywhere(x):
        """The gamma function of a number, with SciPy's values at its poles and where it overflows."""
        if x == 0.0:
            return math.copysign(math.inf, x)
        if x < 0.0 and (x == -math.inf or x % 1.0 == 0.0):
            return math.nan
        return math.gamma(x) if x < 171.62437695630272 else x * math.inf
    '''
)
helper(
    '''
    def lgamma_anywhere(x):
        """The logarithm of the gamma function of a number, with SciPy's values at its poles and where it overflows."""
        if x <= 0.0 and (x == -math.inf or x % 1.0 == 0.0):
            return math.copysign(math.inf, x) if math.isinf(x) else math.inf
        return math.lgamma(x) if x < 2.5e305 else x * math.inf
    '''
)
helper(
    '''
    def logit(x):
        """log(x / (1 - x)): -inf at 0, inf at 1, nan outside."""
        if 0.3 <= x <= 0.65:
            s = 2.0 * (x - 0.5)
            return math.log1p(s) - math.log1p(-s)
        if 0.0 < x < 1.0:
            return math.log(x / (1.0 - x))
        return math.copysign(math.inf, x - 0.5) if x == 0.0 or x == 1.0 else math.nan
    '''
)
helper(
    '''
    def xlog1py(x, y):
        """x * log(1 + y), which is 0 where x is; -inf times the sign of x at y = -1, nan below."""
        if x == 0.0 and y == y:
            return 0.0
        if y == -1.0:
            return -math.inf * x
        return x * math.log1p(y) if y > -1.0 else math.nan
    '''
)
each(
    '''
    def xlog1py_each(x, y):
        """x * log(1 + y), which is 0 where x is; -inf times the sign of x at y = -1, nan below."""
        return np.where((x == 0.0) & (y == y), 0.0, x * np.log1p(y))
    ''',
    "xlog1py(x, y)",
    "xlog1py",
)
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
    def stirling_rest(x):
        """lgamma(x) less (x - 1/2) log(x) - x + log(2 pi) / 2, for x >= 10."""
        z = 1.0 / (x * x)
        return (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z * (1.0 / 1188 - z * 691.0 / 360360))))) / x
    '''
)
helper(
    '''
    def betaln(a, b):
        """The logarithm of the beta function: lgamma(a) + lgamma(b) - lgamma(a + b), without their cancelling where one is large."""
        p, q = min(a, b), max(a, b)
        if p <= 0.0 and p % 1.0 == 0.0:
            if q % 1.0 != 0.0 or 1.0 - p - q <= 0.0:
                return math.inf if a == a and b == b else math.nan
            p, q = min(1.0 - p - q, q), max(1.0 - p - q, q)
        if q == math.inf and p > 0.0:
            return -math.inf
        if not p > 0.0 or q < 10.0:
            return lgamma_anywhere(p) + lgamma_anywhere(q) - lgamma_anywhere(p + q)
        ratio = p / (p + q)
        if p < 10.0:
            rest = stirling_rest(q) - stirling_rest(p + q)
            return math.lgamma(p) + rest + p - p * math.log(p + q) + (q - 0.5) * math.log1p(-ratio)
        rest = stirling_rest(p) + stirling_rest(q) - stirling_rest(p + q)
        return 0.9189385332046727 - 0.5 * math.log(q) + rest + (p - 0.5) * math.log(ratio) + q * math.log1p(-ratio)
    ''',
    "lgamma_anywhere",
    "stirling_rest",
)
_ONE_BY_ONE = '''
def {name}_each({operands}):
    """{title}, of each element."""
    return np.vectorize({function}, otypes=[np.result_type({x}, np.float32)])({operands})
'''


def _one_by_one(name: str, title: str, function: str, *needs: str, operands: str = "x", floats: str = "x") -> None:
    """Registers the form on arrays of a function that NumPy does not have: the function of a number, called for each element."""
    text = _ONE_BY_ONE.format(name=name, title=title, function=function, operands=operands, x=floats)
    each(text, f"{function}({operands})", *needs)


_one_by_one("sinc", "sin(pi*x) / (pi*x), which is 1 at 0", "sinc", "sinc")
_one_by_one("sinc_dx", "The n-th derivative of sin(pi*x) / (pi*x)", "sinc_dx", "sinc_dx", operands="x, n")
_one_by_one("erf", "The error function", "math.erf")
_one_by_one("erfc", "One minus the error function", "math.erfc")
_one_by_one("gamma", "The gamma function", "gamma_anywhere", "gamma_anywhere")
_one_by_one("lgamma", "The logarithm of the gamma function", "lgamma_anywhere", "lgamma_anywhere")
_one_by_one("digamma", "The logarithmic derivative of the gamma function", "digamma", "digamma")
_one_by_one("logit", "The logarithm of the odds x / (1 - x)", "logit", "logit")
_one_by_one("ndtr", "The probability that a standard normal number is below x", "ndtr", "ndtr")
_one_by_one("bell", "The standard normal density", "bell", "bell")
_one_by_one("log_ndtr", "The logarithm of the probability that a standard normal number is below x", "log_ndtr", "log_ndtr")
_one_by_one("mills", "The standard normal density over the probability to be below x", "mills", "mills")
_one_by_one("mills_gap", "x + mills(x)", "mills_gap", "mills_gap")
_one_by_one("betaln", "The logarithm of the beta function", "betaln", "betaln", operands="a, b", floats="a, b")
_one_by_one("polygamma", "The n-th derivative of digamma", "polygamma", "polygamma", operands="n, x")


# ---------------------------------------------------------------------------------------------- sigmoid and relatives


@elementwise({"python": "1.0 / (1.0 + math.exp(-{x}))", "numpy": "1.0 / (1.0 + np.exp(-{x}))", "lanes": "1.0 / (1.0 + kernels.exp(-{x}))"},
             stage="sig{x}", title="sigmoid",
             exact="1 / (1 + exp(-x))", display="sigmoid({x})", cost=7.0)  # fmt: skip
def sigmoid(out: Value, x: Value) -> Partials:
    """The sigmoid's slope is its distance from one times itself."""
    return (1.0 - out) * out


@elementwise({"python": "1.0 / (1.0 + math.exp({x}))", "numpy": "1.0 / (1.0 + np.exp({x}))", "lanes": "1.0 / (1.0 + kernels.exp({x}))"},
             stage="cosig{x}", title="sigmoid of -x",
             exact="1 / (1 + exp(x))", display="sigmoid(-{x})", cost=7.0)  # fmt: skip
def cosigmoid(out: Value, x: Value) -> Partials:
    """One minus the sigmoid: its slope is the sigmoid's with the sign turned."""
    return -((1.0 - out) * out)


@elementwise({"python": "{a} / (1.0 + math.exp({x}))", "numpy": "{a} / (1.0 + np.exp({x}))", "lanes": "{a} / (1.0 + kernels.exp({x}))"},
             stage="grown", title="logistic growth",
             exact="a / (1 + exp(x))", cost=7.0)  # fmt: skip
def growth(out: Value, a: Value, x: Value) -> Partials:
    """What a / (1 + exp(x)) loses as x grows is its own share of the exponential, which cannot overflow."""
    return logistic(-x), -(out * logistic(x))


@elementwise({"python": "logistic({x})", "array": "logistic_each({x})", "lanes": "kernels.sigmoid({x})"},
             stage="sig{x}", title="sigmoid", exact="1 / (1 + exp(-x))",
             helpers=("logistic", "logistic_each"), cost=9.0)  # fmt: skip
def logistic(out: Value, x: Value) -> Partials:
    """The sigmoid that keeps its relative accuracy at both ends: its slope is itself times its mirror image."""
    return out * logistic(-x)


@elementwise({"python": "softplus({x})", "array": "softplus_each({x})", "lanes": "kernels.softplus({x})"},
             stage="softp{x}", title="softplus", exact="log(1 + exp(x))",
             helpers=("softplus", "softplus_each"), cost=15.0)  # fmt: skip
def softplus(out: Value, x: Value) -> Partials:
    """The slope of log(1 + exp(x)) is the sigmoid."""
    return logistic(x)


@elementwise({"python": "logaddexp({x}, {y})", "numpy": "np.logaddexp({x}, {y})", "lanes": "kernels.logaddexp({x}, {y})"},
             stage="lae{x}{y}", title="log of summed exponentials",
             exact="log(exp(x) + exp(y))", helpers=("logaddexp",), cost=15.0)  # fmt: skip
def logaddexp(out: Value, x: Value, y: Value) -> Partials:
    """Each operand gets its share of the sum of exponentials."""
    return share(x, y), share(y, x)


@elementwise({"python": "share({x}, {y})", "array": "share_each({x}, {y})", "lanes": "kernels.share({x}, {y})"},
             stage="share", title="share of exponentials",
             exact="exp(x) / (exp(x) + exp(y))", helpers=("share", "share_each"), cost=10.0)  # fmt: skip
def share(out: Value, x: Value, y: Value) -> Partials:
    """One share grows by the product of both, at the other's expense."""
    slope = out * share(y, x)
    return slope, -slope


@elementwise({"python": "xlogy({x}, {y})", "array": "xlogy_each({x}, {y})", "lanes": "kernels.xlogy({x}, {y})"},
             stage="{x}log{y}", title="x times log y",
             exact="x * log(y)", helpers=("xlogy", "xlogy_each"), pole=True, cost=8.0)  # fmt: skip
def xlogy(out: Value, x: Value, y: Value) -> Partials:
    """The slopes of x log(y) are log(y) and x/y; where x is zero nothing arrives at y."""
    return xlogy(1.0, y), quotient(x, positive(y, lib="numpy"))


@elementwise({"python": "xlog1py({x}, {y})", "array": "xlog1py_each({x}, {y})", "lanes": "kernels.xlog1py({x}, {y})"},
             stage="{x}log1p{y}", title="x times log(1 + y)",
             exact="x * log(1 + y)", helpers=("xlog1py", "xlog1py_each"), pole=True, cost=8.0)  # fmt: skip
def xlog1py(out: Value, x: Value, y: Value) -> Partials:
    """The slopes of x log(1 + y) are log(1 + y) and x/(1 + y); where x is zero nothing arrives at y."""
    return xlog1py(1.0, y), quotient(x, positive(1.0 + y, lib="numpy"))


@elementwise({"python": "logit({x})", "array": "logit_each({x})"}, stage="logit{x}", title="log of the odds", exact="log(x / (1 - x))",
             helpers=("logit", "logit_each"), domain=(0.0, 1.0), pole=True, cost=10.0)  # fmt: skip
def logit(out: Value, x: Value) -> Partials:
    """The slope of the log of the odds is 1 / (x (1 - x))."""
    return quotient(1.0, positive(x * (1.0 - x), lib="numpy"))


@elementwise({"python": "sinc({x})", "numpy": "np.sinc({x})", "array:numba": "sinc_each({x})"}, stage="sinc{x}", title="sinc",
             exact="sin(pi*x) / (pi*x)", helpers=("sinc", "sinc_each"), cost=12.0)  # fmt: skip
def sinc(out: Value, x: Value) -> Partials:
    """The slope of sin(pi*x) / (pi*x), 0 at 0, does not cancel near it."""
    return sinc_dx(x, n=1)


@elementwise({"python": "sinc_dx({x}, {n})", "array": "sinc_dx_each({x}, {n})"}, stage="slope", title="slope of sinc",
             exact="diff(sin(pi*x) / (pi*x), x, n)", helpers=("sinc_dx", "sinc_dx_each"), cost=40.0)  # fmt: skip
def sinc_dx(out: Value, x: Value, *, n: int) -> Partials:
    """The slope of the n-th derivative of sinc is the next one."""
    return sinc_dx(x, n=n + 1)


# ---------------------------------------------------------------------------------------------- the error function


@elementwise({"python": "math.erf({x})", "array": "erf_each({x})", "lanes": "kernels.erf({x})"},
             stage="erf{x}", title="error function", exact="erf(x)",
             helpers=("erf_each",), cost=15.0)  # fmt: skip
def erf(out: Value, x: Value) -> Partials:
    """The slope of the error function is 2/sqrt(pi) exp(-x**2)."""
    return (2.0 / math.sqrt(math.pi)) * gauss(x)


@elementwise({"python": "math.erfc({x})", "array": "erfc_each({x})", "lanes": "kernels.erfc({x})"},
             stage="erfc{x}", title="complementary error function",
             exact="erfc(x)", helpers=("erfc_each",), cost=15.0)  # fmt: skip
def erfc(out: Value, x: Value) -> Partials:
    """One minus the error function has its slope with the sign turned."""
    return (-2.0 / math.sqrt(math.pi)) * gauss(x)


@elementwise({"python": "gauss({x})", "array": "gauss_each({x})", "lanes": "kernels.gauss({x})"},
             stage="gauss{x}", title="bell curve", exact="exp(-x**2)",
             helpers=("gauss", "gauss_each"), cost=12.0)  # fmt: skip
def gauss(out: Value, x: Value) -> Partials:
    """The slope of exp(-x**2) is -2x times itself."""
    return -2.0 * (x * out)


# ---------------------------------------------------------------------------------------------- the normal distribution


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


# ---------------------------------------------------------------------------------------------- the gamma family


@elementwise({"python": "math.gamma({x})", "numpy": "gamma_anywhere({x})", "array": "gamma_each({x})"}, stage="gam{x}",
             title="gamma function", exact="gamma(x)", helpers=("gamma_anywhere", "gamma_each"), pole=True, cost=30.0)  # fmt: skip
def gamma(out: Value, x: Value) -> Partials:
    """The slope of the gamma function is itself times digamma."""
    return out * digamma(x)


@elementwise({"python": "math.lgamma({x})", "numpy": "lgamma_anywhere({x})", "array": "lgamma_each({x})"}, stage="lgam{x}",
             title="log of the gamma function", exact="log(Abs(gamma(x)))", helpers=("lgamma_anywhere", "lgamma_each"), pole=True,
             cost=30.0)  # fmt: skip
def lgamma(out: Value, x: Value) -> Partials:
    """The slope of the logarithm of gamma is digamma."""
    return digamma(x)


@elementwise({"python": "digamma({x})", "array": "digamma_each({x})"}, stage="psi{x}", title="digamma function", exact="digamma(x)",
             helpers=("digamma", "digamma_each"), pole=True, cost=25.0)  # fmt: skip
def digamma(out: Value, x: Value) -> Partials:
    """The slope of digamma is trigamma."""
    return polygamma(x, n=1)


@elementwise({"python": "polygamma({n}, {x})", "array": "polygamma_each({n}, {x})"}, stage="psi{x}", title="polygamma function",
             exact="polygamma(n, x)", helpers=("polygamma", "polygamma_each"), pole=True, cost=100.0)  # fmt: skip
def polygamma(out: Value, x: Value, *, n: int) -> Partials:
    """The slope of the n-th derivative of digamma is the next one."""
    return polygamma(x, n=n + 1)


@elementwise({"python": "betaln({a}, {b})", "array": "betaln_each({a}, {b})"}, stage="beta{a}{b}", title="log of the beta function",
             exact="log(Abs(gamma(a) * gamma(b) / gamma(a + b)))", helpers=("betaln", "betaln_each"), pole=True, cost=60.0)  # fmt: skip
def betaln(out: Value, a: Value, b: Value) -> Partials:
    """Each slope is a difference of digammas: at the operand, and at the sum of both."""
    both = digamma(a + b)
    return digamma(a) - both, digamma(b) - both
