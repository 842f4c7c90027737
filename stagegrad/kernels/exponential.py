"""The exponential function and what is made of it: exp2, expm1, the hyperbolic functions, the sigmoid.

``x = n log 2 + r`` with an integer n and ``|r| <= log(2) / 2`` gives ``exp(x) = 2**n exp(r)``: Cody and Waite's reduction, exact to
twice the precision because `fma` rounds once. ``exp(r)`` is ``1 + r + r**2 P(r)``, P the polynomial with the least largest error on that
interval (Remez' exchange in 50 digits; the coefficients of r**0 and r**1 of the float64 one set to 1/2 and 1/6).
"""

from __future__ import annotations

import math

from .lane import Format, Lane, between, fma, near, nearest, polynomial, quick_two_sum, two_product, where, with_sign

LOG2_E = 1.4426950408889634
#: log 2 in two parts that together have twice the precision, for each format.
LN2_64 = (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56"))
LN2_32 = (0.6931471824645996, -1.904654299957768e-09)

P_64 = (0.5, 1 / 6, 0.041666666666623824, 0.008333333333330039, 0.0013888888917367081, 0.00019841269863171557, 2.4801521057868204e-05,
        2.7557268276905696e-06, 2.7620201591031547e-07, 2.5100472505694996e-08)  # fmt: skip
P_32 = (0.5, 0.16666513632573582, 0.04166619038034908, 0.008369530731702055, 0.0013951566104784439)

#: ``sinh(x) = x + x z S(z)`` with ``z = x**2`` below 1.
S_64 = (1 / 6, 0.008333333333333333, 0.00019841269841269562, 2.755731922413312e-06, 2.505210834257696e-08, 1.6059051102910495e-10,
        7.646449899053969e-13, 2.849108287722248e-15)  # fmt: skip

#: ``tanh(x) = x + x z T(z) / U(z)`` below 0.625 (Cephes, tanh.c), and the polynomial of Cephes' tanhf.c.
T_64 = (-1.61468768441708447952e3, -9.92877231001918586564e1, -9.64399179425052238628e-1)
U_64 = (4.84406305325125486048e3, 2.23548839060100448583e3, 1.12811678491631932402e2, 1.0)
T_32 = (-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3)


def power_of_two(n: Lane) -> Lane:
    """2**n, for the bits of an integer within the range of normal numbers (see `nearest`)."""
    return ((n + n.form.bias) << n.form.fraction).number


def scaled(x: Lane, bits: Lane) -> Lane:
    """``x * 2**n`` for x near 1 and the bits of n (see `nearest`), rounded once where it is no normal number.

    Two powers of two whose product is 2**n are normal numbers always: their biased exponents are the halves of ``n + 2 * bias``.
    """
    both = bits + 2 * x.form.bias
    half = both.down(1)
    return x * (half << x.form.fraction).number * ((both - half) << x.form.fraction).number


def _ln2(form: Format) -> tuple[float, float]:
    high, low = form.pick(LN2_64, LN2_32)
    return high, low


def _split(x: Lane) -> tuple[Lane, Lane, Lane]:
    """The bits of the integer n, and the rest ``x - n log 2`` in two parts."""
    n, bits = nearest(x * LOG2_E)
    high, low = _ln2(x.form)
    first = fma(n, -high, x)
    rest = fma(n, -low, first)
    return bits, rest, fma(n, -low, first - rest)


def _exp_of_rest(r: Lane, low: Lane | None = None) -> Lane:
    """``exp(r + low) - 1`` for the rest of `_split`."""
    tail = polynomial(r, r.form.pick(P_64, P_32))
    return fma(r * r, tail, r if low is None else r + low)


def exp(x: Lane) -> Lane:
    """exp(x), subnormal results included."""
    limit = x.form.pick(800.0, 110.0)
    bits, r, _ = _split(between(x, -limit, limit))
    return scaled(_exp_of_rest(r) + 1.0, bits)


def exp_pair(x: Lane, low: Lane) -> tuple[Lane, Lane, Lane]:
    """``exp(x + low)`` as ``2**n * (p + q)``, q the rounding error of p: the bits of n, p and q.

    x must be within the range of `exp`, `low` a few units of x.
    """
    bits, r, rest = _split(x)
    r, rest = quick_two_sum(r, rest + low)
    p, q = quick_two_sum(r.constant(1.0), r)
    return bits, p, q + fma(r * r, polynomial(r, r.form.pick(P_64, P_32)), rest)


def exp_inside(x: Lane) -> Lane:
    """exp(x) where neither x nor the result is near the ends of the range."""
    bits, r, _ = _split(x)
    return ((_exp_of_rest(r) + 1.0).raw + (bits << x.form.fraction)).number


def exp2(x: Lane) -> Lane:
    """2**x, exact for whole x."""
    limit = x.form.pick(1100.0, 160.0)
    x = between(x, -limit, limit)
    n, bits = nearest(x)
    high, low = _ln2(x.form)
    r, error = two_product(x - n, high)
    return scaled(_exp_of_rest(r, near(x - n, low, error)) + 1.0, bits)


def expm1(x: Lane) -> Lane:
    """exp(x) - 1 without the loss near 0: ``2 (2**(n-1) - 1/2 + 2**(n-1) (exp(r) - 1))``, the error of the sum added back."""
    form = x.form
    top = form.pick(709.9, 88.8)
    bits, r, low = _split(between(x, form.pick(-50.0, -25.0), top))
    tail = fma(r * r, polynomial(r, form.pick(P_64, P_32)), low)
    scale = power_of_two(bits - 1)
    base, change = scale - 0.5, scale * r
    total = base + change
    error = where(abs(base) > abs(change), change - (total - base), base - (total - change))
    found = (total + fma(scale, tail, error)) * 2.0
    found = where(scale.equals(0.5), r + tail, found)
    found = where(x.equals(0.0), x, found)
    return where(x > top, math.inf, found)


def sigmoid(x: Lane) -> Lane:
    """1 / (1 + exp(-x)) with its relative accuracy at both ends."""
    e = exp(-abs(x))
    return where(x >= 0.0, 1.0, e) / (e + 1.0)


def share(x: Lane, y: Lane) -> Lane:
    """exp(x) / (exp(x) + exp(y)), 1 / (1 + exp(y - x)); what the difference lost would show in the exponential."""
    d = x - y
    back = d - x
    lost = (x - (d - back)) - (y + back)
    size = abs(d)
    lost = where(size < math.inf, where(d >= 0.0, -lost, lost), 0.0)
    e = near(exp(-size), lost, exp(-size))
    found = where(d >= 0.0, 1.0, e) / (e + 1.0)
    return where(x.equals(y), where(x > -math.inf, found.constant(0.5), 0.0), found)


def sinh(x: Lane) -> Lane:
    """The hyperbolic sine: a polynomial below 1, else (e - 1/e) / 2."""
    square = x * x
    near_zero = fma(x * square, polynomial(square, S_64), x)
    large, small = _halves(x)
    return where(abs(x) < 1.0, near_zero, with_sign(large - small, x))


def cosh(x: Lane) -> Lane:
    """The hyperbolic cosine, (e + 1/e) / 2."""
    large, small = _halves(x)
    return large + small


def _halves(x: Lane) -> tuple[Lane, Lane]:
    """exp(|x|) / 2 and exp(-|x|) / 2 (of float64)."""
    bits, p, q = exp_pair(between(abs(x), 0.0, 711.0), x.constant(0.0))
    large = scaled(p + q, bits - 1)
    return large, 0.25 / large


def tanh(x: Lane) -> Lane:
    """The hyperbolic tangent: 1 - 2 / (exp(2x) + 1) away from 0, with one division for both cases."""
    size = abs(x)
    e = exp_inside(between(size, 0.0, 22.0) * 2.0)
    square = x * x
    small = size < 0.625
    top = where(small, size * square * polynomial(square, T_64), -2.0)
    found = where(small, size, 1.0) + top / where(small, polynomial(square, U_64), e + 1.0)
    return with_sign(found, x)


def tanh_single(x: Lane) -> Lane:
    """The hyperbolic tangent of float32: near 0 a polynomial."""
    size = abs(x)
    square = x * x
    e = exp_inside(between(size, 0.0, 10.0) * 2.0)
    near_zero = near(size * square, polynomial(square, T_32), size)
    return with_sign(where(size < 0.625, near_zero, 1.0 - 2.0 / (e + 1.0)), x)
