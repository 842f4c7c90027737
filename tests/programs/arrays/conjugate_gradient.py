"""A simulation engineer solves a system by conjugate gradients until the residual is small."""

import numpy as np


def conjugate_gradient(A, b, tol):
    """The energy of the solution: half of x A x, less b x, plus its first component."""
    n = b.shape[0]
    x = np.zeros(n)
    r = b - A @ x
    p = r.copy()
    rs = r @ r
    for _ in range(2 * n):
        Ap = A @ p
        alpha = rs / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        rs_new = r @ r
        if np.sqrt(rs_new) < tol:
            break
        p = r + (rs_new / rs) * p
        rs = rs_new
    return 0.5 * x @ A @ x - b @ x + x[0]


_rng = np.random.default_rng(9)
_half = _rng.normal(size=(5, 5))
CALLS = (
    (_half @ _half.T + 5.0 * np.eye(5), _rng.normal(size=5), 0.05),
    (np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -0.5]), 0.2),
)
