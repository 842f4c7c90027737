"""A risk manager takes the mean of the worst losses of a portfolio, found by argsort, and a Gini index of its weights."""

import numpy as np


def expected_shortfall(weights, returns, tail: int):
    """The expected shortfall with a penalty for concentration."""
    w = weights / weights.sum()
    losses = -(returns @ w)
    order = np.argsort(losses)
    worst = losses[order[-tail:]]
    n = len(w)
    ranked = np.sort(w)
    gini = np.sum((2.0 * np.arange(1, n + 1) - n - 1.0) * ranked) / n
    return worst.mean() + 0.1 * gini + 0.01 * np.ptp(losses)


_rng = np.random.default_rng(66)
CALLS = ((_rng.uniform(0.1, 1.0, 4), 0.1 * _rng.normal(size=(8, 4)), 3),)
