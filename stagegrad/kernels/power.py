"""Powers and the hypotenuse, in float64."""

from __future__ import annotations

import math

from .exponential import LN2_64, LOG2_E, P_64, scaled
from .lane import Lane, between, fma, nearest, polynomial, quick_two_sum, two_product, where
from .logarithm import split_any

#: ``log m = 2 s + s**3 (2/3 + z L(z))`` with ``s = (m - 1) / (m + 1)`` and ``z = s**2`` (Remez' exchange in 50 digits).
L = (0.4, 0.2857142857142849, 0.22222222222255195, 0.18181818174624875, 0.15384616285051272, 0.1333326482553037, 0.11767923110053342,
     0.10435496950288277, 0.10924551454697139)  # fmt: skip
TWO_THIRDS = (2 / 3, float.fromhex("0x1.5555555555555p-55"))


def pow(x: Lane, y: Lane) -> Lane:
    """x**y with C's answers for zeros, infinities, nan and negative bases."""
    return _at_ends(x, y, _power(abs(x), y))


def pow_halves(x: Lane, y: Lane) -> Lane:
    """x**y for y = ±0.5, ±1.5 or ±2.5, by one square root; where y is a constant, LLVM keeps one of the cases."""
    size, rising, form = abs(x), y > 0.0, x.form
    root = size.call("llvm.sqrt")
    # The divisor of a negative power is kept away from where it would overflow, or lose digits, before the quotient does.
    far, shift = 2.0 ** (3 * form.bias // 8), 2.0 ** (form.bias // 2)
    scale = where(size > far, 1.0 / shift, where(size < 1.0 / far, shift, x.constant(1.0)))
    power, low = _times_root(size, root, where(rising, 1.0, scale), abs(y).equals(1.5))
    inverse = 1.0 / power
    rest = (fma(-power, inverse, 1.0) - low * inverse) * inverse
    inverse = (inverse + where(abs(rest) < math.inf, rest, 0.0)) * scale
    found = where(rising, power + low, inverse)
    found = where(abs(y).equals(0.5), where(rising, root, 1.0 / root), found)
    found = where(size.equals(0.0) | size.equals(math.inf), where(rising, size, 1.0 / size), found)
    return where((x < 0.0) & (size < math.inf), math.nan, found)


def _times_root(x: Lane, root: Lane, scale: Lane, once: Lane) -> tuple[Lane, Lane]:
    """x sqrt(x) scale, or that times x if not `once`, in two parts; `root` is sqrt(x) rounded."""
    scaled = x * scale
    square, square_low = two_product(scaled, x)
    factor, factor_low, less = where(once, scaled, square), where(once, 0.0, square_low), where(once, scale, scaled)
    power, low = two_product(factor, root)
    low = low + factor_low * root + fma(-root, root, x) * 0.5 * less * root
    return power, where(abs(low) < math.inf, low, 0.0)


def _power(x: Lane, y: Lane) -> Lane:
    """exp(y log x) for positive x, the product to twice the precision; its largest error is that of `scaled`."""
    high, low = _log(x)
    product = y * high
    rest = fma(y, high, -product) + y * low
    rest = where(abs(product) < 2000.0, rest, 0.0)
    product = between(product, -2000.0, 2000.0)
    n, _ = nearest(product * LOG2_E)
    r = fma(n, -LN2_64[1], fma(n, -LN2_64[0], product)) + rest
    _, bits = nearest(between(n, -1200.0, 1200.0))
    return scaled(fma(r * r, polynomial(r, P_64), r) + 1.0, bits)


def _log(x: Lane) -> tuple[Lane, Lane]:
    """log x in two parts, with a relative error near 2**-67."""
    k, m = split_any(x)
    f, g = m - 1.0, m + 1.0
    s = f / g
    s_low = (fma(-s, g, f) - s * (m - (g - 1.0))) / g
    z, z_error = two_product(s, s)
    z_low = z_error + s * s_low * 2.0
    bend = z * polynomial(z, L)
    factor, factor_low = quick_two_sum(x.constant(TWO_THIRDS[0]), bend)
    factor_low = factor_low + TWO_THIRDS[1]
    cube, cube_error = two_product(s, z)
    cube_low = cube_error + s * z_low + s_low * z
    term, term_error = two_product(cube, factor)
    term_low = term_error + cube * factor_low + cube_low * factor
    whole, whole_error = two_product(k, LN2_64[0])
    total, lost = quick_two_sum(whole, s * 2.0)
    lost = where(k.equals(0.0), 0.0, lost)
    high, high_lost = quick_two_sum(total, term)
    low = high_lost + lost + (whole_error + k * LN2_64[1]) + s_low * 2.0 + term_low
    return quick_two_sum(high, low)


def _at_ends(x: Lane, y: Lane, found: Lane) -> Lane:
    """The power `found` of |x| with its sign, and with the answers that C99 (F.9.4.4) demands at the ends of the ranges."""
    size, power = abs(x), abs(y)
    whole = _is_whole(power) | (power >= 2.0**52)
    odd = whole & ~_is_whole(power * 0.5) & (power < 2.0**53)
    rising = y > 0.0
    found = where((x < 0.0) & ~whole, math.nan, found)
    found = where(size.equals(0.0), where(rising, found.constant(0.0), math.inf), found)
    found = where(size.equals(math.inf), where(rising, found.constant(math.inf), 0.0), found)
    found = where(odd & (x.raw < 0), -found, found)
    outwards = where(rising, size > 1.0, size < 1.0)
    limit = where(size.equals(1.0), 1.0, where(outwards, found.constant(math.inf), 0.0))
    found = where(power.equals(math.inf), limit, found)
    found = where(x.is_nan | y.is_nan, math.nan, found)
    return where(y.equals(0.0) | x.equals(1.0), 1.0, found)


def _is_whole(size: Lane) -> Lane:
    """Whether a number from 0 to 2**52 has no fraction."""
    return ((size + 2.0**52) - 2.0**52).equals(size)


def power_times(x: Lane, y: Lane, factor: Lane) -> Lane:
    """``factor * x**y`` in two halves, neither of which overflows before the whole does; the limit at 0, nan where it is complex."""
    size = abs(y)
    half = pow(abs(x), y * 0.5)
    whole = _is_whole(size) | (size >= 2.0**52)
    odd = whole & ~_is_whole(size * 0.5) & (size < 2.0**53)
    found = where(odd & (x.raw < 0), -factor, factor) * half * half
    return where(((x < 0.0) & ~whole) | x.is_nan | y.is_nan, math.nan, found)


def pow_dx(x: Lane, y: Lane) -> Lane:
    """The slope of x**y along x, y * x**(y - 1), with its limits at x = 0."""
    direct = (y >= 0.5) | x.equals(0.0) | abs(x).equals(math.inf)
    found = power_times(x, where(direct, y - 1.0, y), y)
    return where(y.equals(0.0), 0.0, where(direct, found, found / x))


def pow_dy(x: Lane, y: Lane, factor: Lane) -> Lane:
    """``factor * x**y`` where the factor is a power of log x: the slopes of x**y along y, with their limits at 0 and infinity."""
    found = power_times(x, y, factor)
    infinite = abs(factor).equals(math.inf)
    found = where(infinite & x.equals(0.0), where(y >= 0.0, found.constant(0.0), math.nan), found)
    return where(infinite & x.equals(math.inf) & (y < 0.0), 0.0, found)


def over_square(a: Lane, b: Lane) -> Lane:
    """a / (a**2 + b**2) without overflow; nan at the origin."""
    distance = hypot(a, b)
    # The first quotient must not be subnormal where the second is not.
    lift = where((abs(a) < 2.0**-500) & (distance > 2.0**-500), distance.constant(2.0**512), 1.0)
    lower = where((abs(a) < 2.0**-500) & (distance > 2.0**-500), distance.constant(2.0**-512), 1.0)
    found = a * lift / distance / distance * lower
    found = where(distance.equals(math.inf) & ~a.is_nan & ~b.is_nan, 0.0, found)
    return where(distance.equals(0.0), math.nan, found)


def hypot(x: Lane, y: Lane) -> Lane:
    """sqrt(x**2 + y**2), scaled where the squares would leave the range."""
    across, up = abs(x), abs(y)
    large, small = where(across > up, across, up), where(across > up, up, across)
    scale = where(large > 2.0**500, large.constant(2.0**-600), where(large < 2.0**-400, large.constant(2.0**600), 1.0))
    back = where(large > 2.0**500, large.constant(2.0**600), where(large < 2.0**-400, large.constant(2.0**-600), 1.0))
    large, small = large * scale, small * scale
    found = fma(large, large, small * small).call("llvm.sqrt") * back
    return where(across.equals(math.inf) | up.equals(math.inf), math.inf, found)
