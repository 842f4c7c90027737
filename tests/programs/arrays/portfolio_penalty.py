"""A portfolio manager trades off mean and variance, with costs of trading and penalties for leverage and short positions."""

import numpy as np


def portfolio_penalty(weights, mean, factors, specific, old, risk_aversion, cost, penalty):
    """What is to be minimised."""
    exposure = factors.T @ weights
    variance = exposure @ exposure + np.sum(specific * weights**2)
    turnover = np.abs(weights - old).sum()
    budget = weights.sum() - 1.0
    short = np.minimum(weights, 0.0)
    over = np.clip(weights - 0.4, 0.0, None)
    return -weights @ mean + 0.5 * risk_aversion * variance + cost * turnover + penalty * (budget**2 + (short**2).sum() + np.sum(over**2))


_rng = np.random.default_rng(23)
CALLS = (
    (
        np.array([0.5, 0.3, -0.1, 0.2]),
        0.1 * _rng.normal(size=4),
        0.2 * _rng.normal(size=(4, 2)),
        _rng.uniform(0.01, 0.05, 4),
        np.array([0.25, 0.35, 0.2, 0.1]),
        3.0,
        0.002,
        50.0,
    ),
)
