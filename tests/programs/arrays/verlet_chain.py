"""A game programmer lets a chain hang from its first bead: position Verlet, then the links are made their length again, in place."""

import numpy as np


def verlet_chain(start, length, gravity, damping, dt, steps: int, sweeps: int):
    """Where the last bead is, measured from the first."""
    x = start.copy()
    old = start.copy()
    n = x.shape[0]
    for _ in range(steps):
        for k in range(1, n):
            keep = x[k].copy()
            x[k] = x[k] + (1.0 - damping) * (x[k] - old[k])
            x[k, 1] -= gravity * dt * dt
            old[k] = keep
        for _ in range(sweeps):
            for k in range(n - 1):
                link = x[k + 1] - x[k]
                dist = np.sqrt(link[0] ** 2 + link[1] ** 2)
                move = 0.5 * (dist - length) / dist * link
                if k > 0:
                    x[k] += move
                    x[k + 1] -= move
                else:
                    x[k + 1] -= 2.0 * move
    tip = x[-1] - x[0]
    return tip[0] ** 2 + 0.5 * tip[1]


CALLS = (
    (np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0], [2.9, 0.3]]), 1.0, 9.81, 0.02, 0.05, 4, 2),
    (np.array([[0.0, 0.0], [0.5, 0.5]]), 0.8, 1.0, 0.0, 0.1, 3, 1),
)
