"""A bioinformatician scores an alignment with affine gaps: three tables filled together, hard maxima, letters as numbers."""

import numpy as np


def needleman_gotoh(x, y, substitution, opening, extension):
    """The score of the best global alignment."""
    n, m = len(x), len(y)
    M = np.full((n + 1, m + 1), -1e30)
    X = np.full((n + 1, m + 1), -1e30)
    Y = np.full((n + 1, m + 1), -1e30)
    M[0, 0] = 0.0
    for i in range(1, n + 1):
        X[i, 0] = -opening - (i - 1) * extension
    for j in range(1, m + 1):
        Y[0, j] = -opening - (j - 1) * extension
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            match = substitution[x[i - 1], y[j - 1]]
            M[i, j] = match + max(M[i - 1, j - 1], X[i - 1, j - 1], Y[i - 1, j - 1])
            X[i, j] = max(M[i - 1, j] - opening, X[i - 1, j] - extension)
            Y[i, j] = max(M[i, j - 1] - opening, Y[i, j - 1] - extension)
    return max(M[n, m], X[n, m], Y[n, m])


_rng = np.random.default_rng(51)
CALLS = (
    (np.array([0, 1, 2, 1, 3]), np.array([0, 2, 1, 1]), _rng.normal(size=(4, 4)) + 2.0 * np.eye(4), 1.1, 0.35),
    (np.array([1]), np.array([0, 1, 1]), _rng.normal(size=(2, 2)), 0.7, 0.2),
)
