"""A designer of ship hulls evaluates a B-spline by de Boor's triangle, in place, with knots that may coincide."""

import numpy as np


def de_boor_spline(knots, heights, places, wanted):
    """The squared distance of a quadratic spline from wanted heights at some places."""
    degree, n, error = 2, len(heights), 0.0
    first, last = np.repeat(knots[:1], degree), np.repeat(knots[-1:], degree)
    t = np.concatenate((first, knots, last))
    for place, height in zip(places, wanted):
        k = degree
        while k < n - 1 and place >= t[k + 1]:
            k += 1
        d = heights[k - degree : k + 1].copy()
        for r in range(1, degree + 1):
            for j in range(degree, r - 1, -1):
                width = t[j + 1 + k - r] - t[j + k - degree]
                share = 0.0 if width == 0.0 else (place - t[j + k - degree]) / width
                d[j] = (1.0 - share) * d[j - 1] + share * d[j]
        error += (d[degree] - height) ** 2
    return error


_rng = np.random.default_rng(96)
CALLS = (
    (np.array([0.0, 0.3, 0.6, 1.0]), _rng.normal(size=5), np.array([0.1, 0.45, 0.9]), _rng.normal(size=3)),
    (np.array([0.0, 0.4, 0.4, 1.0]), _rng.normal(size=5), np.array([0.2, 0.7]), _rng.normal(size=2)),
)
