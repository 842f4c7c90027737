"""Derivatives that owe nothing to stagegrad: hyper-dual numbers, and differences in 60 digits, run on untouched Python text.

`differentiate(text, name, args)` executes a program's own text with `math` and `float` replaced by versions that know
hyper-dual numbers, calls the function, and returns its value, gradient and second derivatives. `differences` does the same
in 60-digit arithmetic with central differences; it validates the first and judges the cases where doubles are too short.

Both refuse to answer near a tie: `Derivatives.closest` is the smallest distance of any comparison, `abs`, `round`, `int`,
`floor` or `%` from the point where its answer would jump or bend.
"""

from __future__ import annotations

import builtins
import itertools
import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import mpmath

#: Comparisons closer than this are ties: rounding alone could decide them differently.
TIE = 1e-7


@dataclass(frozen=True)
class Derivatives:
    """A value, its gradient and its Hessian with respect to the float arguments, and the distance from the nearest tie."""

    value: float
    gradient: tuple[float, ...]
    hessian: tuple[tuple[float, ...], ...]
    closest: float = math.inf

    @property
    def finite(self) -> bool:
        """Whether every number is finite."""
        return all(map(math.isfinite, (self.value, *self.gradient, *itertools.chain(*self.hessian))))

    def same_path(self, other: Derivatives) -> bool:
        """Whether two runs went the same way; a constant on a jump (``-0.0``, ``6.0 // 0.1``) may part doubles from 60 digits."""
        return abs(self.value - other.value) <= 1e-9 * max(1.0, abs(self.value))


class Watch:
    """Remembers how close a run came to a tie."""

    def __init__(self) -> None:
        self.closest = math.inf

    def see(self, distance: float) -> None:
        """Notes a distance; NaN counts as a tie."""
        if not abs(distance) >= self.closest:
            self.closest = abs(distance)


# ---------------------------------------------------------------------------------------------- hyper-dual numbers


class Hyper:
    """``value + first e1 + second e2 + mixed e1 e2`` with ``e1 e1 = e2 e2 = 0``: exact first and second derivatives."""

    __slots__ = ("first", "mixed", "second", "value", "watch")

    def __init__(self, value: float, first: float, second: float, mixed: float, watch: Watch) -> None:
        self.value = value
        self.first = first
        self.second = second
        self.mixed = mixed
        self.watch = watch

    def __repr__(self) -> str:
        return f"Hyper({self.value}, {self.first}, {self.second}, {self.mixed})"

    def chain(self, value: float, slope: float, curvature: float) -> Hyper:
        """A function of this number, from its value, first and second derivative."""
        mixed = slope * self.mixed + curvature * self.first * self.second
        return Hyper(value, slope * self.first, slope * self.second, mixed, self.watch)

    def lift(self, other: Any) -> Hyper:
        """A plain number as a constant."""
        return other if isinstance(other, Hyper) else Hyper(float(other), 0.0, 0.0, 0.0, self.watch)

    def compare(self, other: Any, relation: Callable[[float, float], bool]) -> bool:
        """A comparison of values; a difference that moves with the arguments is noted in the watch."""
        right = self.lift(other)
        if (self.first, self.second, self.mixed) != (right.first, right.second, right.mixed):
            self.watch.see(self.value - right.value)
        return relation(self.value, right.value)

    def __lt__(self, other: Any) -> bool:
        return self.compare(other, operator.lt)

    def __le__(self, other: Any) -> bool:
        return self.compare(other, operator.le)

    def __gt__(self, other: Any) -> bool:
        return self.compare(other, operator.gt)

    def __ge__(self, other: Any) -> bool:
        return self.compare(other, operator.ge)

    def __eq__(self, other: object) -> bool:
        return self.compare(other, operator.eq)

    def __ne__(self, other: object) -> bool:
        return self.compare(other, operator.ne)

    __hash__ = None  # type: ignore[assignment]  # compares by value, like a float, and is never a key

    def __bool__(self) -> bool:
        return self != 0.0

    def __neg__(self) -> Hyper:
        return Hyper(-self.value, -self.first, -self.second, -self.mixed, self.watch)

    def __pos__(self) -> Hyper:
        return self

    def __abs__(self) -> Hyper:
        return self.chain(abs(self.value), 1.0 if self > 0.0 else -1.0, 0.0)

    def __add__(self, other: Any) -> Hyper:
        right = self.lift(other)
        return Hyper(self.value + right.value, self.first + right.first, self.second + right.second, self.mixed + right.mixed, self.watch)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Hyper:
        right = self.lift(other)
        return Hyper(self.value - right.value, self.first - right.first, self.second - right.second, self.mixed - right.mixed, self.watch)

    def __rsub__(self, other: Any) -> Hyper:
        return self.lift(other) - self

    def __mul__(self, other: Any) -> Hyper:
        right = self.lift(other)
        return joint(self, right, self.value * right.value, (right.value, self.value), (0.0, 1.0, 0.0))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Hyper:
        right = self.lift(other)
        quotient = self.value / right.value
        inverse = 1.0 / right.value
        slopes = (inverse, -quotient * inverse)
        return joint(self, right, quotient, slopes, (0.0, -inverse * inverse, 2.0 * quotient * inverse * inverse))

    def __rtruediv__(self, other: Any) -> Hyper:
        return self.lift(other) / self

    def __pow__(self, other: Any) -> Hyper:
        return power(self, other)

    def __rpow__(self, other: Any) -> Hyper:
        return power(self.lift(other), self)

    def __floordiv__(self, other: Any) -> float:
        """Flat: a plain float, whose distance from the next jump is noted."""
        right = self.lift(other)
        self._see_jump(self.value / right.value, right)
        return self.value // right.value

    def __rfloordiv__(self, other: Any) -> float:
        return self.lift(other) // self

    def __mod__(self, other: Any) -> Hyper:
        """Moves with the dividend, and against the divisor by as many steps as it takes."""
        right = self.lift(other)
        steps = self // right
        return joint(self, right, self.value % right.value, (1.0, -steps), (0.0, 0.0, 0.0))

    def __rmod__(self, other: Any) -> Hyper:
        return self.lift(other) % self

    def __divmod__(self, other: Any) -> tuple[float, Hyper]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[float, Hyper]:
        return divmod(self.lift(other), self)

    def _see_jump(self, position: float, *others: Hyper) -> None:
        if any(number.first or number.second or number.mixed for number in (self, *others)):
            self.watch.see(position - round(position) if math.isfinite(position) else math.nan)

    def __int__(self) -> int:
        self._see_jump(self.value)
        return int(self.value)

    __trunc__ = __int__

    def __floor__(self) -> int:
        self._see_jump(self.value)
        return math.floor(self.value)

    def __ceil__(self) -> int:
        self._see_jump(self.value)
        return math.ceil(self.value)

    def __round__(self, digits: int | None = None) -> float:
        self._see_jump(self.value * 10.0 ** (digits or 0) - 0.5)
        return round(self.value) if digits is None else round(self.value, digits)


def value_of(number: Any) -> Any:
    """The value of a hyper-dual, or a plain number itself."""
    return number.value if isinstance(number, Hyper) else number


def joint(left: Hyper, right: Hyper, value: float, slopes: tuple[float, float], curvatures: tuple[float, float, float]) -> Hyper:
    """A function of two numbers, from its value, two slopes, and (left-left, left-right, right-right) curvatures."""
    dl, dr = slopes
    dll, dlr, drr = curvatures
    mixed = (
        dl * left.mixed
        + dr * right.mixed
        + dll * left.first * left.second
        + dlr * (left.first * right.second + left.second * right.first)
        + drr * right.first * right.second
    )
    return Hyper(value, dl * left.first + dr * right.first, dl * left.second + dr * right.second, mixed, left.watch)


def power(base: Hyper, exponent: Any) -> Hyper:
    """``base ** exponent``: with a constant exponent by its own rule, which needs no logarithm of the base."""
    if not isinstance(exponent, Hyper):
        value = base.value**exponent
        slope = exponent * base.value ** (exponent - 1) if exponent != 0 else 0.0
        curvature = exponent * (exponent - 1) * base.value ** (exponent - 2) if exponent not in (0, 1) else 0.0
        return base.chain(value, slope, curvature)
    b, p = base.value, exponent.value
    value, log = b**p, math.log(b)
    below = b ** (p - 1.0)
    slopes = (p * below, value * log)
    return joint(base, exponent, value, slopes, (p * (p - 1.0) * b ** (p - 2.0), below * (1.0 + p * log), value * log * log))


# ---------------------------------------------------------------------------------------------- math, for hyper-duals


def sech(x: float) -> float:
    """One over cosh, without its overflow."""
    small = math.exp(-abs(x))
    return 2.0 * small / (1.0 + small * small)


#: name -> (slope, curvature) at x
CURVES: dict[str, Callable[[float], tuple[float, float]]] = {
    "sin": lambda x: (math.cos(x), -math.sin(x)),
    "cos": lambda x: (-math.sin(x), -math.cos(x)),
    "tan": lambda x: (1.0 + math.tan(x) ** 2, 2.0 * math.tan(x) * (1.0 + math.tan(x) ** 2)),
    "asin": lambda x: ((1.0 - x * x) ** -0.5, x * (1.0 - x * x) ** -1.5),
    "acos": lambda x: (-((1.0 - x * x) ** -0.5), -x * (1.0 - x * x) ** -1.5),
    "atan": lambda x: (1.0 / (1.0 + x * x), -2.0 * x / (1.0 + x * x) ** 2),
    "sinh": lambda x: (math.cosh(x), math.sinh(x)),
    "cosh": lambda x: (math.sinh(x), math.cosh(x)),
    "tanh": lambda x: (sech(x) ** 2, -2.0 * math.tanh(x) * sech(x) ** 2),
    "asinh": lambda x: ((1.0 + x * x) ** -0.5, -x * (1.0 + x * x) ** -1.5),
    "acosh": lambda x: ((x * x - 1.0) ** -0.5, -x * (x * x - 1.0) ** -1.5),
    "atanh": lambda x: (1.0 / (1.0 - x * x), 2.0 * x / (1.0 - x * x) ** 2),
    "exp": lambda x: (math.exp(x), math.exp(x)),
    "exp2": lambda x: (math.log(2.0) * 2.0**x, math.log(2.0) ** 2 * 2.0**x),
    "expm1": lambda x: (math.exp(x), math.exp(x)),
    "log2": lambda x: (1.0 / (x * math.log(2.0)), -1.0 / (x * x * math.log(2.0))),
    "log10": lambda x: (1.0 / (x * math.log(10.0)), -1.0 / (x * x * math.log(10.0))),
    "log1p": lambda x: (1.0 / (1.0 + x), -1.0 / (1.0 + x) ** 2),
    "sqrt": lambda x: (0.5 / math.sqrt(x), -0.25 / (x * math.sqrt(x))),
    "cbrt": lambda x: (math.cbrt(x) / (3.0 * x), -2.0 * math.cbrt(x) / (9.0 * x * x)),
    "erf": lambda x: (2.0 / math.sqrt(math.pi) * math.exp(-x * x), -4.0 * x / math.sqrt(math.pi) * math.exp(-x * x)),
    "erfc": lambda x: (-2.0 / math.sqrt(math.pi) * math.exp(-x * x), 4.0 * x / math.sqrt(math.pi) * math.exp(-x * x)),
    "degrees": lambda x: (180.0 / math.pi, 0.0),
    "radians": lambda x: (math.pi / 180.0, 0.0),
}


def curve(name: str) -> Callable[[Any], Any]:
    """A function of `math` with one argument, for plain and for hyper-dual numbers."""
    plain, derivatives = getattr(math, name), CURVES[name]

    def apply(x: Any) -> Any:
        return x.chain(plain(x.value), *derivatives(x.value)) if isinstance(x, Hyper) else plain(x)

    return apply


def pair(a: Any, b: Any) -> tuple[Hyper, Hyper]:
    """Two numbers, at least one of them hyper-dual, as two hyper-duals."""
    watch = a.watch if isinstance(a, Hyper) else b.watch
    zero = Hyper(0.0, 0.0, 0.0, 0.0, watch)
    return zero.lift(a), zero.lift(b)


def either(a: Any, b: Any) -> bool:
    """Whether one of two numbers is hyper-dual."""
    return isinstance(a, Hyper) or isinstance(b, Hyper)


def dual_log(x: Any, base: Any = None) -> Any:
    """Natural logarithm, or the quotient of two of them."""
    if base is not None:
        return dual_log(x) / dual_log(base) if either(x, base) else math.log(x, base)
    return x.chain(math.log(x.value), 1.0 / x.value, -1.0 / x.value**2) if isinstance(x, Hyper) else math.log(x)


def dual_atan2(y: Any, x: Any) -> Any:
    """The angle of (x, y)."""
    if not either(x, y):
        return math.atan2(y, x)
    y, x = pair(y, x)
    square = x.value**2 + y.value**2
    cross = 2.0 * x.value * y.value / square**2
    slopes = (x.value / square, -y.value / square)
    return joint(y, x, math.atan2(y.value, x.value), slopes, (-cross, (y.value**2 - x.value**2) / square**2, cross))


def dual_hypot(*parts: Any) -> Any:
    """The length of a vector."""
    if not any(isinstance(part, Hyper) for part in parts):
        return math.hypot(*parts)
    watch = next(part.watch for part in parts if isinstance(part, Hyper))
    length = math.hypot(*map(value_of, parts))
    square = sum((part * part for part in parts), Hyper(0.0, 0.0, 0.0, 0.0, watch))
    return square.chain(length, 0.5 / length, -0.25 / length**3)


def dual_fmod(x: Any, y: Any) -> Any:
    """The remainder with the sign of the dividend."""
    if not either(x, y):
        return math.fmod(x, y)
    x, y = pair(x, y)
    x._see_jump(x.value / y.value, y)
    slopes = (1.0, -float(math.trunc(x.value / y.value)))
    return joint(x, y, math.fmod(x.value, y.value), slopes, (0.0, 0.0, 0.0))


def dual_copysign(x: Any, y: Any) -> Any:
    """The size of x with the sign of y."""
    if not either(x, y):
        return math.copysign(x, y)
    x, y = pair(x, y)
    flips = (x < 0.0) != (y < 0.0)
    return x.chain(math.copysign(x.value, y.value), -1.0 if flips else 1.0, 0.0)


def dual_math() -> ModuleType:
    """The module `math` with every function that fuzzed programs use able to take hyper-duals."""
    module = ModuleType("math")
    vars(module).update({name: getattr(math, name) for name in ("pi", "e", "tau", "inf", "nan", "gcd")})
    vars(module).update({name: curve(name) for name in CURVES})
    vars(module).update(log=dual_log, atan2=dual_atan2, hypot=dual_hypot, fmod=dual_fmod, copysign=dual_copysign)
    # These four defer to the number's own method, as in Python; the last three only look at the value.
    vars(module).update(fabs=abs, floor=math.floor, ceil=math.ceil, trunc=math.trunc)
    vars(module).update(pow=lambda x, y: power(*pair(x, y)) if isinstance(y, Hyper) else pow(x, float(y)))
    vars(module).update({name: _look(getattr(math, name)) for name in ("isnan", "isinf", "isfinite")})
    return module


def _look(test: Callable[[float], bool]) -> Callable[[Any], bool]:
    """A test that looks at the value of a hyper-dual."""
    return lambda x: test(value_of(x))


# ---------------------------------------------------------------------------------------------- running a program's text


def run_text(text: str, words: dict[str, Any], modules: dict[str, ModuleType]) -> dict[str, Any]:
    """Executes a program's text with some builtins and imported modules replaced, and returns its globals."""

    def import_module(name: str, *rest: Any) -> Any:
        return modules[name] if name in modules else builtins.__import__(name, *rest)

    space = {"__builtins__": {**vars(builtins), **words, "__import__": import_module}, "__name__": "program"}
    exec(_compiled(text), space)
    return space


@lru_cache(maxsize=8)
def _compiled(text: str) -> Any:
    return compile(text, "<program>", "exec")


def _is_float(argument: Any) -> bool:
    return isinstance(argument, float)


def differentiate(text: str, name: str, args: tuple[Any, ...]) -> Derivatives:
    """Value, gradient and Hessian of function `name` with respect to its float arguments, by hyper-dual numbers."""
    words = {"float": lambda x=0.0: x if isinstance(x, Hyper) else float(x)}
    function = run_text(text, words, {"math": dual_math()})[name]
    active = [k for k, argument in enumerate(args) if _is_float(argument)]
    watch = Watch()
    runs = {(i, j): _directional(function, args, i, j, watch) for i, j in itertools.combinations_with_replacement(active, 2)}
    value = runs[active[0], active[0]].value
    gradient = tuple(runs[i, i].first for i in active)
    hessian = tuple(tuple(runs[min(i, j), max(i, j)].mixed for j in active) for i in active)
    return Derivatives(value, gradient, hessian, watch.closest)


def _directional(function: Callable[..., Any], args: tuple[Any, ...], i: int, j: int, watch: Watch) -> Hyper:
    """One run: derivatives along argument i, along argument j, and along both."""
    seeded = [
        Hyper(argument, float(k == i), float(k == j), 0.0, watch) if _is_float(argument) else argument for k, argument in enumerate(args)
    ]
    result = function(*seeded)
    return result if isinstance(result, Hyper) else Hyper(float(result), 0.0, 0.0, 0.0, watch)


# ---------------------------------------------------------------------------------------------- 60 digits and differences


def _wide_context() -> Any:
    """A 60-digit context of its own, whose numbers also have ``//`` and ``divmod``, which mpmath leaves out."""
    context = mpmath.MPContext()
    context.dps = 60
    number = context.mpf

    def floordiv(x: Any, y: Any) -> Any:
        return context.floor(context.mpf(x) / y)

    number.__floordiv__ = floordiv
    number.__rfloordiv__ = lambda y, x: floordiv(x, y)
    number.__divmod__ = lambda x, y: (floordiv(x, y), x % y)
    number.__rdivmod__ = lambda y, x: (floordiv(x, y), x % y)
    return context


def _wide_math(context: Any) -> ModuleType:
    """The module `math` in 60 digits; its constants stay doubles, since a program's literals are doubles too."""
    module = ModuleType("math")
    vars(module).update({name: getattr(math, name) for name in ("pi", "e", "tau", "inf", "nan", "gcd")})
    same = [name for name in CURVES if hasattr(context, name)]
    vars(module).update({name: getattr(context, name) for name in (*same, "log", "atan2", "isnan", "isinf")})
    vars(module).update(
        log2=lambda x: context.log(x) / context.log(2),
        hypot=lambda *parts: context.sqrt(sum(part * part for part in parts)),
        exp2=lambda x: context.mpf(2) ** x,
        fabs=abs,
        pow=lambda x, y: context.mpf(x) ** y,
        isfinite=lambda x: bool(context.isfinite(x)),
        floor=lambda x: int(context.floor(x)),
        ceil=lambda x: int(context.ceil(x)),
        trunc=lambda x: int(x),
        fmod=lambda x, y: x - y * int(context.mpf(x) / y),
        copysign=lambda x, y: abs(x) if y > 0 else -abs(x),
    )
    return module


def differences(text: str, name: str, args: tuple[Any, ...]) -> Derivatives:
    """Value, gradient and Hessian in 60 digits by central differences with a step of 1e-15 (error about 1e-30)."""
    context = _wide_context()
    words = {"float": lambda x=0.0: x if isinstance(x, context.mpf) else float(x)}
    function = run_text(text, words, {"math": _wide_math(context)})[name]
    active = [k for k, argument in enumerate(args) if _is_float(argument)]
    wide = [context.mpf(argument) if _is_float(argument) else argument for argument in args]
    step = context.mpf(10) ** -15

    def moved(moves: Iterable[tuple[int, int]]) -> Any:
        point = list(wide)
        for k, sign in moves:
            point[k] += sign * step
        return context.mpf(function(*point))

    def second(i: int, j: int) -> Any:
        corners = sum(s * t * moved(((i, s), (j, t))) for s, t in itertools.product((1, -1), repeat=2))
        return corners / (4 * step * step)

    gradient = tuple(float((moved([(i, 1)]) - moved([(i, -1)])) / (2 * step)) for i in active)
    hessian = tuple(tuple(float(second(i, j)) for j in active) for i in active)
    return Derivatives(float(moved(())), gradient, hessian)
