"""A researcher differentiates through training: gradient descent with momentum is unrolled inside the function."""

import numpy as np


def learned_learning_rate(rate, momentum, w0, X, y, X_valid, y_valid, steps: int):
    """The validation loss after the steps."""
    w = w0.copy()
    velocity = np.zeros_like(w)
    n = len(y)
    for _ in range(steps):
        grad = 2.0 / n * X.T @ (X @ w - y)
        velocity *= momentum
        velocity -= rate * grad
        w += velocity
    d = X_valid @ w - y_valid
    return np.mean(d**2)


_rng = np.random.default_rng(36)
CALLS = ((0.05, 0.8, np.zeros(3), _rng.normal(size=(6, 3)), _rng.normal(size=6), _rng.normal(size=(4, 3)), _rng.normal(size=4), 7),)
