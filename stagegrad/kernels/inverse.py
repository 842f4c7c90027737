"""The inverse trigonometric functions, after fdlibm (e_asin.c, e_acos.c, s_atan.c, e_atan2.c), in float64."""

from __future__ import annotations

import math

from .lane import Lane, fma, polynomial, where, with_sign

PI_HIGH, PI_LOW = math.pi, 1.2246467991473531772e-16

#: ``asin(x) = x + x z P(z) / Q(z)`` with ``z = x**2`` below 1/2.
ASIN_P = (1.66666666666666657415e-01, -3.25565818622400915405e-01, 2.01212532134862925881e-01, -4.00555345006794114027e-02,
          7.91534994289814532176e-04, 3.47933107596021167570e-05)  # fmt: skip
ASIN_Q = (1.0, -2.40339491173441421878e00, 2.02094576023350569471e00, -6.88283971605453293030e-01, 7.70381505559019352791e-02)

#: ``atan(x) = x - x z A(z)`` with ``z = x**2`` below 7/16.
ATAN = (3.33333333333329318027e-01, -1.99999999998764832476e-01, 1.42857142725034663711e-01, -1.11111104054623557880e-01,
        9.09088713343650656196e-02, -7.69187620504482999495e-02, 6.66107313738753120669e-02, -5.83357013379057348645e-02,
        4.97687799461593236017e-02, -3.65315727442169155270e-02, 1.62858201153657823623e-02)  # fmt: skip
#: From each of these numbers on, the arc tangent is that of 1/2, 1, 3/2 or infinity (in two parts) plus that of what is left.
ATAN_FROM = (0.4375, 0.6875, 1.1875, 2.4375)
ATAN_OF = ((4.63647609000806093515e-01, 2.26987774529616870924e-17), (7.85398163397448278999e-01, 3.06161699786838301793e-17),
           (9.82793723247329054082e-01, 1.39033110312309984516e-17), (1.57079632679489655800e00, 6.12323399573676603587e-17))  # fmt: skip


def atan(x: Lane) -> Lane:
    """The arc tangent."""
    size = abs(x)
    top, bottom = size, size.constant(1.0)
    high, low = size.constant(0.0), size.constant(0.0)
    left = ((size * 2.0 - 1.0, size + 2.0), (size - 1.0, size + 1.0), (size - 1.5, size * 1.5 + 1.0), (size.constant(-1.0), size))
    for start, known, (numerator, denominator) in zip(ATAN_FROM, ATAN_OF, left, strict=True):
        beyond = size >= start
        top, bottom = where(beyond, numerator, top), where(beyond, denominator, bottom)
        high, low = where(beyond, known[0], high), where(beyond, known[1], low)
    t = top / bottom
    z = t * t
    return with_sign(high - ((t * (z * polynomial(z, ATAN)) - low) - t), x)


def atan2(y: Lane, x: Lane) -> Lane:
    """The angle of the point (x, y), with C's answers at the origin and at infinity."""
    tall, wide = abs(y), abs(x)
    ratio = where(tall.equals(math.inf) & wide.equals(math.inf), 1.0, tall / wide)
    ratio = where(tall.equals(0.0) & wide.equals(0.0), 0.0, ratio)
    angle = atan(ratio)
    return with_sign(where(x.raw < 0, PI_HIGH - (angle - PI_LOW), angle), y)


class _Chord:
    """What `asin` and `acos` share: below 1/2 the number itself, above it the half angle's sine, ``sqrt((1 - |x|) / 2)``."""

    def __init__(self, x: Lane) -> None:
        size = abs(x)
        self.small = size < 0.5
        square = where(self.small, x * x, (1.0 - size) * 0.5)
        root = square.call("llvm.sqrt")
        self.sine = where(self.small, size, root)
        self.lost = where(square.equals(0.0), 0.0, fma(-root, root, square) / (root + root))  # of the root
        self.tail = self.sine * (square * polynomial(square, ASIN_P) / polynomial(square, ASIN_Q))


def asin(x: Lane) -> Lane:
    """The arc sine; nan beyond 1."""
    half = _Chord(x)
    far = PI_HIGH / 4 - ((half.tail * 2.0 - (PI_LOW / 2 - half.lost * 2.0)) - (PI_HIGH / 4 - half.sine * 2.0))
    return with_sign(where(half.small, half.sine + half.tail, far), x)


def acos(x: Lane) -> Lane:
    """The arc cosine; nan beyond 1."""
    half = _Chord(x)
    near = PI_HIGH / 2 - (x - (PI_LOW / 2 - with_sign(half.tail, x)))
    angle = half.sine + (half.tail + half.lost)
    return where(half.small, near, where(x < 0.0, PI_HIGH - (half.sine + (half.tail + half.lost - PI_LOW / 2)) * 2.0, angle * 2.0))
