"""Sine, cosine and tangent of any number.

``x = n pi/2 + r`` (Cody and Waite, pi/2 in three parts, exact through `fma`), then the sine and cosine of r by the polynomials of fdlibm
(k_sin.c, k_cos.c; those of Cephes for float32), and n tells which of the two it is, and its sign. Far from 0, where three parts of pi
are not enough, the C library's function is called for that number alone (`stagegrad.kernels.rare`).
"""

from __future__ import annotations

from typing import NamedTuple

from .lane import Lane, fma, nearest, polynomial, quick_two_sum, two_product, where
from .rare import unless

TWO_OVER_PI = 0.6366197723675814
#: The second parts are positive, so that -0.0 keeps its sign.
PI_HALVES_64 = (float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54"), float.fromhex("-0x1.f1976b7ed8fbcp-110"))
PI_HALVES_32 = (1.570796251296997, 7.549789415861596e-08, 5.390302529957765e-15)

SIN_64 = (-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
          -2.50507602534068634195e-08, 1.58969099521155010221e-10)  # fmt: skip
COS_64 = (4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05, -2.75573143513906633035e-07,
          2.08757232129817482790e-09, -1.13596475577881948265e-11)  # fmt: skip
SIN_32 = (-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4)
COS_32 = (4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5)

#: Up to here the reduction leaves less than a unit in the last place.
FAR_64, FAR_32 = 1e8, 1e4


class _Turned(NamedTuple):
    """A number's sine and cosine up to their signs and order, and the bits of how many quarter turns it is."""

    sine: Lane
    cosine: Lane
    quarters: Lane


def _turned(x: Lane) -> _Turned:
    first, second, third = x.form.pick(PI_HALVES_64, PI_HALVES_32)
    n, quarters = nearest(x * TWO_OVER_PI)
    start = fma(n, -first, x)
    product, error = two_product(n, second)
    # Exact although `start` may be the smaller one: it then has so few bits that the differences need no rounding.
    r, lost = quick_two_sum(start, -product)
    low = fma(n, -third, lost - error)
    return _Turned(_sine(r, low), _cosine(r, low), quarters)


def _sine(r: Lane, low: Lane) -> Lane:
    """sin(r + low) for |r| <= pi/4."""
    z = r * r
    first, *others = r.form.pick(SIN_64, SIN_32)
    v = z * r
    return r - ((z * (low * 0.5 - v * polynomial(z, others)) - low) - v * first)


def _cosine(r: Lane, low: Lane) -> Lane:
    """cos(r + low) for |r| <= pi/4."""
    z = r * r
    half = z * 0.5
    rough = 1.0 - half
    return rough + (((1.0 - rough) - half) + (z * (z * polynomial(z, r.form.pick(COS_64, COS_32))) - r * low))


def _is_odd(quarters: Lane) -> Lane:
    return (quarters << quarters.form.bits - 1) < 0


def _negated_if(bits: Lane, x: Lane) -> Lane:
    """x, with its sign turned where the second lowest of these bits is set."""
    return (x.raw ^ ((bits & 2) << x.form.bits - 2)).number


def _is_far(x: Lane) -> Lane:
    return abs(x) > x.form.pick(FAR_64, FAR_32)


def sin(x: Lane) -> Lane:
    """The sine."""
    sine, cosine, quarters = _turned(x)
    return unless(_is_far(x), x, "sin", _negated_if(quarters, where(_is_odd(quarters), cosine, sine)))


def cos(x: Lane) -> Lane:
    """The cosine."""
    sine, cosine, quarters = _turned(x)
    return unless(_is_far(x), x, "cos", _negated_if(quarters + 1, where(_is_odd(quarters), sine, cosine)))


def tan(x: Lane) -> Lane:
    """The tangent: sine over cosine, or minus cosine over sine."""
    sine, cosine, quarters = _turned(x)
    odd = _is_odd(quarters)
    return unless(_is_far(x), x, "tan", where(odd, -cosine, sine) / where(odd, sine, cosine))
