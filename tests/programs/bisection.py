"""Bisection brackets a root, and a last Newton step carries the derivative."""

import math


def excess(x, c):
    return x - c * math.cos(x)


def bisection(c):
    """The fixed point of c*cos(x)."""
    low, high = 0.0, 2.0
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        if excess(middle, c) > 0.0:
            high = middle
        else:
            low = middle
    x = 0.5 * (low + high)
    for _ in range(3):
        x -= excess(x, c) / (1.0 + c * math.sin(x))
    return x


CALLS = ((1.0,), (0.62,), (1.73,))
