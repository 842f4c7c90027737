"""An engineer steps the heat equation on a plate by whole slices, with one edge held hot, and looks at a sensor."""

import numpy as np


def heat_stepping(plate, alpha, hot, dx, dt, steps: int):
    """How far the sensor's history is from 0.3, and how warm the plate is at the end."""
    u = plate.copy()
    loss = 0.0
    for _ in range(steps):
        u[0, :] = hot
        u[-1, :] = u[-2, :]
        u[:, 0] = u[:, 1]
        u[:, -1] = 0.0
        lap = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
        u[1:-1, 1:-1] += alpha * dt / dx**2 * lap
        loss += (u[2, 2] - 0.3) ** 2
    return loss + 0.1 * u.mean()


_rng = np.random.default_rng(3)
CALLS = (
    (_rng.uniform(0.0, 1.0, (5, 6)), 0.8, 1.0, 0.5, 0.05, 5),
    (_rng.uniform(0.0, 1.0, (4, 4)), 0.3, 2.0, 1.0, 0.2, 1),
)
