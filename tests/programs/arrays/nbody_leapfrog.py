"""An astronomer integrates a small cluster with the leapfrog; accelerations are written into a buffer that is used again."""

import numpy as np


def gravity(pos, mass, acc, eps):
    n = len(mass)
    acc[:] = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                r = pos[j] - pos[i]
                d2 = r @ r + eps**2
                acc[i] += mass[j] * r / (d2 * np.sqrt(d2))


def nbody_leapfrog(pos0, vel0, mass, eps, dt, steps: int):
    """The energy at the end and the final distance of the first two bodies."""
    pos, vel = pos0.copy(), vel0.copy()
    acc = np.zeros_like(pos)
    gravity(pos, mass, acc, eps)
    for _ in range(steps):
        vel += 0.5 * dt * acc
        pos += dt * vel
        gravity(pos, mass, acc, eps)
        vel += 0.5 * dt * acc
    energy = 0.5 * np.sum(mass[:, None] * vel**2)
    for i in range(len(mass)):
        for j in range(i):
            energy -= mass[i] * mass[j] / np.sqrt(np.sum((pos[i] - pos[j]) ** 2) + eps**2)
    return energy + np.linalg.norm(pos[0] - pos[1])


_rng = np.random.default_rng(2)
CALLS = (
    (_rng.normal(size=(3, 3)), 0.3 * _rng.normal(size=(3, 3)), np.array([1.0, 0.4, 0.2]), 0.1, 0.05, 5),
    (_rng.normal(size=(2, 2)), _rng.normal(size=(2, 2)), np.array([1.0, 2.0]), 0.2, 0.1, 2),
)
