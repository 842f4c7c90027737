"""A risk analyst evaluates the likelihood of a GJR-GARCH(1,1) model with Student t shocks on a series of returns."""

import math

import numpy as np


def garch_likelihood(params, returns):
    """The negative log-likelihood."""
    mu, omega, alpha, gamma, beta, nu = params
    n = returns.shape[0]
    sigma2 = np.empty(n)
    resid = returns - mu
    sigma2[0] = np.var(returns)
    for t in range(1, n):
        sigma2[t] = omega + alpha * resid[t - 1] ** 2 + beta * sigma2[t - 1]
        if resid[t - 1] < 0:
            sigma2[t] += gamma * resid[t - 1] ** 2
    const = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi * (nu - 2))
    ll = const - 0.5 * np.log(sigma2) - (nu + 1) / 2 * np.log(1 + resid**2 / (sigma2 * (nu - 2)))
    return -ll.sum()


_rng = np.random.default_rng(14)
CALLS = (
    (np.array([0.01, 0.05, 0.08, 0.06, 0.8, 6.0]), _rng.normal(size=25)),
    (np.array([0.0, 0.2, 0.2, 0.0, 0.5, 4.5]), _rng.normal(size=2)),
)
