"""A chemist finds an equilibrium by Newton's method with a Jacobian of its own, and halves steps that overshoot."""

import numpy as np


def residual(x, k, total):
    return np.array([x[0] * x[1] - k[0] * x[2], x[0] + x[2] - total[0], x[1] + x[2] + k[1] * x[1] ** 2 - total[1]])


def newton_system(k, total, guess):
    """The logarithm of the product's concentration."""
    x = guess.copy()
    for _ in range(30):
        J = np.zeros((3, 3))
        J[0] = np.array([x[1], x[0], -k[0]])
        J[1, [0, 2]] = 1.0
        J[2, 1:] = np.array([1.0 + 2.0 * k[1] * x[1], 1.0])
        step = np.linalg.solve(J, residual(x, k, total))
        while np.min(x - step) <= 0.0:
            step *= 0.5
        x -= step
        if np.max(np.abs(step)) < 1e-10:
            break
    return np.log(x[2]) + x[0] ** 2


CALLS = ((np.array([0.5, 0.2]), np.array([1.0, 1.4]), np.array([0.5, 0.5, 0.5])),)
