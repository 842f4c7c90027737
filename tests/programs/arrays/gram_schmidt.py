"""A student orthogonalises the columns of a matrix by the modified Gram-Schmidt process, a column view at a time."""

import numpy as np


def gram_schmidt(V):
    """What the triangle's diagonal multiplies to, and the corner of Q."""
    Q = V.copy()
    n = Q.shape[1]
    R = np.zeros((n, n))
    for j in range(n):
        q = Q[:, j]
        R[j, j] = np.sqrt(np.sum(q * q))
        q /= R[j, j]
        for k in range(j + 1, n):
            R[j, k] = q @ Q[:, k]
            Q[:, k] -= R[j, k] * q
    return np.prod(np.diag(R)) + Q[-1, -1] + R[0, -1]


_rng = np.random.default_rng(11)
CALLS = ((_rng.normal(size=(5, 3)),), (_rng.normal(size=(3, 3)),))
