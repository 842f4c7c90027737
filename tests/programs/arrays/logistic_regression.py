"""A learner writes L2-regularised logistic regression as a loop over the examples with scalar arithmetic."""

from math import exp, log

import numpy as np


def logistic_regression(w, b, X, t, l2):
    """The mean cross-entropy and the penalty."""
    n, d = X.shape
    loss = 0.0
    for i in range(n):
        z = b
        for j in range(d):
            z += w[j] * X[i, j]
        p = 1.0 / (1.0 + exp(-z))
        loss -= t[i] * log(p) + (1.0 - t[i]) * log(1.0 - p)
    return loss / n + l2 * (w**2).sum()


_rng = np.random.default_rng(25)
CALLS = (
    (_rng.normal(size=3), 0.1, _rng.normal(size=(7, 3)), np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0]), 0.01),
    (_rng.normal(size=1), -0.3, _rng.normal(size=(1, 1)), np.array([1.0]), 0.0),
)
