"""The logistic map: where a population ends, and its Lyapunov exponent on the way."""

import math


def logistic_map(r, x, n: int):
    """The mean log slope along the orbit."""
    total = 0
    for i in range(n):
        x = r * x * (1.0 - x)
        if i >= 3:
            total += math.log(abs(r * (1.0 - 2.0 * x)))
    return total / n + x


CALLS = ((2.8, 0.2, 20), (3.3, 0.41, 12), (3.57, 0.6, 5))
