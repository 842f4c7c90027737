"""A roboticist multiplies the Denavit-Hartenberg transforms of an arm and measures the hand's distance to a target pose."""

import numpy as np


def link(theta, d, a, alpha):
    ct, st = np.cos(theta), np.sin(theta)
    ca, sa = np.cos(alpha), np.sin(alpha)
    return np.array(
        [
            [ct, -st * ca, st * sa, a * ct],
            [st, ct * ca, -ct * sa, a * st],
            [0.0, sa, ca, d],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def forward_kinematics(q, d, a, alpha, target, lower, upper):
    """The pose error, and a barrier at the joints' limits."""
    T = np.eye(4)
    for i in range(len(q)):
        T = T @ link(q[i], d[i], a[i], alpha[i])
    position = T[:3, 3]
    approach = T[:3, 2]
    error = np.sum((position - target) ** 2) + 0.1 * (1.0 - approach[2])
    barrier = 0.0
    for i in range(len(q)):
        barrier -= np.log((q[i] - lower[i]) * (upper[i] - q[i]))
    return error + 0.01 * barrier


CALLS = (
    (
        np.array([0.3, -0.7, 1.1, 0.2]),
        np.array([0.4, 0.0, 0.1, 0.2]),
        np.array([0.0, 0.5, 0.4, 0.0]),
        np.array([1.5, 0.0, -1.5, 0.3]),
        np.array([0.3, 0.4, 0.5]),
        np.full(4, -2.0),
        np.full(4, 2.5),
    ),
)
