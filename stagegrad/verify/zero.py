"""Whether an expression is zero: by normal forms over fields of rational functions, then by SymPy's own simplifier.

An expression is read as a rational function of its *kernels*: symbols, and functions like exp(x) or sqrt(x + 1) with
arguments in normal form. The relations between kernels are known (sqrt(u)**2 is u, exp(a + b) is exp(a)*exp(b),
sin**2 is 1 - cos**2); what vanishes modulo these vanishes. The converse is not claimed: "not shown" is all that False says.
"""

from __future__ import annotations

from functools import reduce

import sympy
from sympy.polys.fields import field
from sympy.polys.polyerrors import BasePolynomialError

from stagegrad.verify.reals import Expr

_HYPERBOLIC = (sympy.sinh, sympy.cosh, sympy.tanh)
MOST_FOR_SIMPLIFY = 600
MOST_IN_NUMBERS = 10**4


def is_zero(expr: Expr) -> bool:
    """True if the expression is proved to be zero wherever it is defined."""
    if expr == 0:
        return True
    if expr.has(sympy.nan, sympy.oo, sympy.zoo):
        return False
    for attempt in (_vanishes, _vanishes_in_exponentials, _simplifies):
        try:
            if attempt(expr):
                return True
        except (BasePolynomialError, ZeroDivisionError, NotImplementedError, RecursionError, TypeError, ValueError, AttributeError):
            # SymPy's ways of saying that this is none of its normal forms; the next attempt may know more.
            continue
    return False


def _vanishes(expr: Expr) -> bool:
    return _Kernels().vanishes(expr)


def _vanishes_in_exponentials(expr: Expr) -> bool:
    if not expr.has(*_HYPERBOLIC, sympy.tan):
        return False
    turned = expr.replace(sympy.tan, lambda x: sympy.sin(x) / sympy.cos(x))
    for function in _HYPERBOLIC:
        turned = turned.replace(function, lambda x, f=function: f(x).rewrite(sympy.exp))
    return _Kernels().vanishes(turned)


def _simplifies(expr: Expr) -> bool:
    """SymPy's simplifier, for what is small: it makes powers of the numbers in it, which nothing could then stop."""
    numbers = expr.atoms(sympy.Rational)
    small = all(abs(number.p) < MOST_IN_NUMBERS and number.q < MOST_IN_NUMBERS for number in numbers)
    return small and expr.count_ops() <= MOST_FOR_SIMPLIFY and sympy.simplify(expr) == 0


class _Kernels:
    """The kernels of one expression, and the relations between them."""

    def __init__(self) -> None:
        self.symbols: dict[Expr, Expr] = {}  # kernel -> the symbol that stands for it
        self.relations: list[tuple[Expr, int, Expr]] = []  # (s, n, e): s**n is e
        self.logarithms: dict[Expr, Expr] = {}  # symbol -> the argument
        self.known: dict[Expr, Expr] = {}

    def vanishes(self, expr: Expr) -> bool:
        """Whether the expression is zero modulo the relations."""
        rest = _fraction(self.rational(expr))[0]
        for symbol, degree, power in reversed(self.relations):
            if rest == 0:
                return True
            rest = _fraction(_reduced(rest, symbol, degree, power))[0]
        return bool(rest == 0)

    def rational(self, expr: Expr) -> Expr:
        """The expression as a rational function of symbols."""
        if expr not in self.known:
            self.known[expr] = self._rational(expr)
        return self.known[expr]

    def _rational(self, expr: Expr) -> Expr:
        if expr.is_Rational or expr.is_Symbol:
            return expr
        if expr is sympy.E:
            return self._exponential(sympy.Integer(1))
        if expr.is_NumberSymbol:
            return self._kernel(expr)
        if expr.is_Add or expr.is_Mul:
            return expr.func(*map(self.rational, expr.args))
        if isinstance(expr, sympy.exp):
            return self._exponential(self._normal(self.rational(expr.args[0])))
        if expr.is_Pow:
            return self._power(*expr.args)
        if expr.is_Function:
            return self._function(expr)
        raise NotImplementedError(type(expr).__name__)

    def _kernel(self, kernel: Expr) -> Expr:
        if kernel not in self.symbols:
            self.symbols[kernel] = sympy.Symbol(f"kernel {len(self.symbols)}")
            if isinstance(kernel, sympy.log):
                self.logarithms[self.symbols[kernel]] = kernel.args[0]
        return self.symbols[kernel]

    def _power(self, base: Expr, exponent: Expr) -> Expr:
        if exponent.is_Integer:
            return self.rational(base) ** exponent
        if exponent.is_Rational:
            return self._root(self._normal(self.rational(base)), exponent.q) ** exponent.p
        # b**e is exp(e log b); as a kernel that lets x**(y - 1) meet x**y/x.
        logarithm = self._kernel(sympy.log(self._normal(self.rational(base)), evaluate=False))
        return self._exponential(self._normal(self.rational(exponent) * logarithm))

    def _root(self, base: Expr, degree: int) -> Expr:
        kernel = sympy.Pow(base, sympy.Rational(1, degree), evaluate=False)
        new = kernel not in self.symbols
        symbol = self._kernel(kernel)
        if new:
            self.relations.append((symbol, degree, base))
        return symbol

    def _exponential(self, exponent: Expr) -> Expr:
        """exp of a sum, as the product of the powers of its terms' exponentials."""
        factors = []
        for term in sympy.Add.make_args(sympy.expand(exponent)):
            coefficient, rest = term.as_coeff_Mul(rational=True)
            if rest in self.logarithms and coefficient.is_Integer:
                factors.append(self.logarithms[rest] ** coefficient)
            elif not coefficient.is_zero:
                kernel = sympy.exp(rest / coefficient.q, evaluate=False)
                factors.append(self._kernel(kernel) ** coefficient.p)
        return reduce(lambda a, b: a * b, factors, sympy.Integer(1))

    def _normal(self, expr: Expr) -> Expr:
        """The normal form of a rational function, modulo the relations; roots leave the denominator where they are a factor."""
        if expr.is_Symbol or expr.is_Rational:
            return expr
        numerator, denominator = _fraction(expr)
        for symbol, degree, power in reversed(self.relations):
            if not numerator.has(symbol) and not denominator.has(symbol):
                continue
            numerator, denominator = _reduced(numerator, symbol, degree, power), _reduced(denominator, symbol, degree, power)
            rest, factor = denominator.as_independent(symbol)
            if factor.is_Symbol or (factor.is_Pow and factor.base == symbol):
                missing = symbol ** (degree - factor.as_base_exp()[1])
                numerator, denominator = _reduced(numerator * missing, symbol, degree, power), rest * power
            numerator, denominator = _fraction(numerator / denominator)
        return sympy.expand(numerator / denominator)

    def _function(self, expr: Expr) -> Expr:
        rebuilt = expr.func(*(self._normal(self.rational(argument)) for argument in expr.args))
        if not isinstance(rebuilt, type(expr)):
            # SymPy knows better: sin(-t) is -sin(t), atan(1) is pi/4.
            return self._rational(rebuilt)
        if isinstance(rebuilt, sympy.sin):
            sine, cosine = self._kernel(rebuilt), self._kernel(sympy.cos(rebuilt.args[0]))
            if (sine, 2, 1 - cosine**2) not in self.relations:
                self.relations.append((sine, 2, 1 - cosine**2))
            return sine
        return self._kernel(rebuilt)


def _fraction(expr: Expr) -> tuple[Expr, Expr]:
    """Numerator and denominator of a rational function, without common factors."""
    gens = sorted(expr.free_symbols, key=str)
    if not gens:
        return sympy.sympify(expr), sympy.Integer(1)
    element = field(gens, sympy.QQ)[0].from_expr(expr)
    return element.numer.as_expr(), element.denom.as_expr()


def _reduced(expr: Expr, symbol: Expr, degree: int, power: Expr) -> Expr:
    """The polynomial with every symbol**degree replaced."""
    if not expr.has(symbol):
        return expr
    terms = sympy.Poly(expr, symbol).terms()
    return sympy.Add(*(coefficient * power ** (k // degree) * symbol ** (k % degree) for (k,), coefficient in terms))
