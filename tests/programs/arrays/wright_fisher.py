"""A geneticist pushes allele frequencies through selection, mutation and migration between islands, generation by generation."""

import numpy as np


def wright_fisher(freq, selection, dominance, mutation, migration, generations: int):
    """The variance between islands (FST) at the end."""
    p = freq.copy()
    islands = len(p)
    for _ in range(generations):
        for k in range(islands):
            s, h = selection[k], dominance[k]
            q = 1.0 - p[k]
            mean_fitness = 1.0 - 2.0 * p[k] * q * h * s - q**2 * s
            p[k] = (p[k] - p[k] * q * h * s) / mean_fitness
            p[k] += mutation * (1.0 - 2.0 * p[k])
        p = (1.0 - migration) * p + migration * np.mean(p)
    return np.var(p) / (np.mean(p) * (1.0 - np.mean(p)))


CALLS = ((np.array([0.2, 0.5, 0.7]), np.array([0.1, -0.05, 0.2]), np.array([0.5, 0.3, 0.0]), 1e-3, 0.05, 6),)
