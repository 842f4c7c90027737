"""A chemist relaxes a cluster with a cut-off potential in a periodic box: energy and forces from one loop over pairs."""

import numpy as np


def lennard_jones(coords, epsilon, sigma, box, cutoff):
    """The potential energy of the cluster and the size of the largest force component."""
    n = coords.shape[0]
    energy = 0.0
    forces = np.zeros((n, 3))
    for i in range(n - 1):
        for j in range(i + 1, n):
            rij = coords[i] - coords[j]
            rij -= box * np.round(rij / box)
            r2 = np.dot(rij, rij)
            if r2 > cutoff * cutoff:
                continue
            s6 = (sigma**2 / r2) ** 3
            energy += 4.0 * epsilon * (s6**2 - s6)
            pull = 24.0 * epsilon * (2.0 * s6**2 - s6) / r2 * rij
            forces[i] += pull
            forces[j] -= pull
    return energy + 1e-3 * np.abs(forces).max()


_rng = np.random.default_rng(5)
_grid = np.array([[0.0, 0.0, 0.0], [1.2, 0.1, 0.0], [0.1, 1.1, 0.3], [2.7, 0.0, 1.0], [1.0, 1.3, 1.2]])
CALLS = (
    (_grid + 0.05 * _rng.normal(size=(5, 3)), 1.0, 1.0, 3.4, 1.6),
    (_grid[:2] + 0.05 * _rng.normal(size=(2, 3)), 0.7, 1.1, 5.0, 2.5),
)
