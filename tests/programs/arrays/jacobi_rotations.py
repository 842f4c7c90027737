"""A student of numerical mathematics diagonalises a symmetric matrix by Jacobi's rotations until nothing is left beside it."""

import numpy as np


def jacobi_rotations(a, weights):
    """The eigenvalues in order, times their weights."""
    s, n = a + a.T, len(a)
    for _ in range(8):
        if np.sum(np.tril(s, -1) ** 2) < 1e-28:
            break
        for p in range(n - 1):
            for q in range(p + 1, n):
                if abs(s[p, q]) < 1e-16:
                    continue
                theta = (s[q, q] - s[p, p]) / (2.0 * s[p, q])
                t = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1.0))
                if theta < 0.0:
                    t = -t
                c = 1.0 / np.sqrt(t * t + 1.0)
                rotation = np.eye(n)
                rotation[p, p] = rotation[q, q] = c
                rotation[p, q] = t * c
                rotation[q, p] = -t * c
                s = rotation.T @ s @ rotation
    return np.sort(np.diag(s)) @ weights


_rng = np.random.default_rng(94)
CALLS = ((_rng.normal(size=(3, 3)), _rng.normal(size=3)), (_rng.normal(size=(1, 1)), _rng.normal(size=1)))
