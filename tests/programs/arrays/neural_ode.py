"""A researcher fits a neural differential equation: a small network is the right-hand side, Heun's method the solver, in float64."""

import numpy as np


def field(y, W1, b1, W2):
    return W2 @ np.tanh(W1 @ y + b1)


def neural_ode(W1, b1, W2, y0, observed, dt):
    """The squared error along the path, recorded in a table."""
    steps, dim = observed.shape
    path = np.empty((steps, dim))
    y = y0
    for k in range(steps):
        slope = field(y, W1, b1, W2)
        y = y + 0.5 * dt * (slope + field(y + dt * slope, W1, b1, W2))
        path[k] = y
    return ((path - observed) ** 2).sum() / steps


_rng = np.random.default_rng(37)
CALLS = ((_rng.normal(size=(4, 2)), _rng.normal(size=4), _rng.normal(size=(2, 4)), np.array([0.5, -0.2]), _rng.normal(size=(5, 2)), 0.2),)
