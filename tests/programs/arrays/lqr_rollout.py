"""A control engineer computes finite-horizon LQR gains backwards, then rolls the closed loop out and adds up its cost."""

import numpy as np


def lqr_rollout(A, B, Q, R, x0, disturbance):
    """The cost of the rollout under the given disturbances."""
    horizon = disturbance.shape[0]
    n, m = B.shape
    gains = np.zeros((horizon, m, n))
    P = Q.copy()
    for t in range(horizon - 1, -1, -1):
        BtP = B.T @ P
        K = np.linalg.solve(R + BtP @ B, BtP @ A)
        gains[t] = K
        P = Q + A.T @ P @ (A - B @ K)
    x = x0
    cost = 0.0
    for t in range(horizon):
        u = -gains[t] @ x
        cost += x @ Q @ x + u @ R @ u
        x = A @ x + B @ u + disturbance[t]
    return cost + x @ Q @ x


_rng = np.random.default_rng(40)
CALLS = (
    (
        np.array([[1.0, 0.1], [0.05, 1.0]]),
        np.array([[0.0], [0.1]]),
        np.diag([1.0, 0.1]),
        np.array([[0.05]]),
        np.array([1.0, -0.5]),
        0.05 * _rng.normal(size=(5, 2)),
    ),
)
