"""The quotient in loops that divide by one number several times: LLVM finds the same reciprocal in all of them, and computes it once.

A processor has one unit that divides, which takes as long as twenty products do. The reciprocal in two parts, ``1 / y = r + s`` to more
than a hundred bits, makes a quotient of two products: ``x r + x s`` rounds as the quotient does, unless that is so near to the middle of
two numbers that a hundred bits do not tell on which side it is: 1 / (1 - 2**-53), and others of divisors next to a power of two.
"""

from __future__ import annotations

from .lane import Lane, fma, where


def over(x: Lane, y: Lane) -> Lane:
    """x / y as IEEE 754 has it; its last bit may be another where it is hardly larger than the subnormal numbers, or midway."""
    form = y.form
    # Both are multiplied by about 1 / sqrt(y): then no reciprocal overflows, and x only where the quotient does.
    half_exponent = (y.raw & (form.bits_of(float("inf")) - (1 << form.fraction))).down(1)
    scale = ((form.bias + form.bias // 2 << form.fraction) - half_exponent).number
    x, y = x * scale, y * scale
    # A little nearer to zero than the reciprocal is, so that the rest has its sign: else infinities would cancel.
    most = 1.0 / y * (1.0 - 2.0**-form.fraction)
    rest = fma(-most, y, 1.0) * most
    rest = where(rest.is_nan, most, rest)  # of zero and infinity
    return fma(x, most, x * rest)
