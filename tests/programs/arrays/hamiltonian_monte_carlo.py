"""A Bayesian runs leapfrog steps on a regression posterior with hand-written gradients and asks for the energy error."""

import numpy as np


def log_posterior_slope(theta, X, y, prior):
    p = 1.0 / (1.0 + np.exp(-X @ theta))
    return X.T @ (y - p) - theta / prior**2


def log_posterior(theta, X, y, prior):
    z = X @ theta
    return y @ z - np.sum(np.logaddexp(0.0, z)) - 0.5 * theta @ theta / prior**2


def hamiltonian_monte_carlo(theta, momentum, X, y, prior, step, leaps: int):
    """By how much the energy has changed."""
    q, p = theta.copy(), momentum.copy()
    before = -log_posterior(q, X, y, prior) + 0.5 * p @ p
    p += 0.5 * step * log_posterior_slope(q, X, y, prior)
    for k in range(leaps):
        q += step * p
        if k < leaps - 1:
            p += step * log_posterior_slope(q, X, y, prior)
    p += 0.5 * step * log_posterior_slope(q, X, y, prior)
    return -log_posterior(q, X, y, prior) + 0.5 * p @ p - before


_rng = np.random.default_rng(57)
CALLS = ((_rng.normal(size=2), _rng.normal(size=2), _rng.normal(size=(5, 2)), np.array([1.0, 0.0, 1.0, 1.0, 0.0]), 2.0, 0.3, 3),)
