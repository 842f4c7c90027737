"""A trader fits a smile to a surface of quotes: a call for every strike and maturity by broadcasting."""

from math import erf

import numpy as np


def norm_cdf(x):
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = 0.5 * (1.0 + erf(x[i, j] / np.sqrt(2.0)))
    return out


def black_scholes_surface(spot, rate, smile, strikes, maturities, quotes):
    """The weighted squared pricing error; the smile is a parabola in log-moneyness, with a term slope."""
    K = strikes[None, :]
    T = maturities[:, None]
    m = np.log(K / spot)
    vol = smile[0] + smile[1] * m + smile[2] * m**2 + smile[3] * np.sqrt(T)
    d1 = (np.log(spot / K) + (rate + 0.5 * vol**2) * T) / (vol * np.sqrt(T))
    d2 = d1 - vol * np.sqrt(T)
    prices = spot * norm_cdf(d1) - K * np.exp(-rate * T) * norm_cdf(d2)
    vega = spot * np.exp(-0.5 * d1**2) * np.sqrt(T / (2.0 * np.pi))
    return np.sum(((prices - quotes) / vega) ** 2)


_rng = np.random.default_rng(22)
CALLS = (
    (
        100.0,
        0.02,
        np.array([0.2, -0.1, 0.3, 0.02]),
        np.array([80.0, 95.0, 105.0, 120.0]),
        np.array([0.25, 1.0, 2.0]),
        _rng.uniform(5.0, 20.0, (3, 4)),
    ),
    (50.0, 0.0, np.array([0.3, 0.0, 0.1, 0.0]), np.array([45.0]), np.array([0.5]), np.array([[7.0]])),
)
