"""A data analyst finds the first two principal components by power iteration with deflation."""

import numpy as np


def pca_power_iteration(X, iterations: int):
    """The variance along the two components, and how the first loads on the first column."""
    Xc = X - X.mean(axis=0)
    C = Xc.T @ Xc / (len(X) - 1)
    total = 0.0
    loading = 0.0
    for c in range(2):
        v = np.ones(C.shape[0])
        for _ in range(iterations):
            v = C @ v
            v /= np.linalg.norm(v)
        lam = v @ C @ v
        total += lam
        if c == 0:
            loading = v[0]
        C = C - lam * np.outer(v, v)
    return total + loading**2


_rng = np.random.default_rng(19)
CALLS = ((_rng.normal(size=(7, 3)) * np.array([2.0, 1.0, 0.4]), 8), (_rng.normal(size=(3, 2)), 2))
