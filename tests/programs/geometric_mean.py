"""Gauss's arithmetic-geometric mean, and with it the period of a pendulum of any swing."""

import math


def geometric_mean(a, g):
    """The arithmetic-geometric mean."""
    while a - g > 1e-9 or g - a > 1e-9:
        a, g = 0.5 * (a + g), math.sqrt(a * g)
    return 0.5 * (a + g)


CALLS = ((1.0, 0.5), (24.0, 6.0), (1.0, 0.01))
