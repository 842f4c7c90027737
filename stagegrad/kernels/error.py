"""The error function, the bell curve and the normal distribution, in float64."""

from __future__ import annotations

import math
from functools import cache

from .exponential import exp_pair, scaled
from .lane import Lane, between, fma, near, polynomial, table, two_product, two_sum, where, with_sign

#: The distance between two entries of the table is 1/STEPS; from LAST on, erf(x) is 1.
STEPS, LAST = 128, 6
ROOT_HALF = 0.7071067811865476
BELL = 0.3989422804014327

#: ``erfcx(x) = C(t) / (1 + 2x)`` with ``t = (x - 4) / (x + 4)`` for x from 0 to 28 (interpolation at Chebyshev's points, in 50 digits;
#: the form is that of M. M. Shepherd and J. G. Laframboise, Math. Comp. 36, 1981).
C = (1.2329951186255526, -0.1396211168405629, 0.01537965210262074, 0.06809705425473732, -0.10103906603635213, 0.09373283499679412,
     -0.06633036581152939, 0.03716751556249286, -0.016197734059115006, 0.005031969755895426, -0.00075777334141333,
     -0.00019925550755614952, 0.000150622243948303, -2.4403169244974074e-05, -1.1224789135154701e-05, 5.7178872846321855e-06,
     3.0135049944875397e-07, -8.351619688696847e-07, 6.270727157198311e-08, 1.1534943745754157e-07, -7.71541861441783e-09,
     -1.3670989863347383e-08, -1.8206098680308682e-09)  # fmt: skip

#: Up to here erfc(x), which is then above 1/2, is one minus a series.
NEAR = 0.46875
#: ``erf(x) = x E(x**2)`` up to 1/2 (Remez' exchange).
E = (1.1283791670955126, -0.37612638903183376, 0.11283791670916386, -0.026866170629787526, 0.005223977320829685, -0.0008548293016783632,
     0.00012053098401165495, -1.4839721136892883e-05, 1.4661706852317955e-06)  # fmt: skip


@cache
def _erf_table() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """erf(k / STEPS) and its slope there, correctly rounded: integers stand for multiples of 2**-bits."""
    bits = 200
    one = 1 << bits
    pi = _pi(bits)
    root_pi = math.isqrt(pi << bits)
    values, slopes = [], []
    falling = one  # exp(-x**2)
    for k in range(LAST * STEPS + 2):
        # erf(x) = 2/sqrt(pi) exp(-x**2) (x + 2x**3/3 + 4x**5/15 + ...), a sum without cancellation.
        term = total = k * one // STEPS
        n = 1
        while term:
            term = term * (2 * k * k) // (STEPS * STEPS * (2 * n + 1))
            total += term
            n += 1
        slope = 2 * (falling << bits) // root_pi
        values.append((slope * total >> bits) / one)
        slopes.append(slope / one)
        falling = falling * _exp_of_minus(2 * k + 1, STEPS * STEPS, bits) >> bits
    return tuple(values), tuple(slopes)


def _exp_of_minus(top: int, bottom: int, bits: int) -> int:
    """exp(-top/bottom) as a multiple of 2**-bits, for a small fraction."""
    term = total = 1 << bits
    n = 1
    while term:
        term = term * top // (bottom * n)
        total += -term if n % 2 else term
        n += 1
    return total


def _pi(bits: int) -> int:
    """pi as a multiple of 2**-bits (Machin's formula)."""

    def arctan_of_inverse(k: int) -> int:
        term = total = (1 << bits + 16) // k
        n = 1
        while term:
            term //= k * k
            total += (-term if n % 2 else term) // (2 * n + 1)
            n += 1
        return total

    return (16 * arctan_of_inverse(5) - 4 * arctan_of_inverse(239)) >> 16


def erf(x: Lane) -> Lane:
    """The error function: Taylor's series around the nearest of the points where it is known."""
    values, slopes = _erf_table()
    size = abs(x)
    inside = where(size < float(LAST), size, float(LAST))
    shifted = inside * float(STEPS) + x.form.magic
    r = (shifted - x.form.magic) * (1.0 / STEPS)
    index = shifted.raw - x.form.bits_of(x.form.magic)
    d = inside - r
    square = r * r
    # The derivatives of exp(-x**2) at r over those at 0 are Hermite's polynomials.
    bends = (
        -r,
        (square * 2.0 - 1.0) * (1 / 3),
        r * (square * 2.0 - 3.0) * (-1 / 6),
        ((square * 4.0 - 12.0) * square + 3.0) * (1 / 30),
        r * ((square * 4.0 - 20.0) * square + 15.0) * (-1 / 90),
    )
    bend = polynomial(d, bends)
    found = near(table(index, "erf_slope", slopes), fma(d * d, bend, d), table(index, "erf", values))
    return with_sign(where(x.is_nan, x, found), x)


def gauss(x: Lane) -> Lane:
    """exp(-x**2); the rounding error of the square would show in the exponential."""
    size = between(abs(x), 0.0, x.form.pick(28.0, 10.5))
    high, low = two_product(size, size)
    bits, p, q = exp_pair(-high, -low)
    return scaled(p + q, bits)


def bell(x: Lane) -> Lane:
    """exp(-x**2/2) / sqrt(2 pi), the standard normal density."""
    bits, p, q = _half_square(between(abs(x), 0.0, x.form.pick(40.0, 14.8)))
    return scaled(near(p, BELL, q * BELL), bits)


def _half_square(x: Lane) -> tuple[Lane, Lane, Lane]:
    """exp(-x**2/2) as `exp_pair` gives it."""
    high, low = two_product(x, x)
    return exp_pair(high * -0.5, low * -0.5)


def erfc(x: Lane) -> Lane:
    """1 - erf(x), with its relative accuracy where it is small."""
    size = between(abs(x), 0.0, 28.0)
    high, low = two_product(size, size)
    tail = _tail(size, 1.0, exp_pair(-high, -low))
    return where(abs(x) < NEAR, fma(-x, _slope(high), 1.0), where(x < 0.0, 2.0 - tail, tail))


def ndtr(x: Lane) -> Lane:
    """The probability that a standard normal number is below x."""
    size = between(abs(x), 0.0, 39.0)
    distance = x * ROOT_HALF
    tail = _tail(size * ROOT_HALF, 0.5, _half_square(size))
    near_half = fma(distance * 0.5, _slope(distance * distance), 0.5)
    return where(abs(distance) < NEAR, near_half, where(x > 0.0, 1.0 - tail, tail))


def _slope(square: Lane) -> Lane:
    """erf(x) / x near 0, of the square of x."""
    return near(square, polynomial(square, E[1:]), E[0])


def _tail(x: Lane, factor: float, power: tuple[Lane, Lane, Lane]) -> Lane:
    """``factor * erfcx(x) * power`` for x from `NEAR` to 28."""
    bits, p, q = power
    t = (x - 4.0) / (x + 4.0)
    # The last two steps one after the other: the sum of the others is small against them.
    series = near(t, near(t, polynomial(t, C[2:]), C[1]), C[0])
    # The quotient once more, by the rounding errors of its parts.
    above, above_lost = two_product(p, series)
    below, below_lost = two_sum(x * (2.0 / factor), 1.0 / factor)
    inverse = 1.0 / below
    ratio = above * inverse
    rest = fma(-ratio, below, above) + (above_lost + near(q, series, -ratio * below_lost))
    return scaled(near(rest, inverse, ratio), bits)
