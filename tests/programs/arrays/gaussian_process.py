"""A machine learner evaluates the log marginal likelihood of a Gaussian process with one length scale for every input."""

import numpy as np


def gaussian_process(X, y, lengthscales, amplitude, noise):
    """The log marginal likelihood (Rasmussen and Williams, algorithm 2.1)."""
    n = X.shape[0]
    Z = X / lengthscales
    sq = np.sum(Z**2, axis=1)
    D2 = sq[:, None] + sq[None, :] - 2.0 * Z @ Z.T
    K = amplitude**2 * np.exp(-0.5 * D2) + noise**2 * np.eye(n)
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    return -0.5 * y @ alpha - np.sum(np.log(np.diag(L))) - 0.5 * n * np.log(2.0 * np.pi)


_rng = np.random.default_rng(18)
CALLS = (
    (_rng.normal(size=(6, 2)), _rng.normal(size=6), np.array([0.8, 1.3]), 1.2, 0.3),
    (_rng.normal(size=(2, 1)), _rng.normal(size=2), np.array([0.5]), 0.7, 0.2),
)
