"""A roboticist runs an extended Kalman filter on range and bearing to landmarks, with Jacobians filled in by hand."""

import math

import numpy as np


def extended_kalman_slam(pose, cov, controls, ranges, bearings, landmarks, q, r, dt):
    """The negative log-likelihood of what was measured."""
    x = pose.copy()
    P = cov.copy()
    total = 0.0
    for t in range(controls.shape[0]):
        v, w = controls[t, 0], controls[t, 1]
        F = np.eye(3)
        F[0, 2] = -v * dt * math.sin(x[2])
        F[1, 2] = v * dt * math.cos(x[2])
        x[0] += v * dt * math.cos(x[2])
        x[1] += v * dt * math.sin(x[2])
        x[2] += w * dt
        P = F @ P @ F.T + q * np.eye(3)
        for k in range(len(landmarks)):
            dx, dy = landmarks[k, 0] - x[0], landmarks[k, 1] - x[1]
            d2 = dx**2 + dy**2
            d = math.sqrt(d2)
            innovation = np.array([ranges[t, k] - d, bearings[t, k] - (math.atan2(dy, dx) - x[2])])
            H = np.zeros((2, 3))
            H[0, 0], H[0, 1] = -dx / d, -dy / d
            H[1, 0], H[1, 1], H[1, 2] = dy / d2, -dx / d2, -1.0
            S = H @ P @ H.T + r * np.eye(2)
            gain = np.linalg.solve(S, H @ P).T
            x += gain @ innovation
            P -= gain @ H @ P
            sign, logdet = np.linalg.slogdet(S)
            total += 0.5 * (innovation @ np.linalg.solve(S, innovation) + sign * logdet)
    return total


_rng = np.random.default_rng(60)
CALLS = (
    (
        np.array([0.0, 0.1, 0.2]),
        0.1 * np.eye(3),
        np.array([[1.0, 0.1], [0.8, -0.2]]),
        _rng.uniform(2.0, 4.0, (2, 2)),
        _rng.normal(size=(2, 2)),
        np.array([[2.0, 1.0], [3.0, -1.0]]),
        0.01,
        0.1,
        0.5,
    ),
)
