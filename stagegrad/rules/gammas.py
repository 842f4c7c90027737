"""The gamma function and its relatives, with SciPy's values at their poles and where they overflow."""

from __future__ import annotations

from stagegrad.ops import Value, elementwise, helper
from stagegrad.rules.arithmetic import Partials
from stagegrad.rules.special import one_by_one

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
one_by_one("gamma", "The gamma function", "gamma_anywhere", "gamma_anywhere")
one_by_one("lgamma", "The logarithm of the gamma function", "lgamma_anywhere", "lgamma_anywhere")
one_by_one("digamma", "The logarithmic derivative of the gamma function", "digamma", "digamma")
one_by_one("betaln", "The logarithm of the beta function", "betaln", "betaln", operands="a, b", floats="a, b")
one_by_one("polygamma", "The n-th derivative of digamma", "polygamma", "polygamma", operands="n, x")


@elementwise({"python": "math.gamma({x})", "numpy": "gamma_anywhere({x})", "array": "gamma_each({x})"}, stage="gam{x}",
             title="gamma function", exact="gamma(x)", helpers=("gamma_anywhere", "gamma_each"), pole=True, cost=30.0)  # fmt: skip
def gamma(out: Value, x: Value) -> Partials:
    """The slope of the gamma function is itself times digamma."""
    return out * digamma(x)


@elementwise({"python": "math.lgamma({x})", "numpy": "lgamma_anywhere({x})", "numba:numpy": "lgamma_anywhere({x})",
              "array": "lgamma_each({x})"},
             stage="lgam{x}", title="log of the gamma function", exact="log(Abs(gamma(x)))",
             helpers=("lgamma_anywhere", "lgamma_each"), pole=True, cost=30.0)  # fmt: skip
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
