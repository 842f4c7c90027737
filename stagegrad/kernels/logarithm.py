"""Logarithms, and what is made of them: log1p, softplus, the log of a sum of exponentials.

``x = 2**k m`` with m between sqrt(1/2) and sqrt(2); ``log m = f - f**2/2 + s (f**2/2 + R)`` with ``f = m - 1``, ``s = f / (2 + f)`` and a
polynomial R in s**2 (fdlibm, e_log.c, s_log1p.c and e_log2.c; the float32 coefficients are those of its e_logf.c as refitted in musl).
"""

from __future__ import annotations

import math

from .exponential import exp
from .lane import Lane, near, polynomial, two_product, two_sum, where

R_64 = (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01, 1.818357216161805012e-01,
        1.531383769920937332e-01, 1.479819860511658591e-01)  # fmt: skip
R_32 = (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841)

#: log 2 in two parts, the first with so many zeros at its end that its product with an exponent is exact.
LN2_64 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
LN2_32 = (6.9313812256e-01, 9.0580006145e-06)

#: 1 / log 2 and 1 / log 10 in two parts, and log10(2) with zeros at the end of its first part.
LOG2_E = (1.4426950408889634, float.fromhex("0x1.777d0ffda0d24p-56"))
LOG10_E = (0.4342944819032518, float.fromhex("0x1.95355baaafad3p-57"))
LOG10_2 = (3.01029995663611771306e-01, 3.69423907715893078616e-13)


def _split(x: Lane) -> tuple[Lane, Lane]:
    """k and m with ``x = 2**k m`` of a positive normal number."""
    form = x.form
    exponent = (x.raw - form.bits_of(math.sqrt(0.5))) >> form.fraction
    k = (exponent + form.bits_of(form.magic)).number - form.magic
    return k, (x.raw - (exponent << form.fraction)).number


def split_any(x: Lane) -> tuple[Lane, Lane]:
    """`_split` of a positive number, subnormal ones included."""
    shift = x.form.fraction + 2
    tiny = x < x.form.normal
    k, m = _split(where(tiny, x * 2.0**shift, x))
    return k - where(tiny, float(shift), 0.0), m


def _sum(k: Lane, f: Lane, correction: Lane | None = None) -> Lane:
    """``k log 2 + log(1 + f)``, a small correction added to it."""
    high, low = k.form.pick(LN2_64, LN2_32)
    half, tail = _series(f)
    low_part = k * low if correction is None else near(k, low, correction)
    return k * high - ((half - (tail + low_part)) - f)


def _series(f: Lane) -> tuple[Lane, Lane]:
    """``f**2/2`` and ``s (f**2/2 + R)``, whose difference f exceeds log(1 + f) by."""
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return half, s * near(z, polynomial(z, f.form.pick(R_64, R_32)), half)


def _at_ends(x: Lane, found: Lane) -> Lane:
    """The logarithm of x with its values at 0 and inf, and nan for negative x."""
    found = where(x.equals(math.inf), x, found)
    found = where(x.equals(0.0), -math.inf, found)
    return where((x < 0.0) | x.is_nan, math.nan, found)


def log(x: Lane) -> Lane:
    """The natural logarithm."""
    k, m = split_any(x)
    return _at_ends(x, _sum(k, m - 1.0))


def log1p(x: Lane) -> Lane:
    """log(1 + x); what the sum loses, relative to it, is added to its logarithm."""
    total = x + 1.0
    k, m = _split(total)
    lost = where(k >= 2.0, 1.0 - (total - x), x - (total - 1.0))
    unscaled = k.equals(0.0)
    lost = where(unscaled | (k > x.form.fraction + 1), 0.0, lost / total)
    found = _sum(k, where(unscaled, x, m - 1.0), lost)
    found = where(x.equals(math.inf) | x.equals(0.0), x, found)
    found = where(x.equals(-1.0), -math.inf, found)
    return where((x < -1.0) | x.is_nan, math.nan, found)


def _log1p_of_unit(x: Lane) -> Lane:
    """log(1 + x) for x between 0 and 1; above sqrt(2) - 1 as ``log 2 + log(1 + (x - 1) / 2)``."""
    far = x > math.sqrt(2.0) - 1.0
    return _sum(where(far, 1.0, x.constant(0.0)), where(far, (x - 1.0) * 0.5, x))


def softplus(x: Lane) -> Lane:
    """log(1 + exp(x)) that never overflows."""
    return where((x > 0.0) | x.is_nan, x, 0.0) + _log1p_of_unit(exp(-abs(x)))


def logaddexp(x: Lane, y: Lane) -> Lane:
    """log(exp(x) + exp(y)) that never overflows."""
    found = where(x > y, x, y) + _log1p_of_unit(exp(-abs(x - y)))
    return where(x.equals(y), x + math.log(2.0), found)


def _pair(f: Lane) -> tuple[Lane, Lane]:
    """log(1 + f) in two parts."""
    half, error = two_product(f * 0.5, f)
    s = f / (f + 2.0)
    z = s * s
    high = f - half
    return high, ((f - high) - half - error) + s * near(z, polynomial(z, R_64), half)


def log2(x: Lane) -> Lane:
    """The binary logarithm, exact for powers of two (of float64)."""
    k, m = split_any(x)
    high, low = _pair(m - 1.0)
    product, error = two_product(high, LOG2_E[0])
    rest = near(high, LOG2_E[1], near(low, LOG2_E[0], error))
    total, lost = two_sum(k, product)
    return _at_ends(x, total + (lost + rest))


def log10(x: Lane) -> Lane:
    """The decimal logarithm (of float64)."""
    k, m = split_any(x)
    high, low = _pair(m - 1.0)
    product, error = two_product(high, LOG10_E[0])
    rest = near(high, LOG10_E[1], near(low, LOG10_E[0], error))
    total, lost = two_sum(k * LOG10_2[0], product)
    return _at_ends(x, total + (lost + near(k, LOG10_2[1], rest)))


def xlogy(x: Lane, y: Lane) -> Lane:
    """x log(y), which is 0 where x is."""
    return where(x.equals(0.0) & ~y.is_nan, 0.0, x * log(y))


def xlog1py(x: Lane, y: Lane) -> Lane:
    """x log(1 + y), which is 0 where x is."""
    return where(x.equals(0.0) & ~y.is_nan, 0.0, x * log1p(y))
