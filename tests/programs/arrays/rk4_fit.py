"""A chemist fits the rates of the reaction chain A -> B -> C to concentrations: fixed-step RK4 on a vector state."""

import numpy as np


def rates(y, k1, k2):
    return np.array([-k1 * y[0], k1 * y[0] - k2 * y[1], k2 * y[1]])


def rk4_fit(k1, k2, y0, measured, dt):
    """The mean squared distance to what was measured, one row a step."""
    steps = measured.shape[0]
    y = y0.copy()
    loss = 0.0
    for n in range(steps):
        s1 = rates(y, k1, k2)
        s2 = rates(y + 0.5 * dt * s1, k1, k2)
        s3 = rates(y + 0.5 * dt * s2, k1, k2)
        s4 = rates(y + dt * s3, k1, k2)
        y = y + dt / 6.0 * (s1 + 2.0 * s2 + 2.0 * s3 + s4)
        loss += np.sum((y - measured[n]) ** 2)
    return loss / steps


_rng = np.random.default_rng(1)
CALLS = (
    (0.8, 0.3, np.array([1.0, 0.0, 0.1]), _rng.uniform(0.0, 1.0, (8, 3)), 0.25),
    (2.0, 1.1, np.array([0.7, 0.2, 0.0]), _rng.uniform(0.0, 1.0, (3, 3)), 0.1),
)
