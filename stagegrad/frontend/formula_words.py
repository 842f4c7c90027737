"""The words of a formula: its functions and their synonyms, its constants, and arithmetic on literals.

A function is an operation of `stagegrad.rules`, by name, or a short composition of them. Literal-only arithmetic is
done here, exactly as Python does it, but within bounds: whole numbers stay below 2**1023, nothing overflows unnoticed.
"""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

Number: TypeAlias = "float | int | bool"

#: Constants, unless the name is asked for as a variable (`wrt=`) or given a value in the formula.
CONSTANTS: dict[str, float] = {"pi": math.pi, "π": math.pi, "e": math.e, "tau": math.tau, "inf": math.inf}


@dataclass(frozen=True)
class Word:
    """A function that a formula may call: the operation behind it, and how many arguments it takes."""

    op: str
    least: int = 1
    most: int | None = 1  # None: any number

    def takes(self, count: int) -> bool:
        """True if it can be called with that many arguments."""
        return self.least <= count and (self.most is None or count <= self.most)

    @property
    def arity(self) -> str:
        """How many arguments it takes, in words."""
        if self.most is None:
            return f"{self.least} or more arguments"
        number = str(self.least) if self.least == self.most else f"{self.least} or {self.most}"
        return f"{number} argument" + "s" * (self.most != 1)


def _words(table: str, least: int = 1, most: int | None = 1) -> dict[str, Word]:
    """``"log = ln, log"``: the operation, then every way in which a formula may call it."""
    rows = (row.split("=") for row in table.split(";"))
    return {name.strip(): Word(op.strip(), least, most) for op, names in rows for name in names.split(",")}


#: The operations that take one number and return one.
_UNARY = """
    abs = abs, fabs; sign = sign, sgn; square = square, sqr; sqrt = sqrt; cbrt = cbrt; reciprocal = reciprocal;
    exp = exp; exp2 = exp2; expm1 = expm1; log2 = log2; log10 = log10; log1p = log1p;
    sin = sin; cos = cos; tan = tan, tg; asin = asin, arcsin; acos = acos, arccos; atan = atan, arctan, arctg;
    sinh = sinh, sh; cosh = cosh, ch; tanh = tanh, th;
    asinh = asinh, arcsinh, arsinh; acosh = acosh, arccosh, arcosh; atanh = atanh, arctanh, artanh;
    sigmoid = sigmoid, σ, logistic, expit; softplus = softplus; relu = relu;
    erf = erf; erfc = erfc; gamma = gamma, Γ; lgamma = lgamma, gammaln, loggamma; digamma = digamma, psi, ψ;
    floor = floor; ceil = ceil, ceiling; trunc = trunc; rint = rint;
    degrees = degrees, rad2deg; radians = radians, deg2rad
"""
_BINARY = """
    pow = pow, power; atan2 = atan2, arctan2; hypot = hypot; logaddexp = logaddexp; copysign = copysign;
    maximum = maximum; minimum = minimum; mod = mod; fmod = fmod; remainder = remainder; xlogy = xlogy
"""

#: Every function of the formula language, by each of its names.
WORDS: dict[str, Word] = {
    **_words(_UNARY),
    **_words(_BINARY, 2, 2),
    **_words("log = log, ln; round = round", 1, 2),
    **_words("max = max; min = min", 2, None),
    **_words("clip = clip, clamp; where = where", 3, 3),
    **_words("sec = sec; csc = csc, cosec; cot = cot, ctg"),
}

#: Functions that are one divided by another.
RECIPROCALS = {"sec": "cos", "csc": "sin", "cot": "tan"}

#: Words that people write and that mean two things, or that mean something else elsewhere.
ADVICE = {
    "lg": "log10 or log2 or log: lg means all three",
    "arg": "atan2(y, x)",
    "factorial": "gamma(x + 1)",
    "sum": "the terms with + between them",
    "int": "trunc(x)",
    "float": "the number itself",
    "bool": "a comparison, such as x != 0",
    "if": "a if test else b",
    "iif": "a if test else b",
    "norm": "hypot(x, y)",
    "inv": "1/x",
    "sqroot": "sqrt(x)",
    "root": "x**(1/n)",
    "heaviside": "1 if x > 0 else 0",
    "step": "1 if x > 0 else 0",
}


def nearest(name: str) -> list[str]:
    """The functions whose names are most like this one."""
    if name.lower() in WORDS:
        return [name.lower()]
    return difflib.get_close_matches(name.lower(), WORDS, 3)


# ---------------------------------------------------------------------------------------------- arithmetic on literals

#: Whole numbers on the way to an exponent or a quotient may be large, but a float must be able to hold them.
_BITS = 1023


def _power(base: Number, exponent: Number) -> Any:
    """``base ** exponent``, refused before it grows beyond what a float can hold."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and exponent > 0 and abs(base) > 1 and int(base).bit_length() * exponent > 2 * _BITS:
        raise OverflowError
    return base**exponent


_MATH = """
    sqrt cbrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh
    atan2 hypot erf erfc gamma lgamma fmod copysign degrees radians
"""
_EXACT: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "floordiv": operator.floordiv, "mod": operator.mod, "pow": _power, "neg": operator.neg, "square": lambda x: _power(x, 2),
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
    "not": operator.not_, "abs": abs, "max": max, "min": min, "reciprocal": lambda x: 1.0 / x,
    "floor": math.floor, "ceil": math.ceil, "trunc": math.trunc, "rint": round,
    **{name: getattr(math, name) for name in _MATH.split()},
}  # fmt: skip


class Undefined(ArithmeticError):
    """An operation on literals that has no (finite, real) value; the message says why."""


def fold(op: str, values: list[Number]) -> Number | None:
    """The operation's value on literals, as Python has it; None if it has to be left to run time."""
    function = _EXACT.get(op)
    if function is None:
        return None
    try:
        answer = function(*values)
    except ZeroDivisionError:
        raise Undefined("it divides by zero") from None
    except OverflowError:
        raise Undefined("it is too large for a float64") from None
    except ValueError:
        raise Undefined("it lies outside the function's domain") from None
    return bounded(answer, values)


def bounded(answer: Any, values: Sequence[Number] = ()) -> Number:
    """The answer, if a formula can go on with it: real, not nan, and infinite only where one of `values` was."""
    if isinstance(answer, complex):
        raise Undefined("its value is complex")
    if isinstance(answer, int) and answer.bit_length() > _BITS:
        raise Undefined("it is too large for a float64")
    if isinstance(answer, float) and not math.isfinite(answer) and all(map(math.isfinite, values)):
        raise Undefined("it is too large for a float64")
    if answer != answer:
        raise Undefined("it has no value (nan)")
    return cast(Number, answer)
