"""An actuary interpolates a curve by a natural cubic spline and integrates the squared difference from some quotes."""

import numpy as np


def second_derivatives(x, y):
    n = len(x)
    m = np.zeros(n)
    u = np.zeros(n)
    for i in range(1, n - 1):
        sig = (x[i] - x[i - 1]) / (x[i + 1] - x[i - 1])
        p = sig * m[i - 1] + 2.0
        m[i] = (sig - 1.0) / p
        u[i] = (y[i + 1] - y[i]) / (x[i + 1] - x[i]) - (y[i] - y[i - 1]) / (x[i] - x[i - 1])
        u[i] = (6.0 * u[i] / (x[i + 1] - x[i - 1]) - sig * u[i - 1]) / p
    for k in range(n - 2, -1, -1):
        m[k] = m[k] * m[k + 1] + u[k]
    return m


def natural_spline(x, y, at, quotes):
    """The sum of squares of what is missed."""
    m = second_derivatives(x, y)
    total = 0.0
    for t, quote in zip(at, quotes):
        k = np.searchsorted(x, t) - 1
        h = x[k + 1] - x[k]
        a = (x[k + 1] - t) / h
        b = (t - x[k]) / h
        s = a * y[k] + b * y[k + 1] + ((a**3 - a) * m[k] + (b**3 - b) * m[k + 1]) * h**2 / 6.0
        total += (s - quote) ** 2
    return total


CALLS = (
    (
        np.array([0.0, 0.5, 1.2, 2.0, 3.1]),
        np.array([0.1, 0.4, -0.2, 0.3, 0.9]),
        np.array([0.2, 0.9, 1.9, 2.5]),
        np.array([0.0, 0.1, 0.5, 0.4]),
    ),
    (np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.0, 2.0]), np.array([1.5]), np.array([1.0])),
)
