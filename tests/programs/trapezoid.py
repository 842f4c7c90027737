"""The trapezoid rule, refined until two answers agree."""

import math


def trapezoid(a, b, p):
    """The integral of a bump between a and b."""
    f = lambda t: math.exp(-t * t) * (1.0 + t * t) ** p  # noqa: E731
    n = 2
    before, now = 0.0, 0.5 * (b - a) * (f(a) + f(b))
    while abs(now - before) > 1e-3 and n < 200:
        h = (b - a) / n
        total = 0.5 * (f(a) + f(b))
        for i in range(1, n):
            total += f(a + i * h)
        before, now = now, h * total
        n *= 2
    return now


CALLS = ((-1.0, 2.0, 0.7), (0.0, 0.5, -1.5))
