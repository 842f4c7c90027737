"""A finance or physics student solves a tridiagonal system by Thomas's algorithm, sweeping down and up in place."""

import numpy as np


def thomas(a, b, c, d):
    n = len(d)
    cp = np.empty(n - 1)
    dp = np.empty(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i - 1] * cp[i - 1]
        if i < n - 1:
            cp[i] = c[i] / m
        dp[i] = (d[i] - a[i - 1] * dp[i - 1]) / m
    x = dp
    for i in range(n - 2, -1, -1):
        x[i] -= cp[i] * x[i + 1]
    return x


def thomas_solver(a, b, c, d, target):
    """How far the solution is from the target."""
    x = thomas(a, b, c, d)
    return ((x - target) ** 2).sum()


_rng = np.random.default_rng(6)
CALLS = (
    (_rng.normal(size=6), 4.0 + _rng.uniform(size=7), _rng.normal(size=6), _rng.normal(size=7), _rng.normal(size=7)),
    (_rng.normal(size=1), 4.0 + _rng.uniform(size=2), _rng.normal(size=1), _rng.normal(size=2), _rng.normal(size=2)),
)
