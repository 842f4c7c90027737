"""A time-series analyst evaluates the conditional likelihood of an ARMA(p, q) model with two inner loops."""

import numpy as np


def arma_likelihood(y, phi, theta, mu, sigma):
    """The negative log-likelihood, given zero shocks before the start."""
    n, p, q = len(y), len(phi), len(theta)
    e = np.zeros(n)
    total = 0.0
    for t in range(p, n):
        pred = mu
        for i in range(p):
            pred += phi[i] * (y[t - 1 - i] - mu)
        for j in range(q):
            if t - 1 - j >= 0:
                pred += theta[j] * e[t - 1 - j]
        e[t] = y[t] - pred
        total += e[t] ** 2
    return 0.5 * total / sigma**2 + (n - p) * np.log(sigma)


_rng = np.random.default_rng(15)
CALLS = (
    (_rng.normal(size=15), np.array([0.5, -0.2]), np.array([0.4, 0.1, -0.3]), 0.2, 0.9),
    (_rng.normal(size=3), np.array([0.3]), np.array([0.7]), 0.0, 1.5),
)
