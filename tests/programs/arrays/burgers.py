"""A fluid dynamicist steps Burgers' equation: upwind convection, central diffusion, periodic ends, written cell by cell."""

import numpy as np


def burgers(u0, nu, dx, dt, steps: int):
    """The energy after the last step."""
    nx = u0.size
    u = u0.copy()
    for _ in range(steps):
        un = u.copy()
        for i in range(nx):
            left, right = un[i - 1], un[(i + 1) % nx]
            if un[i] > 0.0:
                convection = un[i] * (un[i] - left) / dx
            else:
                convection = un[i] * (right - un[i]) / dx
            u[i] = un[i] - dt * convection + nu * dt / dx**2 * (right - 2.0 * un[i] + left)
    return 0.5 * dx * np.sum(u**2)


CALLS = (
    (np.sin(np.linspace(0.1, 6.1, 9)) + 0.2, 0.07, 0.6, 0.05, 6),
    (np.array([0.5, -0.4, 0.3]), 0.02, 0.5, 0.1, 2),
)
