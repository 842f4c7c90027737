"""A data analyst compares two series by soft dynamic time warping (Cuturi and Blondel 2017): a table with a border of infinities."""

import math

import numpy as np


def softmin(a, b, c, gamma):
    low = min(a, b, c)
    return low - gamma * math.log(math.exp((low - a) / gamma) + math.exp((low - b) / gamma) + math.exp((low - c) / gamma))


def soft_dtw(x, y, gamma):
    """The soft-DTW discrepancy of two multivariate series."""
    n, m = len(x), len(y)
    R = np.full((n + 1, m + 1), np.inf)
    R[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = np.sum((x[i - 1] - y[j - 1]) ** 2)
            R[i, j] = cost + softmin(R[i - 1, j], R[i, j - 1], R[i - 1, j - 1], gamma)
    return R[n, m]


_rng = np.random.default_rng(46)
CALLS = (
    (_rng.normal(size=(4, 2)), _rng.normal(size=(5, 2)), 0.5),
    (_rng.normal(size=(1, 1)), _rng.normal(size=(2, 1)), 0.1),
)
