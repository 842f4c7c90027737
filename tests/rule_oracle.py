"""What the tests of the rules measure against: each operation and its slopes in mpmath, and where to sample them.

The formulas are written here a second time, independent of `stagegrad.rules`, in forms that do not cancel at 50 digits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import mpmath
from mpmath import mp, mpf

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.ir import BOOL, FLOAT, Atom, Fresh, Lit, Stage
from stagegrad.ops import HELPERS, REGISTRY, Builder, Op, partials_of

mp.dps = 50
Function = Callable[..., Any]
TINY, SMALLEST_NORMAL, HUGE = 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308


@dataclass(frozen=True)
class Reference:
    """An operation in mpmath, its slope in each operand, and the range that each operand is sampled from."""

    value: Function
    slopes: tuple[Function, ...]
    ranges: tuple[tuple[float, float], ...]


def reference(value: Function, *slopes: Function, over: tuple[float, float] = (-HUGE, HUGE), operands: int = 0) -> Reference:
    return Reference(value, slopes, (over,) * (operands or len(slopes)))


def over(numerator: Any, denominator: Any) -> Any:
    """A quotient that is infinite at a zero denominator, as in the limit."""
    return numerator / denominator if denominator else numerator * mpf("inf")


def logistic(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x)) if x >= 0 else mpmath.exp(x) / (1 + mpmath.exp(x))


def softplus(x: Any) -> Any:
    return max(x, mpf(0)) + mpmath.log1p(mpmath.exp(-abs(x)))


def logaddexp(x: Any, y: Any) -> Any:
    return max(x, y) + mpmath.log1p(mpmath.exp(-abs(x - y)))


def turn(a: Any, b: Any) -> Any:
    return a / (a * a + b * b)


def cbrt(x: Any) -> Any:
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


def sech_squared(x: Any) -> Any:
    e = mpmath.exp(-2 * abs(x))
    return 4 * e / (1 + e) ** 2


def gauss(x: Any) -> Any:
    return mpmath.exp(-x * x)


def bell(x: Any) -> Any:
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


def upper_tail(x: Any) -> Any:
    """The probability that a standard normal number is above a positive x, as accurate as mpmath's erfc: relatively."""
    return mpmath.erfc(x / mpmath.sqrt(2)) / 2 if x < 100 else bell(x) / mills(-x)


def ndtr(x: Any) -> Any:
    return upper_tail(-x) if x < 0 else 1 - upper_tail(x)


def ndtri(p: Any) -> Any:
    """Newton's method from the float, on the logarithm of the smaller tail."""
    if p > 0.5:
        return -ndtri(1 - p)
    x = mpf(NormalDist().inv_cdf(float(p)))
    for _ in range(5):
        x -= (log_ndtr(x) - mpmath.log(p)) / mills(x)
    return x


def log_ndtr(x: Any) -> Any:
    return mpmath.log(upper_tail(-x)) if x < 0 else mpmath.log1p(-upper_tail(x))


def mills(x: Any) -> Any:
    if x > -100:
        return bell(x) / ndtr(x)
    found = -x
    for k in range(60, 0, -1):
        found = k / found - x
    return found


def betaln(a: Any, b: Any) -> Any:
    return mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)


def whole(function: Function) -> Function:
    """A function of exact fractions: 50 digits do not hold what a huge quotient leaves."""

    def exact(*arguments: Any) -> Any:
        found = Fraction(function(*(Fraction(*map(int, x.as_integer_ratio())) for x in map(float, arguments))))
        return mpf(found.numerator) / found.denominator

    return exact


ROOT2PI = 2 / mpmath.sqrt(mpmath.pi)
EXP = (-745.0, 709.7)
#: Two operands whose products and quotients stay clear of subnormal numbers, where a rounding is not relative.
MIDDLE = (-1e100, 1e100)
ANGLE = (-1e6, 1e6)


def one(*_: Any) -> Any:
    return mpf(1)


REFERENCES: dict[str, Reference] = {
    "add": reference(lambda x, y: x + y, one, one, over=(-8e307, 8e307)),
    "sub": reference(lambda x, y: x - y, one, lambda x, y: mpf(-1), over=(-8e307, 8e307)),
    "mul": reference(lambda x, y: x * y, lambda x, y: y, lambda x, y: x, over=MIDDLE),
    "div": reference(lambda x, y: x / y, lambda x, y: 1 / y, lambda x, y: -x / y**2, over=MIDDLE),
    "neg": reference(lambda x: -x, lambda x: mpf(-1)),
    "square": reference(lambda x: x * x, lambda x: 2 * x, over=(-1.3e154, 1.3e154)),
    "cube": reference(lambda x: x**3, lambda x: 3 * x * x, over=(-5e102, 5e102)),
    "quartic": reference(lambda x: x**4, lambda x: 4 * x**3, over=(-1e77, 1e77)),
    "reciprocal": reference(lambda x: 1 / x, lambda x: -1 / x**2, over=(-HUGE, HUGE)),
    "abs": reference(abs, mpmath.sign),
    "sqrt": reference(mpmath.sqrt, lambda x: 1 / (2 * mpmath.sqrt(x)), over=(0.0, HUGE)),
    "cbrt": reference(cbrt, lambda x: 1 / (3 * cbrt(x) ** 2)),
    "hypot": reference(mpmath.hypot, lambda x, y: x / mpmath.hypot(x, y), lambda x, y: y / mpmath.hypot(x, y), over=MIDDLE),
    "exp": reference(mpmath.exp, mpmath.exp, over=EXP),
    "exp2": reference(lambda x: mpf(2) ** x, lambda x: mpmath.log(2) * mpf(2) ** x, over=(-1074.0, 1023.9)),
    "expm1": reference(mpmath.expm1, mpmath.exp, over=EXP),
    "log": reference(mpmath.log, lambda x: 1 / x, over=(TINY, HUGE)),
    "log2": reference(lambda x: mpmath.log(x) / mpmath.log(2), lambda x: 1 / (x * mpmath.log(2)), over=(TINY, HUGE)),
    "log10": reference(lambda x: mpmath.log(x) / mpmath.log(10), lambda x: 1 / (x * mpmath.log(10)), over=(TINY, HUGE)),
    "log1p": reference(mpmath.log1p, lambda x: 1 / (1 + x), over=(-1.0, HUGE)),
    "sin": reference(mpmath.sin, mpmath.cos, over=ANGLE),
    "cos": reference(mpmath.cos, lambda x: -mpmath.sin(x), over=ANGLE),
    "tan": reference(mpmath.tan, lambda x: 1 / mpmath.cos(x) ** 2, over=ANGLE),
    "asin": reference(mpmath.asin, lambda x: over(mpf(1), mpmath.sqrt(1 - x * x)), over=(-1.0, 1.0)),
    "acos": reference(mpmath.acos, lambda x: over(mpf(-1), mpmath.sqrt(1 - x * x)), over=(-1.0, 1.0)),
    "atan": reference(mpmath.atan, lambda x: 1 / (1 + x * x)),
    "atan2": reference(mpmath.atan2, lambda y, x: turn(x, y), lambda y, x: -turn(y, x), over=MIDDLE),
    "degrees": reference(mpmath.degrees, lambda x: 180 / mpmath.pi, over=(-1e306, 1e306)),
    "radians": reference(mpmath.radians, lambda x: mpmath.pi / 180),
    "sinh": reference(mpmath.sinh, mpmath.cosh, over=(-709.7, 709.7)),
    "cosh": reference(mpmath.cosh, mpmath.sinh, over=(-709.7, 709.7)),
    "tanh": reference(mpmath.tanh, sech_squared),
    "asinh": reference(mpmath.asinh, lambda x: 1 / mpmath.sqrt(1 + x * x)),
    "acosh": reference(mpmath.acosh, lambda x: over(mpf(1), mpmath.sqrt((x - 1) * (x + 1))), over=(1.0, HUGE)),
    "atanh": reference(mpmath.atanh, lambda x: 1 / ((1 - x) * (1 + x)), over=(-1.0, 1.0)),
    "sigmoid": reference(logistic, lambda x: logistic(x) * logistic(-x), over=(-709.7, HUGE)),
    "cosigmoid": reference(lambda x: logistic(-x), lambda x: -logistic(x) * logistic(-x), over=(-HUGE, 709.7)),
    "logistic": reference(logistic, lambda x: logistic(x) * logistic(-x)),
    "softplus": reference(softplus, logistic),
    "relu": reference(lambda x: max(x, mpf(0)), lambda x: mpf(x > 0)),
    "logaddexp": reference(logaddexp, lambda x, y: logistic(x - y), lambda x, y: logistic(y - x), over=(-1e4, 1e4)),
    "growth": Reference(lambda a, x: a * logistic(-x), (lambda a, x: logistic(-x), lambda a, x: -a * logistic(x) * logistic(-x)),
                        ((-1e30, 1e30), (-HUGE, 600.0))),
    "pow_positive": Reference(lambda x, y: x**y, (lambda x, y: y * x ** (y - 1), lambda x, y: x**y * mpmath.log(x)),
                              ((1e-30, 1e30), (-9.0, 9.0))),
    "share": reference(lambda x, y: logistic(x - y), lambda x, y: logistic(x - y) * logistic(y - x),
                       lambda x, y: -logistic(x - y) * logistic(y - x), over=(-1e4, 1e4)),
    "xlogy": Reference(lambda x, y: x * mpmath.log(y), (lambda x, y: mpmath.log(y), lambda x, y: x / y), (MIDDLE, (1e-100, 1e100))),
    "xlog1py": Reference(lambda x, y: x * mpmath.log1p(y), (lambda x, y: mpmath.log1p(y), lambda x, y: x / (1 + y)),
                         (MIDDLE, (-0.999, 1e100))),
    "logit": reference(lambda x: mpmath.log(x / (1 - x)), lambda x: 1 / (x * (1 - x)), over=(1e-300, math.nextafter(1.0, 0.0))),
    "ndtr": reference(ndtr, bell, over=(-37.0, HUGE)),
    "ndtri": reference(ndtri, lambda p: 1 / bell(ndtri(p)), over=(1e-290, 0.9999)),
    "ndtri_dx": reference(lambda p: 1 / bell(ndtri(p)), lambda p: ndtri(p) / bell(ndtri(p)) ** 2, over=(1e-140, 0.9999)),
    "erfinv": reference(mpmath.erfinv, lambda x: 1 / ROOT2PI / gauss(mpmath.erfinv(x)), over=(-0.9999, 0.9999)),
    "erfcinv": reference(lambda x: -ndtri(x / 2) / mpmath.sqrt(2), lambda x: -1 / ROOT2PI / gauss(ndtri(x / 2) / mpmath.sqrt(2)),
                         over=(1e-290, 1.9999)),
    "entr": reference(lambda x: -x * mpmath.log(x), lambda x: -1 - mpmath.log(x), over=(1e-100, 1e100)),
    "log_ratio": reference(lambda x, y: mpmath.log(x / y), lambda x, y: 1 / x, lambda x, y: -1 / y, over=(1e-100, 1e100)),
    "rel_entr": reference(lambda x, y: x * mpmath.log(x / y), lambda x, y: mpmath.log(x / y) + 1, lambda x, y: -x / y,
                          over=(1e-100, 1e100)),
    "kl_div": reference(lambda x, y: x * mpmath.log(x / y) - x + y, lambda x, y: mpmath.log(x / y), lambda x, y: 1 - x / y,
                        over=(1e-100, 1e100)),
    "bell": reference(bell, lambda x: -x * bell(x)),
    "log_ndtr": reference(log_ndtr, mills, over=(-1e3, 37.0)),
    "mills": reference(mills, lambda x: -mills(x) * (x + mills(x)), over=(-1e3, 37.0)),
    "mills_gap": reference(lambda x: x + mills(x), lambda x: 1 - mills(x) * (x + mills(x)), over=(-1e3, 37.0)),
    "betaln": reference(betaln, lambda a, b: mpmath.digamma(a) - mpmath.digamma(a + b),
                        lambda a, b: mpmath.digamma(b) - mpmath.digamma(a + b), over=(1e-3, 1e3)),
    "erf": reference(mpmath.erf, lambda x: ROOT2PI * gauss(x)),
    "erfc": reference(lambda x: mpmath.erfc(x) if abs(x) < 40 else mpf(2 * (x < 0)), lambda x: -ROOT2PI * gauss(x)),
    "gauss": reference(gauss, lambda x: -2 * x * gauss(x)),
    "gamma": reference(mpmath.gamma, lambda x: mpmath.gamma(x) * mpmath.digamma(x), over=(1e-300, 171.6)),
    "lgamma": reference(mpmath.loggamma, mpmath.digamma, over=(1e-300, 1e305)),
    "digamma": reference(mpmath.digamma, lambda x: mpmath.polygamma(1, x), over=(1e-150, HUGE)),
    "polygamma": reference(lambda x: mpmath.polygamma(1, x), lambda x: mpmath.polygamma(2, x), over=(1e-100, 1e100)),
    "pow": Reference(lambda x, y: x**y, (lambda x, y: y * x ** (y - 1), lambda x, y: x**y * mpmath.log(x)), ((1e-30, 1e30), (-9.0, 9.0))),
    "powi": Reference(lambda x, n: x**5, (lambda x, n: 5 * x**4,), ((-1e60, 1e60), (5.0, 5.0))),
    "pow_halves": Reference(lambda x, y: x**-1.5, (lambda x, y: -1.5 * x**-2.5,), ((1e-120, 1e120), (-1.5, -1.5))),
    "max": reference(max, lambda x, y: mpf(not y > x), lambda x, y: mpf(y > x)),
    "min": reference(min, lambda x, y: mpf(not y < x), lambda x, y: mpf(y < x)),
    "maximum": reference(max, lambda x, y: (1 + mpmath.sign(x - y)) / 2, lambda x, y: (1 + mpmath.sign(y - x)) / 2),
    "minimum": reference(min, lambda x, y: (1 + mpmath.sign(y - x)) / 2, lambda x, y: (1 + mpmath.sign(x - y)) / 2),
    "copysign": reference(lambda x, y: abs(x) * mpmath.sign(y), lambda x, y: mpmath.sign(x) * mpmath.sign(y), operands=2),
    "mod": reference(whole(lambda x, y: x - y * (x // y)), one, whole(lambda x, y: -(x // y))),
    "fmod": reference(whole(lambda x, y: x - y * int(x / y)), one, whole(lambda x, y: Fraction(-int(x / y)))),
    "remainder": reference(whole(lambda x, y: x - y * round(x / y)), one, whole(lambda x, y: Fraction(-round(x / y)))),
}  # fmt: skip


# ---------------------------------------------------------------------------------------------- running a rule


def traced(op: Op, builder: Builder, args: list[Atom], attrs: dict[str, Any]) -> list[Atom]:
    """Emits an operation and its rule: the value, then one partial per operand (0.0 where there is none)."""
    out = builder.emit(op.name, *args, **attrs)
    partials = partials_of(op, builder, out, args, tuple(attrs.items()))
    return [out, *(Lit(0.0, FLOAT) if partial is None else partial.atom for partial in partials)]


def attributes(op: Op) -> dict[str, Any]:
    return {"n": 1} if op.attrs else {}


def text_of(stage: Stage, target: str = "python") -> str:
    """A stage as one line of Python."""
    op = REGISTRY[stage.op]
    attrs = dict(stage.attrs)
    words = {name: f"({word(arg)})" for name, arg in zip(op.operands, stage.args, strict=True)}
    template = op.template(target, attrs)
    return f"{word(stage.out)} = {template.format(**words, **attrs)}"


def word(atom: Atom) -> str:
    return f"v{atom.version}" if not isinstance(atom, Lit) else f"float({str(atom.value)!r})" if atom.type == FLOAT else repr(atom.value)


def words() -> dict[str, Any]:
    """What the text of a stage may use: math and every helper."""
    found: dict[str, Any] = {"math": math}
    for helper in HELPERS.values():
        exec(helper.for_target("python"), found)
    return found


def runnable(name: str, constants: dict[str, float | int] | None = None, lib: str = "") -> Function:
    """operands -> (value, partial, partial, …): a rule as one plain Python function."""
    op, fresh = REGISTRY[name], Fresh()
    builder = Builder(fresh)
    given = constants or {}
    params = [fresh.var("", BOOL if operand == "test" else FLOAT) for operand in op.operands]
    args: list[Atom] = [builder.atom(given[operand]) if operand in given else p for operand, p in zip(op.operands, params, strict=True)]
    results = traced(op, builder, args, {**attributes(op), **({"lib": lib} if lib else {})})
    body = "".join(f"    {text_of(stage)}\n" for stage in builder.stmts)
    text = f"def rule({', '.join(map(word, params))}):\n{body}    return {', '.join(map(word, results))}\n"
    scope = words()
    if lib:
        import numpy

        scope["np"] = numpy
    exec(text, scope)
    return scope["rule"]  # type: ignore[no-any-return]  # exec defines it


# ---------------------------------------------------------------------------------------------- points and errors


def points(reference: Reference, count: int, seed: int) -> list[tuple[float, ...]]:
    """Points over the ranges: edges and subnormals first, then random ones, half of them spread over the magnitudes."""
    random_ = random.Random(seed)
    edges = [_edges(low, high) for low, high in reference.ranges]
    first = [tuple(random_.choice(column) for column in edges) for _ in range(min(count // 10, 200 * len(edges)))]
    rest = [tuple(_draw(random_, *span) for span in reference.ranges) for _ in range(count - len(first))]
    return first + rest


def _edges(low: float, high: float) -> list[float]:
    inside = [low, high, math.nextafter(low, high), math.nextafter(high, low), 1.0, -1.0, 0.5, 2.0, -0.5, 1e-8, -1e-8, 1e4, -1e4]
    small = [TINY, -TINY, 3 * TINY, 2.225e-308, 2.2250738585072014e-308, -1e-310, 1e-300]
    near_one = [1 + 2.0**-52, 1 - 2.0**-53, -1 + 2.0**-53, 1 - 1e-9, -1 + 1e-9]
    return [x for x in (*inside, *(small if low <= 0 else ()), *near_one) if low <= x <= high and x != 0.0]


def _draw(random_: random.Random, low: float, high: float) -> float:
    while True:
        kind = random_.random()
        if kind < 0.3 or low == high:
            x = random_.uniform(max(low, -30.0), min(high, 30.0))
        elif kind < 0.5:
            x = random_.uniform(max(low, -1e9), min(high, 1e9))
        elif kind < 0.6:
            x = math.copysign(1.0, random_.random() - 0.5) + random_.choice((-1, 1)) * 10.0 ** random_.uniform(-16, 0)
        else:
            top = math.log10(max(abs(low), abs(high)))
            bottom = -323.0 if low <= 0.0 or low < 1e-300 else math.log10(low)
            bottom = max(bottom, -top) if top < 300 and low < 0 and top > 6 else bottom
            x = random_.choice((-1.0, 1.0)) * 10.0 ** random_.uniform(bottom, top)
        if low <= x <= high and x != 0.0:
            return x


def ulps(found: float, exact: Any) -> float:
    """The distance from the exact number in units in the last place of its float; 0 where both overflow."""
    try:
        nearest = float(exact)
    except OverflowError:
        nearest = math.copysign(math.inf, exact)
    if math.isinf(nearest) or abs(exact) > HUGE:
        return 0.0 if math.isinf(found) or abs(found) == HUGE else math.inf
    if math.isinf(found) or math.isnan(found):
        return math.inf
    return float(abs(mpf(found) - exact) / mpf(math.ulp(nearest)))


def _judge(found: float, exact: Any, value: Any, point: tuple[float, ...]) -> float:
    """The error in ulp; a slope that is written in terms of a subnormal value inherits two units of that value's rounding."""
    error = ulps(found, exact)
    if not 0 < abs(value) < SMALLEST_NORMAL or math.isinf(error):
        return error
    return float(max(mpf(0), error - abs(exact / value) * 2 * TINY / math.ulp(float(exact))))


def absolute(unit: float) -> Function:
    """Judges by the absolute error, in multiples of `unit`."""
    return lambda found, exact, value, point: float(abs(mpf(found) - exact) / unit)


def _cancelling(found: float, exact: Any, value: Any, point: tuple[float, ...]) -> float:
    """Judges by the largest number that takes part, of which the result may be a small rest."""
    return float(abs(mpf(found) - exact) / math.ulp(max(1.0, abs(float(exact)), *map(abs, point))))


def _flushed(found: float, exact: Any, value: Any, point: tuple[float, ...]) -> float:
    """Lets a result below the smallest normal number be zero."""
    return 0.0 if max(abs(exact), abs(found)) < SMALLEST_NORMAL else ulps(found, exact)


#: (operation, 0 for its value or k for its k-th slope) -> another measure than 8 ulp of the result, and why.
EXCEPTIONS: dict[tuple[str, int], Function] = {
    # The textbook slopes in terms of the result, which the project keeps for readability: one rounding of 1.
    ("sigmoid", 1): absolute(2.0**-53),
    ("cosigmoid", 1): absolute(2.0**-53),
    ("tanh", 1): absolute(2.0**-52),
    # log1p(...) plus the larger operand, as in NumPy: near its zero the operands' rounding shows.
    ("logaddexp", 0): _cancelling,
    # Python's own math.lgamma has an absolute error near its zeros at 1 and 2.
    ("lgamma", 0): _cancelling,
    # Differences of what is of the size of one: absolute where they are small.
    ("betaln", 0): lambda found, exact, value, point: _cancelling(found, exact, value, (*point, 40.0)),  # lgamma where it is used
    ("betaln", 1): _cancelling,
    ("mills", 1): absolute(2.0**-49),  # a product with mills_gap
    ("betaln", 2): _cancelling,
    ("entr", 1): _cancelling,
    ("rel_entr", 1): _cancelling,
    ("kl_div", 0): _cancelling,
    ("ndtri_dx", 1): lambda found, exact, value, point: ulps(found, exact) / 2,  # twice the value's own error, which is squared
    ("mills_gap", 0): absolute(2.0**-51),
    ("mills_gap", 1): absolute(2.0**-47),
    # 1 + x*x overflows where the slope is subnormal.
    ("atan", 1): _flushed,
}


#: Operands that are constants wherever a rule is used.
CONSTANTS: dict[str, dict[str, float | int]] = {"powi": {"n": 5}, "pow_halves": {"y": -1.5}}


def measure(name: str, count: int, seed: int = 1) -> tuple[list[float], list[tuple[float, ...]]]:
    """The worst error in ulp of a rule's value and of each slope, and where it is."""
    known, rule = REFERENCES[name], runnable(name, CONSTANTS.get(name))
    worst: list[float] = [0.0] * (1 + len(known.slopes))
    where: list[tuple[float, ...]] = [()] * (1 + len(known.slopes))
    for point in points(known, count, seed):
        try:
            found = rule(*point)
        except (OverflowError, ValueError, ZeroDivisionError):
            if overflows(known, point):
                continue
            raise
        exact = [function(*map(mpf, point)) for function in (known.value, *known.slopes)]
        for k, answer in enumerate(exact):
            error = EXCEPTIONS.get((name, k), _judge)(found[k], answer, exact[0], point)
            if error > worst[k]:
                worst[k], where[k] = error, point
    return worst, where


def overflows(known: Reference, point: tuple[float, ...]) -> bool:
    """Does the value or a slope exceed the floats at a point?"""
    exact = [mpf(x) for x in point]
    return any(abs(function(*exact)) > HUGE for function in (known.value, *known.slopes))
