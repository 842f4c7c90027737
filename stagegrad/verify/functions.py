"""The functions that programs, formulas and rules call, on the numbers of `reals`.

`Functions(world).named` is the table by canonical name; `synonyms` maps what people and libraries write to it. Each entry
is exact: stable spellings, series and guards of generated code are judged against it, never copied into it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy

from stagegrad.verify.reals import Expr, Mpf, Real, Unsupported, World, is_whole

_SYNONYMS = """
    asin = arcsin; acos = arccos; atan = arctan, arctg; atan2 = arctan2; asinh = arcsinh, arsinh; acosh = arccosh, arcosh;
    atanh = arctanh, artanh; log = ln; log2 = ld; abs = absolute, fabs, Abs; pow = power; sigmoid = σ, logistic, expit;
    maximum = Max, fmax; minimum = Min, fmin; sign = sgn; ceil = ceiling; trunc = fix; radians = deg2rad; degrees = rad2deg;
    lgamma = loggamma, gammaln; gamma = Γ, tgamma; digamma = psi, ψ; divide = true_divide; rint = around; square = sqr;
    tan = tg; sinh = sh; cosh = ch; tanh = th; clip = clamp; csc = cosec; cot = ctg
"""
#: What people and libraries write -> the canonical name.
synonyms: dict[str, str] = {
    word.strip(): name.strip() for name, _, words in (row.partition("=") for row in _SYNONYMS.split(";")) for word in words.split(",")
}


def _everywhere(*values: Mpf) -> bool:
    return True


class Functions:
    """The functions of one world, by canonical name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.named: dict[str, Callable[..., Any]] = {**self._smooth(), **self._composed(), **self._stepped()}

    def __call__(self, name: str) -> Callable[..., Any] | None:
        """The function of that name or synonym, or None."""
        return self.named.get(synonyms.get(name, name))

    # ------------------------------------------------------------------------------------------ with a SymPy name

    def _smooth(self) -> dict[str, Callable[..., Any]]:
        mp, one = self.world.mp, sympy.Integer(1)
        positive, unit = (lambda x: x > 0), (lambda x: -1 <= x <= 1)
        log2, log10 = mp.ln2, mp.ln10
        smooth = self._function
        return {
            "exp": smooth(mp.exp, sympy.exp),
            "expm1": smooth(mp.expm1, lambda x: sympy.exp(x) - 1),
            "exp2": smooth(lambda x: mp.mpf(2) ** x, lambda x: sympy.Integer(2) ** x),
            "log2": smooth(lambda x: mp.log(x) / log2, lambda x: sympy.log(x) / sympy.log(2), positive),
            "log10": smooth(lambda x: mp.log(x) / log10, lambda x: sympy.log(x) / sympy.log(10), positive),
            "log1p": smooth(mp.log1p, lambda x: sympy.log(1 + x), lambda x: x > -1),
            "sin": smooth(mp.sin, sympy.sin), "cos": smooth(mp.cos, sympy.cos), "tan": smooth(mp.tan, sympy.tan),
            "asin": smooth(mp.asin, sympy.asin, unit, steep=unit_end), "acos": smooth(mp.acos, sympy.acos, unit, steep=unit_end),
            "atan": smooth(mp.atan, sympy.atan),
            "sinh": smooth(mp.sinh, sympy.sinh), "cosh": smooth(mp.cosh, sympy.cosh), "tanh": smooth(mp.tanh, sympy.tanh),
            "asinh": smooth(mp.asinh, sympy.asinh),
            "acosh": smooth(mp.acosh, sympy.acosh, lambda x: x >= 1, steep=lambda x: x == 1),
            "atanh": smooth(mp.atanh, sympy.atanh, lambda x: -1 < x < 1),
            "sqrt": smooth(mp.sqrt, sympy.sqrt, lambda x: x >= 0, steep=lambda x: x == 0),
            "sigmoid": smooth(lambda x: 1 / (1 + mp.exp(-x)), lambda x: one / (1 + sympy.exp(-x))),
            "softplus": smooth(lambda x: mp.log1p(mp.exp(x)), lambda x: sympy.log(1 + sympy.exp(x))),
            "erf": smooth(mp.erf, sympy.erf), "erfc": smooth(mp.erfc, lambda x: one - sympy.erf(x)),
            "gamma": smooth(mp.gamma, sympy.gamma, self._no_pole),
            "digamma": smooth(mp.digamma, lambda x: sympy.polygamma(0, x), self._no_pole),
            "degrees": smooth(mp.degrees, lambda x: x * 180 / sympy.pi),
            "radians": smooth(mp.radians, lambda x: x * sympy.pi / 180),
            "atan2": self._function(mp.atan2, sympy.atan2, steep=lambda y, x: x == 0 == y),
        }  # fmt: skip

    def _function(self, numeric: Callable[..., Mpf], symbolic: Callable[..., Expr], inside: Callable[..., bool] = _everywhere,
                  steep: Callable[..., bool] | None = None) -> Callable[..., Real]:  # fmt: skip
        world = self.world

        def function(*arguments: Any) -> Real:
            numbers = [world.lift(argument) for argument in arguments]
            values = [number.value for number in numbers]
            if not inside(*values):
                world.event("an argument outside the domain")
                raise ValueError("math domain error")
            size = sum(number.size for number in numbers)
            if steep is not None and steep(*values):
                world.event("a slope that is not finite", kink=size > 0)
            expr = symbolic(*[number.expr for number in numbers]) if world.run.symbolic else None
            return world.real(numeric(*values), expr, size)

        return function

    def _no_pole(self, value: Mpf) -> bool:
        return not (value <= 0 and self.world.mp.isint(value))

    # ------------------------------------------------------------------------------------------ made of others

    def _composed(self) -> dict[str, Callable[..., Any]]:
        return {
            "log": self._log, "cbrt": self._cbrt, "hypot": self._hypot, "dist": self._dist, "logaddexp": self._logaddexp,
            "pow": self._pow, "polygamma": self._polygamma, "lgamma": self._lgamma, "xlogy": self._xlogy,
            "fma": lambda x, y, z: self._lift(x) * y + z,
            "square": lambda x: self._lift(x) ** 2, "reciprocal": lambda x: 1 / self._lift(x),
            "add": lambda x, y: self._lift(x) + y, "subtract": lambda x, y: self._lift(x) - y,
            "multiply": lambda x, y: self._lift(x) * y, "divide": lambda x, y: self._lift(x) / y,
            "negative": lambda x: -self._lift(x), "positive": self._lift, "prod": self._product, "fsum": self._sum,
            "sumprod": self._sumprod,
            "sec": lambda x: 1 / self.named["cos"](x), "csc": lambda x: 1 / self.named["sin"](x),
            "cot": lambda x: 1 / self.named["tan"](x),
            "ldexp": lambda x, n: self._lift(x) * self._lift(2) ** n, "float": self._float,
            "Rational": lambda p, q: self._lift(p) / q,
        }  # fmt: skip

    def _lift(self, number: Any) -> Real:
        return self.world.lift(number)

    def _float(self, number: Any = 0.0) -> Any:
        if isinstance(number, str) and math.isfinite(float(number)):
            raise Unsupported("a number made of text")
        return number if isinstance(number, Real) else float(number)

    def _log(self, x: Any, base: Any = None) -> Real:
        natural = self._function(self.world.mp.log, sympy.log, lambda value: value > 0)
        return natural(x) if base is None else self._lift(natural(x) / natural(base))

    def _pow(self, x: Any, y: Any, modulus: Any = None) -> Any:
        if is_whole(x) and is_whole(y):
            return pow(x, y, modulus)
        return self._lift(x) ** y

    def _cbrt(self, x: Any) -> Real:
        number = self._lift(x)
        third = Fraction(1, 3)
        if number.value == 0:
            self.world.event("a slope that is not finite", kink=number.size > 0)
            return number
        root = self._function(lambda v: v ** self.world.quotient(third), lambda e: e ** sympy.Rational(1, 3))
        return root(number) if number.turned() > 0 else -root(-number)

    def _hypot(self, *parts: Any) -> Real:
        total = self._sum([self._lift(part) ** 2 for part in parts])
        if total.value == 0:
            self.world.event("a kink", kink=total.size > 0)
        return self._lift(self.named["sqrt"](total))

    def _dist(self, p: Any, q: Any) -> Real:
        return self._hypot(*(self._lift(a) - b for a, b in zip(p, q, strict=True)))

    def _sum(self, parts: Any) -> Real:
        return self._lift(sum(parts, self._lift(0)))

    def _product(self, parts: Any, *, start: Any = 1) -> Any:
        return math.prod(parts, start=start)

    def _sumprod(self, p: Any, q: Any) -> Real:
        return self._sum([a * b for a, b in zip(p, q, strict=True)])

    def _logaddexp(self, x: Any, y: Any) -> Real:
        exp = self.named["exp"]
        return self._log(exp(x) + exp(y))

    def _polygamma(self, order: Any, x: Any) -> Real:
        n = int(order)
        return self._function(lambda v: self.world.mp.polygamma(n, v), lambda e: sympy.polygamma(n, e), self._no_pole)(x)

    def _lgamma(self, x: Any) -> Real:
        number = self._lift(x)
        if number.value > 100:  # where the gamma function itself may be too large
            return self._function(lambda v: self.world.mp.loggamma(v), lambda e: sympy.log(sympy.gamma(e)))(number)
        return self._log(abs(self.named["gamma"](number)))

    def _xlogy(self, x: Any, y: Any) -> Real:
        number = self._lift(x)
        if number.value == 0:
            self.world.event("a kink", kink=number.size > 0)
            return number
        return self._lift(number * self._log(y))

    # ------------------------------------------------------------------------------------------ with jumps and kinks

    def _stepped(self) -> dict[str, Callable[..., Any]]:
        return {
            "abs": abs, "sign": lambda x: float(self._lift(x).turned()), "copysign": self._copysign, "relu": self._relu,
            "maximum": lambda x, y: self._either(x, y, 1), "minimum": lambda x, y: self._either(x, y, -1), "clip": self._clip,
            "where": self._where, "Eq": lambda x, y: x == y, "Ne": lambda x, y: x != y, "Not": lambda x: not x,
            "And": lambda *tests: all(tests), "Or": lambda *tests: any(tests),
            "floor": math.floor, "ceil": math.ceil, "trunc": self._trunc, "rint": round, "int": self._int, "max": max, "min": min,
            "round": round, "fmod": self._fmod, "remainder": self._remainder, "mod": lambda x, y: self._lift(x) % y,
            "floor_divide": lambda x, y: self._lift(x) // y, "isnan": lambda x: self._is("isnan", x),
            "isinf": lambda x: self._is("isinf", x), "isfinite": lambda x: self._is("isfinite", x),
            "gcd": math.gcd, "lcm": math.lcm, "isqrt": math.isqrt, "factorial": math.factorial, "comb": math.comb,
        }  # fmt: skip

    def _is(self, question: str, x: Any) -> bool:
        return bool(getattr(self.world.mp, question)(self._lift(x).value))

    def _copysign(self, x: Any, y: Any) -> Any:
        size = abs(self._lift(x))
        return -size if self._lift(y).turned() < 0 else size

    def _relu(self, x: Any) -> Any:
        number = self._lift(x)
        return number if number.turned() > 0 else self._lift(0)

    def _either(self, x: Any, y: Any, sense: int) -> Real:
        a, b = self._lift(x), self._lift(y)
        return a if (a - b).turned() == sense else b

    def _clip(self, x: Any, low: Any, high: Any) -> Real:
        above = self._lift(x) if low is None else self._either(x, low, 1)
        return above if high is None else self._either(above, high, -1)

    def _where(self, test: Any, x: Any, y: Any) -> Any:
        return x if test else y

    def _trunc(self, x: Any) -> Any:
        return self._lift(x).__trunc__() if isinstance(x, Real) else math.trunc(x)

    def _int(self, x: Any = 0) -> Any:
        return int(x) if is_whole(x) else self._trunc(x)

    def _fmod(self, x: Any, y: Any) -> Real:
        return self._lift(self._lift(x) - self._lift(y) * (self._lift(x) / y).__trunc__())

    def _remainder(self, x: Any, y: Any) -> Real:
        return self._lift(self._lift(x) - self._lift(y) * round(self._lift(x) / y))


def unit_end(value: Mpf) -> bool:
    """Whether the value is 1 or -1, where the inverse sine has a vertical slope."""
    return abs(value) == 1  # type: ignore[no-any-return]  # mpmath is untyped
