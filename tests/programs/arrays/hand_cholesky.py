"""A statistician factors a covariance matrix by hand and evaluates a Gaussian density through the triangle."""

import math

import numpy as np


def cholesky(A):
    n = A.shape[0]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            if i == j:
                L[i, i] = math.sqrt(s)
            else:
                L[i, j] = s / L[j, j]
    return L


def hand_cholesky(cov, x):
    """The negative log-density of x."""
    L = cholesky(cov)
    n = len(x)
    z = x.copy()
    logdet = 0.0
    for i in range(n):
        for k in range(i):
            z[i] -= L[i][k] * z[k]
        z[i] /= L[i][i]
        logdet += math.log(L[i][i])
    return 0.5 * np.dot(z, z) + logdet + 0.5 * n * math.log(2 * math.pi)


_rng = np.random.default_rng(8)
_half = _rng.normal(size=(4, 6))
CALLS = (
    (_half @ _half.T + 0.5 * np.eye(4), _rng.normal(size=4)),
    (np.array([[2.0, 0.3], [0.3, 1.0]]), np.array([0.5, -1.0])),
    (np.array([[1.7]]), np.array([0.4])),
)
