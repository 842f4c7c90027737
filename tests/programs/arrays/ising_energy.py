"""A physicist relaxes soft spins on a periodic lattice and measures the energy, with rolls for the neighbours."""

import numpy as np


def ising_energy(field, J, temperature, steps: int):
    """The mean-field free energy of the relaxed magnetisation."""
    m = np.tanh(field / temperature)
    for _ in range(steps):
        neighbours = np.roll(m, 1, axis=0) + np.roll(m, -1, axis=0) + np.roll(m, 1, axis=1) + np.roll(m, -1, axis=1)
        m = 0.5 * m + 0.5 * np.tanh((J * neighbours + field) / temperature)
    n, k = m.shape
    energy = 0.0
    for i in range(n):
        for j in range(k):
            energy -= J * m[i, j] * (m[(i + 1) % n, j] + m[i, (j + 1) % k]) + field[i, j] * m[i, j]
    up = 0.5 * (1.0 + m)
    entropy = -np.sum(up * np.log(up) + (1.0 - up) * np.log(1.0 - up))
    return energy - temperature * entropy


_rng = np.random.default_rng(45)
CALLS = ((0.5 * _rng.normal(size=(3, 4)), 0.4, 1.5, 3), (_rng.normal(size=(1, 2)), -0.3, 2.0, 1))
