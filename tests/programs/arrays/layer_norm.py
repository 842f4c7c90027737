"""A learner normalises every row to mean zero and variance one, scales and shifts it, and adds the residual."""

import numpy as np


def layer_norm(x, gamma, beta, weights, eps):
    """A weighted sum of the output's square root of softplus."""
    mean = x.mean(axis=-1, keepdims=True)
    var = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    xhat = (x - mean) / np.sqrt(var + eps)
    y = gamma * xhat + beta + x
    return (weights * np.sqrt(np.log1p(np.exp(y)))).sum()


_rng = np.random.default_rng(31)
CALLS = (
    (_rng.normal(size=(3, 5)), _rng.normal(size=5), _rng.normal(size=5), _rng.normal(size=(3, 5)), 1e-5),
    (_rng.normal(size=(1, 2)), np.ones(2), np.zeros(2), _rng.normal(size=(1, 2)), 0.1),
)
