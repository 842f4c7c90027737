"""Numbers on which program text is run for a proof: each is a 120-digit value and, on request, a SymPy expression.

A `World` makes them and writes down what one run meets: every decision (a comparison of numbers is decided by their
values, and the path remembers it), every kink, every slope that is not finite. Branches therefore need no support
from the program: it simply runs, and the run says which path it took.

Real arithmetic is meant: a float constant stands for the simplest real number that it is the rounding of
(0.1 is 1/10, 0.6931471805599453 is log 2), and differences below 1e-90 are ties. In a binary world a constant is the
binary fraction that it is, and arithmetic on constants alone is rounded as the compiler rounds it.
"""

from __future__ import annotations

import itertools
import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from numbers import Integral
from typing import Any, TypeAlias

import mpmath
import sympy

from stagegrad.verify.clock import Clock, TooLarge

Expr: TypeAlias = Any  # a SymPy expression; SymPy has no types to speak of
Mpf: TypeAlias = Any

DIGITS = 120
MOST_STEPS = 60_000
MOST_OCCURRENCES = 20_000


class Unsupported(Exception):
    """The program uses something that has no meaning on these numbers; it may well run on floats."""


class UnsupportedGradient(Unsupported):
    """The same of the gradient program."""


class Floor(sympy.Function):  # type: ignore[misc]  # SymPy is untyped
    """The largest integer that is at most the argument: constant between its jumps, so that its slope is zero."""

    nargs = 1

    @classmethod
    def eval(cls, argument: Expr) -> Expr:
        """Whole parts leave: floor(n + r) is n + floor(r)."""
        whole = [term for term in sympy.Add.make_args(argument) if _is_whole_valued(term)]
        if whole:
            outside = sympy.Add(*whole)
            return outside + cls(argument - outside)
        return sympy.Integer(argument.p // argument.q) if argument.is_Rational else None

    def fdiff(self, argindex: int = 1) -> Expr:
        return sympy.Integer(0)


def _is_whole_valued(term: Expr) -> bool:
    return term != 0 and all(factor.is_Integer or isinstance(factor, Floor) for factor in sympy.Mul.make_args(term))


@dataclass(frozen=True)
class Decision:
    """One turn of a path: ``expr > 0`` or ``expr == 0``, and whether it was so."""

    kind: str  # ">" or "=="
    expr: Expr
    outcome: bool

    @property
    def opposite(self) -> Decision:
        """The other outcome."""
        return Decision(self.kind, self.expr, not self.outcome)


@dataclass(frozen=True)
class Event:
    """Something special at one place of the program: a kink, or a slope that is not finite."""

    what: str
    file: str
    line: int


@dataclass
class Run:
    """What one execution met."""

    symbolic: bool = False
    path: list[Decision] = field(default_factory=list)  # only what depends on the parameters, and only if symbolic
    signature: list[object] = field(default_factory=list)  # every outcome: two runs with equal ones took the same path
    events: list[Event] = field(default_factory=list)
    kinked: bool = False  # a derivative at this very point is a matter of convention, and excluded
    frozen: bool = False  # a value that depends on the parameters was used as a count: other counts are other paths
    steps: int = 0


class World:
    """Makes numbers, and keeps the `Run` that is going on."""

    def __init__(self, clock: Clock, *, binary: bool = False) -> None:
        self.binary = binary  # whether a float constant is the binary fraction that it is, not what it is the rounding of
        self.mp = mpmath.mp.clone()
        self.mp.dps = DIGITS
        self.largest = self.mp.mpf(sys.float_info.max)
        self.tie = self.mp.mpf(10) ** -(DIGITS - 30)
        self.clock = clock
        self.run = Run()
        self.longest, self.most_steps = 0, MOST_STEPS
        self._literals: dict[tuple[type, str], Real] = {}

    def start(self, *, symbolic: bool = False) -> Run:
        """Begins a new run."""
        self.run = Run(symbolic)
        return self.run

    def finish(self) -> None:
        """Learns from a run that came to its end how long runs are: one that is very much longer is given up."""
        self.longest = max(self.longest, self.run.steps)
        self.most_steps = min(MOST_STEPS, max(4000, 20 * self.longest))

    def real(self, value: Mpf, expr: Expr, size: int) -> Real:
        """A new number; counts the step, and ends a run that has no end."""
        run = self.run
        run.steps += 1
        if run.steps % 256 == 0:
            self.clock.check()
        if run.steps > self.most_steps or (run.symbolic and size > MOST_OCCURRENCES):
            raise TooLarge
        if not -self.largest <= value <= self.largest and self.mp.isfinite(value):
            # Beyond the floats; and what the next function makes of it may have more digits than there is memory.
            raise OverflowError(34, "Numerical result out of range")
        return Real(self, value, expr if run.symbolic else None, size)

    def parameter(self, name: str, value: Fraction) -> Real:
        """The value of a parameter, and its symbol."""
        return self.real(self.quotient(value), sympy.Symbol(name), 1)

    def quotient(self, value: Fraction) -> Mpf:
        """An exact fraction at full precision."""
        return self.mp.mpf(value.numerator) / self.mp.mpf(value.denominator)

    def lift(self, number: Any) -> Real:
        """A Python or NumPy number, or a number that is a Real already."""
        if isinstance(number, Real):
            return number
        plain = number.item() if is_numpy_scalar(number) else number
        if not isinstance(plain, (int, float)):
            raise Unsupported(f"a {type(number).__name__} where a number is meant")
        key = (type(plain), repr(plain))
        if key not in self._literals:
            self._literals[key] = self._constant(plain)
        return self._literals[key]

    def _constant(self, number: int | float) -> Real:
        if isinstance(number, float) and not math.isfinite(number):
            special = sympy.nan if math.isnan(number) else sympy.oo * int(math.copysign(1, number))
            return Real(self, self.mp.mpf(number), special, 0)
        expr = sympy.Rational(*number.as_integer_ratio()) if self.binary else reading(number)
        value = self.mp.mpf(expr.p) / expr.q if expr.is_Rational else self.mp.mpf(expr.evalf(DIGITS + 10))
        return Real(self, value, expr, 0)

    # ------------------------------------------------------------------------------------------ decisions

    def decide(self, kind: str, left: Real, right: Real) -> bool:
        """Compares two numbers, and writes down how it came out."""
        order = self.order(left, right)
        match kind:
            case ">":
                return self._decided(">", left, right, order > 0)
            case "<":
                return self._decided(">", right, left, order < 0)
            case ">=":
                return not self._decided(">", right, left, order < 0)
            case "<=":
                return not self._decided(">", left, right, order > 0)
            case "==":
                return self._decided("==", left, right, order == 0)
        raise ValueError(kind)

    def order(self, left: Real, right: Real) -> float:
        """The sign of left - right (nan if either is); what differs by rounding only is equal."""
        a, b = left.value, right.value
        if self.mp.isnan(a) or self.mp.isnan(b):
            return math.nan
        if a == b or (self.mp.isfinite(a) and self.mp.isfinite(b) and abs(a - b) <= self.tie * max(abs(a), abs(b))):
            return 0.0
        return 1.0 if a > b else -1.0

    def _decided(self, kind: str, left: Real, right: Real, outcome: bool) -> bool:
        self.run.signature.append((kind, outcome))
        if self.run.symbolic and self.mp.isfinite(left.value) and self.mp.isfinite(right.value):
            difference = left.expr - right.expr
            if difference.free_symbols:
                self.run.path.append(Decision(kind, difference, outcome))
        return outcome

    def floor(self, number: Real, value: Mpf, jump: bool) -> Real:
        """`value`, which is the floor of `number` everywhere but, perhaps, at the jumps."""
        if jump and number.size:
            self.event("a jump", kink=True)
        self.run.signature.append(int(value))
        return self.real(value, Floor(number.expr) if self.run.symbolic else None, number.size)

    def event(self, what: str, *, kink: bool = False) -> None:
        """Writes down something special, and which line of the program it happened on."""
        if kink:
            self.run.kinked = True
            self.run.signature.append("kink")
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("stagegrad.verify"):
            frame = frame.f_back
        self.run.events.append(Event(what, frame.f_code.co_filename, frame.f_lineno))


class Real:
    """A real number: its value to 120 digits, and in symbolic runs the expression that it is.

    `size` counts how often parameters occur in that expression: 0 is a constant.
    """

    __slots__ = ("expr", "size", "value", "world")

    def __init__(self, world: World, value: Mpf, expr: Expr, size: int) -> None:
        self.world, self.value, self.expr, self.size = world, value, expr, size

    def __repr__(self) -> str:
        return repr(float(self.value))

    def __format__(self, spec: str) -> str:
        return format(float(self.value), spec)

    # ------------------------------------------------------------------------------------------ arithmetic

    def __add__(self, other: Any) -> Any:
        return _binary(_add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary(_add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary(_subtract, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary(_subtract, other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary(_multiply, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary(_multiply, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary(_divide, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary(_divide, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _binary(_floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _binary(_floor_divide, other, self)

    def __mod__(self, other: Any) -> Any:
        return _binary(_modulo, self, other)

    def __rmod__(self, other: Any) -> Any:
        return _binary(_modulo, other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, other: Any) -> Any:
        return _binary(_power, self, other)

    def __rpow__(self, other: Any) -> Any:
        return _binary(_power, other, self)

    def __neg__(self) -> Real:
        return self.world.real(-self.value, -self.expr if self.world.run.symbolic else None, self.size)

    def __pos__(self) -> Real:
        return self

    def __abs__(self) -> Real:
        return self if self.turned() >= 0 else -self

    def turned(self) -> int:
        """The sign: -1, 0 or 1. It is a kink where it is 0."""
        zero = self.world.lift(0)
        if self.world.order(self, zero) == 0:
            self.world.event("a kink", kink=self.size > 0)
            return 0
        return 1 if self.world.decide(">", self, zero) else -1

    # ------------------------------------------------------------------------------------------ comparisons

    def __lt__(self, other: Any) -> Any:
        return _compare("<", self, other)

    def __le__(self, other: Any) -> Any:
        return _compare("<=", self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(">", self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(">=", self, other)

    def __eq__(self, other: object) -> Any:
        return _compare("==", self, other)

    def __ne__(self, other: object) -> Any:
        equal = _compare("==", self, other)
        return equal if equal is NotImplemented else not equal

    __hash__ = None  # type: ignore[assignment]  # equality is a decision of the run, which no table may take

    def __bool__(self) -> bool:
        return not self.world.decide("==", self, self.world.lift(0))

    # ------------------------------------------------------------------------------------------ whole numbers

    def __floor__(self) -> Real:
        value = self.world.mp.floor(self.value)
        return self.world.floor(self, value, value == self.value)

    def __ceil__(self) -> Real:
        return -((-self).__floor__())

    def __trunc__(self) -> Real:
        if self.value == 0:
            return self.world.lift(0)
        return -((-self).__floor__()) if self < 0 else self.__floor__()

    def __round__(self, digits: int | None = None) -> Real:
        if digits is None:
            value = self.world.mp.nint(self.value)
            return self.world.floor(self + self.world.lift(0.5), value, abs(value - self.value) * 2 == 1)
        scale = self.world.lift(10) ** digits
        return self.world.lift(round(self * scale) / scale)

    def __index__(self) -> int:
        if not self.world.mp.isint(self.value):
            raise TypeError("'float' object cannot be interpreted as an integer")
        self.world.run.signature.append(int(self.value))
        self.world.run.frozen = self.world.run.frozen or self.size > 0
        return int(self.value)

    def is_integer(self) -> bool:
        """Whether the number is whole, as ``float.is_integer``."""
        return bool(self.world.mp.isint(self.value))


def _is_operand(thing: object) -> bool:
    return isinstance(thing, (Real, int, float)) or is_numpy_scalar(thing)


def _compare(kind: str, left: Real, right: Any) -> Any:
    if not _is_operand(right):
        return NotImplemented
    return left.world.decide(kind, left, left.world.lift(right))


def _binary(operation: Callable[[World, Real, Real], Real], left: Any, right: Any) -> Any:
    world: World = left.world if isinstance(left, Real) else right.world
    for operand in (left, right):
        if not _is_operand(operand):
            return NotImplemented
    return operation(world, world.lift(left), world.lift(right))


def _add(world: World, x: Real, y: Real) -> Real:
    return world.real(x.value + y.value, x.expr + y.expr if world.run.symbolic else None, x.size + y.size)


def _subtract(world: World, x: Real, y: Real) -> Real:
    return world.real(x.value - y.value, x.expr - y.expr if world.run.symbolic else None, x.size + y.size)


def _multiply(world: World, x: Real, y: Real) -> Real:
    return world.real(x.value * y.value, x.expr * y.expr if world.run.symbolic else None, x.size + y.size)


def _divide(world: World, x: Real, y: Real) -> Real:
    if y.value == 0:
        world.event("a division by zero")
        raise ZeroDivisionError("float division by zero")
    return world.real(x.value / y.value, x.expr / y.expr if world.run.symbolic else None, x.size + y.size)


def _floor_divide(world: World, x: Real, y: Real) -> Real:
    return _divide(world, x, y).__floor__()


def _modulo(world: World, x: Real, y: Real) -> Real:
    return _subtract(world, x, _multiply(world, y, _floor_divide(world, x, y)))


def _power(world: World, x: Real, y: Real) -> Real:
    """x**y where Python gives a float; a negative base with a broken exponent is complex there, and an error here."""
    whole = world.mp.isint(y.value)
    if x.value == 0:
        return _power_of_zero(world, x, y)
    if x.value < 0 and not whole:
        raise ValueError("a negative base with a broken exponent")
    if abs(y.value * world.mp.log(abs(x.value))) > 1e5:
        raise OverflowError(34, "Numerical result out of range")
    value = x.value ** int(y.value) if whole else x.value**y.value
    # A power stands for a product of that many factors, which a proof may have to multiply out.
    factors = int(abs(y.value)) if whole else 1
    return world.real(value, x.expr**y.expr if world.run.symbolic else None, x.size * max(1, min(factors, 1000)) + y.size)


def _power_of_zero(world: World, x: Real, y: Real) -> Real:
    if y.value < 0:
        world.event("a power of zero")
        raise ZeroDivisionError("0.0 cannot be raised to a negative power")
    if 0 < y.value < 1:
        world.event("a power of zero", kink=x.size > 0)
    value = world.mp.mpf(1 if y.value == 0 else 0)
    return world.real(value, x.expr**y.expr if world.run.symbolic else None, x.size + y.size)


def is_numpy_scalar(thing: object) -> bool:
    """Whether it is a number that NumPy made; NumPy is not imported for the question."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(thing, numpy.generic)


def is_whole(number: Any) -> bool:
    """Whether it is a plain Python or NumPy int (a bool counts as one)."""
    return isinstance(number, Integral)


# ---------------------------------------------------------------------------------------------- float constants


@cache
def _named_constants() -> tuple[tuple[float, ...], tuple[Expr, ...]]:
    """Irrational constants that programs and rules write as floats, in the order of their size."""
    pi, two = sympy.pi, sympy.Integer(2)
    bases = [pi, sympy.E, sympy.EulerGamma, sympy.log(2), sympy.log(10), sympy.sqrt(2), sympy.sqrt(3), sympy.sqrt(5),
             sympy.sqrt(pi), sympy.sqrt(2 * pi), sympy.log(pi), sympy.log(2 * pi), sympy.GoldenRatio]  # fmt: skip
    scales = (1, two, 1 / two, sympy.Integer(4), 1 / (2 * two))
    exact = [base**sign * scale for base, sign, scale in itertools.product(bases, (1, -1), scales)]
    exact += [pi / 180, 180 / pi, pi / 3, pi / 6]
    table = {float(expr.evalf(30)): expr for expr in reversed(exact)}
    return tuple(sorted(table)), tuple(table[key] for key in sorted(table))


def reading(number: int | float) -> Expr:
    """The real number that a constant stands for: of those that it may be the rounding of, the simplest.

    Two floats that are roundings of the same number read the same, so that a constant folded by the compiler is
    the constant that it came from: 0.3333333333333333 reads as 1/3, 3.141592653589793 as pi, 1e-12 as 10**-12.
    """
    if isinstance(number, int):
        return sympy.Integer(number)
    near = 2 * math.ulp(number)
    floats, named = _named_constants()
    for index in range(bisect_left(floats, abs(number) - near), bisect_right(floats, abs(number) + near)):
        return named[index] * (1 if number > 0 else -1)
    simple = Fraction(number).limit_denominator(1000)
    if simple and abs(float(simple) - number) <= near:
        return sympy.Rational(simple.numerator, simple.denominator)
    decimal = Fraction(repr(number))
    return sympy.Rational(decimal.numerator, decimal.denominator)
