"""Sigmoid and its relatives, products with logarithms, and the error function, in forms that neither overflow nor cancel."""

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
_ONE_BY_ONE = '''
def {name}_each({operands}):
    """{title}, of each element."""
    return np.vectorize({function}, otypes=[np.result_type({x}, np.float32)])({operands})
'''


def one_by_one(name: str, title: str, function: str, *needs: str, operands: str = "x", floats: str = "x") -> None:
    """Registers the form on arrays of a function that NumPy does not have: the function of a number, called for each element."""
    text = _ONE_BY_ONE.format(name=name, title=title, function=function, operands=operands, x=floats)
    each(text, f"{function}({operands})", *needs)


one_by_one("sinc", "sin(pi*x) / (pi*x), which is 1 at 0", "sinc", "sinc")
one_by_one("sinc_dx", "The n-th derivative of sin(pi*x) / (pi*x)", "sinc_dx", "sinc_dx", operands="x, n")
one_by_one("erf", "The error function", "math.erf")
one_by_one("erfc", "One minus the error function", "math.erfc")
helper(
    '''
    def log_ratio(x, y):
        """log(x / y) for positive numbers, accurate where they are nearly equal too; -inf at x = 0, inf at y = 0."""
        if not (x >= 0.0 and y >= 0.0) or x == y == 0.0:
            return math.nan
        if x == 0.0 or y == 0.0:
            return math.inf if y == 0.0 else -math.inf
        ratio = x / y
        if 0.5 < ratio < 2.0:
            return math.log1p((x - y) / y)
        return math.log(ratio) if 0.0 < ratio < math.inf else math.log(x) - math.log(y)
    '''
)
helper(
    '''
    def rel_entr(x, y):
        """x * log(x / y) for positive x and y, 0 where x is and y is not negative, else inf."""
        if x > 0.0 and y > 0.0:
            return x * log_ratio(x, y)
        if x != x or y != y:
            return math.nan
        return 0.0 if x == 0.0 and y >= 0.0 else math.inf
    ''',
    "log_ratio",
)
helper(
    '''
    def kl_div(x, y):
        """rel_entr(x, y) - x + y, inf where x or y is negative; by a series where both are nearly equal."""
        if not (x > 0.0 and y > 0.0):
            return y if x == 0.0 and y >= 0.0 else rel_entr(x, y)
        d = (x - y) / y
        if abs(d) >= 0.1:
            return rel_entr(x, y) - x + y
        total, power = 0.0, d * d
        for k in range(2, 18):
            total += power / (k * (k - 1))
            power *= -d
        return y * total
    ''',
    "rel_entr",
)
helper(
    '''
    def entr(x):
        """-x * log(x), 0 at 0, -inf below."""
        if x > 0.0:
            return -x * math.log(x)
        return -math.inf if x < 0.0 else -x
    '''
)
one_by_one("log_ratio", "log(x / y)", "log_ratio", "log_ratio", operands="x, y", floats="x, y")
one_by_one("rel_entr", "x * log(x / y)", "rel_entr", "rel_entr", operands="x, y", floats="x, y")
one_by_one("kl_div", "x * log(x / y) - x + y", "kl_div", "kl_div", operands="x, y", floats="x, y")
one_by_one("entr", "-x * log(x)", "entr", "entr")
one_by_one("logit", "The logarithm of the odds x / (1 - x)", "logit", "logit")


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


@elementwise({"python": "entr({x})", "array": "entr_each({x})"}, stage="entr{x}", title="entropy", exact="-x * log(x)",
             helpers=("entr", "entr_each"), domain=(0.0, math.inf), cost=10.0)  # fmt: skip
def entr(out: Value, x: Value) -> Partials:
    """The slope of -x log(x) is -log(x) - 1."""
    return -1.0 - xlogy(1.0, x)


@elementwise({"python": "log_ratio({x}, {y})", "array": "log_ratio_each({x}, {y})"}, stage="log{x}by{y}", title="log of a ratio",
             exact="log(x / y)", helpers=("log_ratio", "log_ratio_each"), domain=(0.0, math.inf), pole=True, cost=10.0)  # fmt: skip
def log_ratio(out: Value, x: Value, y: Value) -> Partials:
    """The slopes of log(x / y) are 1 / x and -1 / y."""
    return quotient(1.0, positive(x, lib="numpy")), -quotient(1.0, positive(y, lib="numpy"))


@elementwise({"python": "rel_entr({x}, {y})", "array": "rel_entr_each({x}, {y})"}, stage="rel{x}{y}", title="relative entropy",
             exact="x * log(x / y)", helpers=("rel_entr", "rel_entr_each"), domain=(0.0, math.inf), cost=12.0)  # fmt: skip
def rel_entr(out: Value, x: Value, y: Value) -> Partials:
    """The slopes of x log(x / y) are log(x / y) + 1 and -x / y."""
    return log_ratio(x, y) + 1.0, -quotient(x, y)


@elementwise({"python": "kl_div({x}, {y})", "array": "kl_div_each({x}, {y})"}, stage="kl{x}{y}", title="Kullback-Leibler divergence",
             exact="x * log(x / y) - x + y", helpers=("kl_div", "kl_div_each"), domain=(0.0, math.inf), cost=12.0)  # fmt: skip
def kl_div(out: Value, x: Value, y: Value) -> Partials:
    """The slopes of x log(x / y) - x + y are log(x / y) and 1 - x / y."""
    return log_ratio(x, y), quotient(y - x, y)


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
