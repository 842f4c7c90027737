"""Newton's method for a function with a parameter, with a damped step where the plain one does not help."""

import math


def residual(x, a, b):
    return a * x**3 + math.exp(b * x) - 2.0


def slope(x, a, b):
    return 3.0 * a * x**2 + b * math.exp(b * x)


def newton_root(a, b, start):
    """The root, and one more step so that the gradient is the implicit function theorem's."""
    x = start
    trips = 0
    while trips < 40:
        trips += 1
        r = residual(x, a, b)
        if abs(r) < 1e-5:
            break
        dx = r / slope(x, a, b)
        scale = 1.0
        while abs(residual(x - scale * dx, a, b)) > abs(r) and scale > 0.01:
            scale *= 0.5
        x -= scale * dx
    return x - residual(x, a, b) / slope(x, a, b)


CALLS = ((1.0, 0.7, 0.2), (0.4, 1.3, 3.0), (2.0, 0.5, -0.4))
