"""Three times the same rule, combined by Richardson: loops three deep, and a triangle of them."""

import math


def romberg(a, b, frequency):
    """The integral of sin(frequency * t * t), with two extrapolations."""
    t0 = t1 = t2 = 0.0
    for level in range(3):
        n = 4 * 2**level
        h = (b - a) / n
        total = 0.5 * (math.sin(frequency * a * a) + math.sin(frequency * b * b))
        for i in range(1, n):
            t = a + i * h
            total += math.sin(frequency * t * t)
        t0, t1, t2 = t1, t2, h * total
    first, second = t1 + (t1 - t0) / 3, t2 + (t2 - t1) / 3
    wiggle = 0.0
    for i in range(3):
        for j in range(i, 3):
            for k in range(i + j):
                wiggle += math.cos(second * (i - j + k)) * 1e-2
    return second + (second - first) / 15 + wiggle


CALLS = ((0.0, 1.0, 2.0), (-0.5, 1.2, 1.3))
