"""A climate scientist asks how the end of a Lorenz trajectory depends on where it started and on the three parameters."""

import numpy as np


def lorenz(state, sigma, rho, beta):
    x, y, z = state
    return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def lorenz_sensitivity(state, sigma, rho, beta, dt, steps: int):
    """The mean of z over the trajectory, plus a little of the last x."""
    trajectory = np.zeros((steps + 1, 3))
    trajectory[0] = state
    for n in range(steps):
        mid = trajectory[n] + 0.5 * dt * lorenz(trajectory[n], sigma, rho, beta)
        trajectory[n + 1] = trajectory[n] + dt * lorenz(mid, sigma, rho, beta)
    return trajectory[:, 2].mean() + 0.01 * trajectory[-1, 0]


CALLS = (
    (np.array([1.0, 1.0, 20.0]), 10.0, 28.0, 8.0 / 3.0, 0.01, 40),
    (np.array([-3.0, 2.0, 15.0]), 9.0, 26.0, 2.5, 0.02, 1),
)
