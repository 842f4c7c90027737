"""A student writes Gaussian elimination with partial pivoting, swaps rows in place, and takes the log-determinant along."""

import numpy as np


def pivoted_elimination(A, b):
    """The sum of squares of the solution and the log of the determinant's size."""
    A = A.copy()
    b = b.copy()
    n = len(b)
    logdet = 0.0
    for k in range(n):
        p = k + np.argmax(np.abs(A[k:, k]))
        if p != k:
            A[[k, p]] = A[[p, k]]
            b[k], b[p] = b[p], b[k]
        logdet += np.log(np.abs(A[k, k]))
        for i in range(k + 1, n):
            factor = A[i, k] / A[k, k]
            A[i, k:] -= factor * A[k, k:]
            b[i] -= factor * b[k]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - A[i, i + 1 :] @ x[i + 1 :]) / A[i, i]
    return np.sum(x**2) + logdet


_rng = np.random.default_rng(10)
CALLS = (
    (_rng.normal(size=(5, 5)), _rng.normal(size=5)),
    (np.array([[0.1, 2.0], [1.5, 0.3]]), np.array([1.0, 2.0])),
)
