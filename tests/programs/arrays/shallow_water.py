"""An oceanographer steps the shallow-water equations by Lax and Friedrichs with ghost cells and a reflecting wall."""

import numpy as np


def flux(h, hu, g):
    out = np.empty((2, h.shape[0]))
    out[0] = hu
    out[1] = hu**2 / h + 0.5 * g * h**2
    return out


def shallow_water(depth, discharge, g, dx, dt, steps: int):
    """The highest water at the end, and the total energy."""
    n = len(depth)
    U = np.zeros((2, n + 2))
    U[0, 1:-1] = depth
    U[1, 1:-1] = discharge
    for _ in range(steps):
        U[0, 0], U[0, -1] = U[0, 1], U[0, -2]
        U[1, 0], U[1, -1] = -U[1, 1], -U[1, -2]
        F = flux(U[0], U[1], g)
        half = 0.5 * (F[:, 1:] + F[:, :-1]) - 0.5 * dx / dt * (U[:, 1:] - U[:, :-1])
        U[:, 1:-1] -= dt / dx * (half[:, 1:] - half[:, :-1])
    h, hu = U[0, 1:-1], U[1, 1:-1]
    return np.max(h) + dx * np.sum(0.5 * hu**2 / h + 0.5 * g * h**2)


CALLS = ((np.array([1.0, 1.3, 1.6, 1.2, 0.9]), np.array([0.1, 0.0, -0.2, 0.3, 0.0]), 9.81, 1.0, 0.1, 3),)
