"""A numerical analyst writes a multigrid V-cycle: recursion, smoothing in place, restriction and prolongation by strided slices."""

import numpy as np


def smooth(u, f, h, sweeps):
    for _ in range(sweeps):
        u[1:-1:2] = 0.5 * (u[:-2:2] + u[2::2] + h * h * f[1:-1:2])
        for i in range(2, len(u) - 1, 2):
            u[i] = 0.5 * (u[i - 1] + u[i + 1] + h * h * f[i])


def cycle(u, f, h):
    smooth(u, f, h, 1)
    n = len(u)
    if n <= 3:
        return
    r = np.zeros(n)
    r[1:-1] = f[1:-1] + (u[:-2] - 2.0 * u[1:-1] + u[2:]) / (h * h)
    coarse = np.zeros(n // 2 + 1)
    coarse[1:-1] = 0.25 * (r[1:-2:2] + 2.0 * r[2:-1:2] + r[3::2])
    e = np.zeros(n // 2 + 1)
    cycle(e, coarse, 2.0 * h)
    u[::2] += e
    u[1::2] += 0.5 * (e[1:] + e[:-1])
    smooth(u, f, h, 1)


def multigrid_cycle(f, left, h, cycles: int):
    """The potential energy of the solution after some cycles."""
    u = np.zeros(f.shape[0])
    u[0] = left
    for _ in range(cycles):
        cycle(u, f, h)
    return 0.5 * np.sum((u[1:] - u[:-1]) ** 2) / h - h * np.dot(f, u)


_rng = np.random.default_rng(69)
CALLS = ((_rng.normal(size=9), 0.5, 0.125, 2), (_rng.normal(size=3), 0.0, 0.5, 1))
