"""A machine learner measures the entropic transport cost between two clouds of points by Sinkhorn's iteration."""

import numpy as np


def sinkhorn(x, y, a, b, epsilon, iterations: int):
    """The cost of the plan after the iterations."""
    C = ((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)
    K = np.exp(-C / epsilon)
    u = np.ones(len(a))
    v = np.ones(len(b))
    for _ in range(iterations):
        u = a / (K @ v)
        v = b / (K.T @ u)
    plan = u[:, None] * K * v[None, :]
    return np.sum(plan * C)


_rng = np.random.default_rng(50)
CALLS = (
    (_rng.normal(size=(3, 2)), _rng.normal(size=(4, 2)), np.ones(3) / 3.0, np.array([0.1, 0.4, 0.3, 0.2]), 1.5, 6),
    (_rng.normal(size=(1, 1)), _rng.normal(size=(2, 1)), np.ones(1), np.array([0.3, 0.7]), 1.0, 2),
)
