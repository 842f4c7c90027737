"""A quant prices an arithmetic Asian option with a barrier over paths built by cumulative sums of given normals."""

import numpy as np


def asian_option(spot, strike, rate, sigma, maturity, barrier, z):
    """The discounted mean payoff; a path that ends above the barrier pays nothing."""
    paths, steps = z.shape
    dt = maturity / steps
    increments = (rate - 0.5 * sigma**2) * dt + sigma * np.sqrt(dt) * z
    log_paths = np.log(spot) + np.cumsum(increments, axis=1)
    levels = np.exp(log_paths)
    average = levels.mean(axis=1)
    payoff = np.maximum(average - strike, 0.0)
    payoff[levels[:, -1] > barrier] = 0.0
    return np.exp(-rate * maturity) * np.mean(payoff)


_rng = np.random.default_rng(24)
CALLS = (
    (100.0, 98.0, 0.03, 0.25, 1.0, 125.0, _rng.normal(size=(6, 5))),
    (10.0, 8.0, 0.0, 0.4, 0.5, 100.0, _rng.normal(size=(1, 2))),
)
