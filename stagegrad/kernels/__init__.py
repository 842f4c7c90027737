"""Vector mathematics for compiled loops: functions of numbers without branches, which LLVM runs on several numbers at once.

Numba compiles each call as inlined instructions; called from Python (or under ``NUMBA_DISABLE_JIT=1``) they are those of `math` and
NumPy. Operands are float64, or float32 where all of them are; nothing raises: the answers at the ends of a domain are inf and nan, as
NumPy's are. Errors are below 2 units in the last place over the whole domain (2.5 for sigmoid, erf, tan and ndtr, a little
more for shares and for the slopes of powers and angles); docs/kernels.md lists them.

This package imports nothing of stagegrad's, so that a generated file can have a copy of it beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import choice, error, exponential, inverse, logarithm, power, quotient, trigonometric
from .vector import vector


def _like(found: Any, *operands: float) -> float:
    """A result as a number of its operands' kind: float32 where all of them are."""
    if all(isinstance(operand, np.float32) for operand in operands):
        with np.errstate(all="ignore"):
            return np.float32(found)  # type: ignore[return-value]  # a float32 is a number as any other
    return float(found)


def _numpy(function: Callable[..., Any], *operands: float) -> float:
    """What NumPy answers to float64 numbers, without its warnings."""
    with np.errstate(all="ignore"):
        return _like(function(*map(np.float64, operands)), *operands)


# ---------------------------------------------------------------------------------------------- exponentials


@vector(exponential.exp, single=exponential.exp)
def exp(x: float) -> float:
    """The exponential function."""
    return _numpy(np.exp, x)


@vector(exponential.exp2, single=exponential.exp2)
def exp2(x: float) -> float:
    """2**x, exact for whole x."""
    return _numpy(np.exp2, x)


@vector(exponential.expm1, single=exponential.expm1)
def expm1(x: float) -> float:
    """exp(x) - 1, accurate near 0."""
    return _numpy(np.expm1, x)


@vector(exponential.sinh)
def sinh(x: float) -> float:
    """The hyperbolic sine."""
    return _numpy(np.sinh, x)


@vector(exponential.cosh)
def cosh(x: float) -> float:
    """The hyperbolic cosine."""
    return _numpy(np.cosh, x)


@vector(exponential.tanh, single=exponential.tanh_single)
def tanh(x: float) -> float:
    """The hyperbolic tangent."""
    return _numpy(np.tanh, x)


@vector(exponential.sigmoid, single=exponential.sigmoid)
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), accurate at both ends."""
    e = exp(-abs(x))
    return _like((1.0 if x >= 0.0 else e) / (1.0 + e), x)


@vector(exponential.share, single=exponential.share)
def share(x: float, y: float) -> float:
    """exp(x) / (exp(x) + exp(y)) that never overflows; 0 where both are -inf."""
    if x == y:
        return _like(0.5 if x > -math.inf else 0.0, x, y)
    with np.errstate(all="ignore"):
        return sigmoid(x - y)


# ---------------------------------------------------------------------------------------------- logarithms


@vector(logarithm.log, single=logarithm.log)
def log(x: float) -> float:
    """The natural logarithm; nan below 0."""
    return _numpy(np.log, x)


@vector(logarithm.log2)
def log2(x: float) -> float:
    """The binary logarithm, exact for powers of two."""
    return _numpy(np.log2, x)


@vector(logarithm.log10)
def log10(x: float) -> float:
    """The decimal logarithm."""
    return _numpy(np.log10, x)


@vector(logarithm.log1p, single=logarithm.log1p)
def log1p(x: float) -> float:
    """log(1 + x), accurate near 0."""
    return _numpy(np.log1p, x)


@vector(logarithm.softplus, single=logarithm.softplus)
def softplus(x: float) -> float:
    """log(1 + exp(x)) that never overflows."""
    return logaddexp(x, _like(0.0, x))


@vector(logarithm.logaddexp, single=logarithm.logaddexp)
def logaddexp(x: float, y: float) -> float:
    """log(exp(x) + exp(y)) that never overflows."""
    return _numpy(np.logaddexp, x, y)


@vector(logarithm.xlogy, single=logarithm.xlogy)
def xlogy(x: float, y: float) -> float:
    """x log(y), which is 0 where x is."""
    return _like(0.0, x, y) if x == 0.0 and y == y else _numpy(lambda x, y: x * np.log(y), x, y)


@vector(logarithm.xlog1py, single=logarithm.xlog1py)
def xlog1py(x: float, y: float) -> float:
    """x log(1 + y), which is 0 where x is."""
    return _like(0.0, x, y) if x == 0.0 and y == y else _numpy(lambda x, y: x * np.log1p(y), x, y)


# ---------------------------------------------------------------------------------------------- trigonometry


@vector(trigonometric.sin, single=trigonometric.sin)
def sin(x: float) -> float:
    """The sine, of numbers of any size."""
    return _numpy(np.sin, x)


@vector(trigonometric.cos, single=trigonometric.cos)
def cos(x: float) -> float:
    """The cosine, of numbers of any size."""
    return _numpy(np.cos, x)


@vector(trigonometric.tan, single=trigonometric.tan)
def tan(x: float) -> float:
    """The tangent, of numbers of any size."""
    return _numpy(np.tan, x)


@vector(inverse.asin)
def asin(x: float) -> float:
    """The arc sine; nan beyond 1."""
    return _numpy(np.arcsin, x)


@vector(inverse.acos)
def acos(x: float) -> float:
    """The arc cosine; nan beyond 1."""
    return _numpy(np.arccos, x)


@vector(inverse.atan)
def atan(x: float) -> float:
    """The arc tangent."""
    return _numpy(np.arctan, x)


@vector(inverse.atan2)
def atan2(y: float, x: float) -> float:
    """The angle of the point (x, y)."""
    return _numpy(np.arctan2, y, x)


# ---------------------------------------------------------------------------------------------- powers


@vector(power.pow)
def pow(x: float, y: float) -> float:
    """x**y; nan where it would be complex."""
    fractional = math.isinf(y) or y % 1.0 != 0.0
    # There NumPy may answer -0.0 and nan, where C and Python answer 0.0 and inf.
    return _numpy(np.power, abs(x) if fractional and x in (0.0, -math.inf) else x, y)


@vector(power.pow_halves, single=power.pow_halves)
def pow_halves(x: float, y: float) -> float:
    """x**y for y = ±0.5, ±1.5 or ±2.5, by a square root; nan where it would be complex."""
    return pow(x, y)


@vector(power.power_times)
def power_times(x: float, y: float, factor: float) -> float:
    """factor * x**y that overflows only where the whole does; nan where it is complex."""
    return _numpy(_power_times, x, y, factor)


def _power_times(x: Any, y: Any, factor: Any) -> Any:
    if x != x or y != y or (x < 0.0 and math.isfinite(y) and y % 1.0 != 0.0):
        return math.nan
    sign = -1.0 if math.copysign(1.0, x) < 0.0 and abs(y) % 2.0 == 1.0 else 1.0
    half = np.power(abs(x), 0.5 * y)
    return sign * factor * half * half


@vector(power.pow_dx)
def pow_dx(x: float, y: float) -> float:
    """The slope of x**y along x."""
    if y == 0.0:
        return _like(0.0, x, y)
    if y >= 0.5 or x == 0.0 or math.isinf(x):
        return _numpy(lambda x, y: _power_times(x, y - 1.0, y), x, y)
    return _numpy(lambda x, y: _power_times(x, y, y) / x, x, y)


@vector(power.pow_dy)
def pow_dy(x: float, y: float, factor: float) -> float:
    """factor * x**y, where the factor is a power of log(x): the slopes of x**y along y."""
    if math.isinf(factor) and x == 0.0:
        return _like(0.0 if y >= 0.0 else math.nan, x, y, factor)
    if math.isinf(factor) and x == math.inf and y < 0.0:
        return _like(0.0, x, y, factor)
    return power_times(x, y, factor)


@vector(power.over_square)
def over_square(a: float, b: float) -> float:
    """a / (a**2 + b**2) without overflow; nan at the origin."""
    distance = math.hypot(a, b)
    if distance == 0.0:
        return _like(math.nan, a, b)
    if math.isinf(distance) and a == a and b == b:
        return _like(0.0, a, b)
    return _like(float(a) / distance / distance, a, b)


@vector(quotient.over, single=quotient.over)
def over(x: float, y: float) -> float:
    """x / y where several numbers are divided by y: its reciprocal is computed once."""
    return _numpy(np.divide, x, y)


@vector(power.hypot)
def hypot(x: float, y: float) -> float:
    """sqrt(x**2 + y**2) without overflow."""
    return _numpy(np.hypot, x, y)


# -------------------------------------------------------------------------------- the error function and the normal distribution


@vector(error.erf)
def erf(x: float) -> float:
    """The error function."""
    return _like(math.erf(x), x)


@vector(error.erfc)
def erfc(x: float) -> float:
    """1 - erf(x), accurate where it is small."""
    return _like(math.erfc(x), x)


@vector(error.gauss, single=error.gauss)
def gauss(x: float) -> float:
    """exp(-x**2)."""
    return _like(_exp_of_square(x, -1.0), x)


@vector(error.bell, single=error.bell)
def bell(x: float) -> float:
    """The standard normal density."""
    return _like(0.3989422804014327 * _exp_of_square(x, -0.5), x)


@vector(error.ndtr)
def ndtr(x: float) -> float:
    """The probability that a standard normal number is below x."""
    return _like(0.5 * math.erfc(-math.sqrt(0.5) * x), x)


def _exp_of_square(x: float, factor: float) -> float:
    """``exp(factor * x**2)``, the square in two parts: its rounding error would show in the exponential."""
    if not abs(x) < 40.0:
        return 0.0 if x == x else math.nan
    high = math.floor(float(x) * 1048576.0) / 1048576.0
    return math.exp(factor * high * high) * math.exp(-factor * (high - x) * (high + x))


# ---------------------------------------------------------------------------------------------- the larger and the smaller of two


@vector(choice.maximum, single=choice.maximum)
def maximum(x: float, y: float) -> float:
    """The larger of two numbers; nan where either is nan."""
    return _numpy(np.maximum, x, y)


@vector(choice.minimum, single=choice.minimum)
def minimum(x: float, y: float) -> float:
    """The smaller of two numbers; nan where either is nan."""
    return _numpy(np.minimum, x, y)
