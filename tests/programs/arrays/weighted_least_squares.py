"""A surveyor adjusts a network of levelled heights by weighted least squares and takes the residuals' chi-square."""

import numpy as np


def weighted_least_squares(start, end, measured, sigma, heights):
    """The chi-square of the adjusted network plus the height of its last point."""
    m, n = len(measured), len(heights)
    A = np.zeros((m, n))
    l = measured.copy()
    for k in range(m):
        A[k, end[k]] += 1.0
        A[k, start[k]] -= 1.0
        l[k] -= heights[end[k]] - heights[start[k]]
    W = np.diag(1.0 / sigma**2)
    N = A[:, 1:].T @ W @ A[:, 1:]
    x = np.zeros(n)
    x[1:] = np.linalg.solve(N, A[:, 1:].T @ W @ l)
    v = A @ x - l
    return v @ W @ v + x[-1] + heights[-1]


CALLS = (
    (
        np.array([0, 1, 2, 0, 1]),
        np.array([1, 2, 3, 2, 3]),
        np.array([1.02, 0.48, -0.31, 1.55, 0.2]),
        np.array([0.1, 0.2, 0.1, 0.3, 0.15]),
        np.array([10.0, 11.0, 11.4, 11.1]),
    ),
)
