"""A learner normalises a hidden layer over the batch, one feature at a time, and keeps running statistics in place."""

import numpy as np


def batch_norm(x, W, gamma, beta, running_mean, running_var, momentum):
    """The squared output, and how far the running statistics have come."""
    h = x @ W
    out = np.empty_like(h)
    mean = running_mean.copy()
    var = running_var.copy()
    for j in range(h.shape[1]):
        column = h[:, j]
        mu, s2 = np.mean(column), np.var(column)
        out[:, j] = gamma[j] * (column - mu) / np.sqrt(s2 + 1e-5) + beta[j]
        mean[j] = momentum * mean[j] + (1.0 - momentum) * mu
        var[j] *= momentum
        var[j] += (1.0 - momentum) * s2
    out = np.maximum(out, 0.01 * out)
    return np.mean(out**2) + mean.sum() + np.std(var)


_rng = np.random.default_rng(32)
CALLS = (
    (
        _rng.normal(size=(5, 2)),
        _rng.normal(size=(2, 3)),
        _rng.normal(size=3),
        _rng.normal(size=3),
        _rng.normal(size=3),
        _rng.uniform(0.5, 2.0, 3),
        0.9,
    ),
)
