"""A mechanical engineer tunes a chain of masses so that its lowest frequencies come out right: a symmetric eigenproblem."""

import numpy as np


def normal_modes(masses, springs, wanted):
    """The squared distance of the lowest squared frequencies from those wanted."""
    n = len(masses)
    K = np.zeros((n, n))
    for i in range(n):
        K[i, i] = springs[i] + springs[i + 1]
        if i + 1 < n:
            K[i, i + 1] = K[i + 1, i] = -springs[i + 1]
    scale = 1.0 / np.sqrt(masses)
    D = K * np.outer(scale, scale)
    squares = np.linalg.eigvalsh(D)
    return np.sum((squares[: len(wanted)] - wanted) ** 2)


CALLS = ((np.array([1.0, 2.0, 1.5]), np.array([3.0, 2.0, 4.0, 1.0]), np.array([0.8, 2.0])),)
