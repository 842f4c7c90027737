"""A numerical analyst sweeps Poisson's equation by Gauss and Seidel with over-relaxation: every cell reads what was just written."""

import numpy as np


def gauss_seidel(f, boundary, omega, h, sweeps: int):
    """The energy of the last iterate and its value in the middle."""
    n, m = f.shape
    u = np.zeros((n, m))
    u[0] = boundary
    for _ in range(sweeps):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                new = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - h * h * f[i, j])
                u[i, j] += omega * (new - u[i, j])
    return u[n // 2, m // 2] + np.sum((u[1:] - u[:-1]) ** 2) / 2.0


_rng = np.random.default_rng(7)
CALLS = (
    (_rng.normal(size=(5, 5)), _rng.normal(size=5), 1.4, 0.25, 4),
    (_rng.normal(size=(3, 4)), _rng.normal(size=4), 1.0, 0.5, 1),
)
