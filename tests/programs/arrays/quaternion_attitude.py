"""A drone engineer integrates gyroscope rates into a quaternion and compares the rotated gravity with the accelerometer."""

import numpy as np


def multiply(p, q):
    w = p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3]
    x = p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2]
    y = p[0] * q[2] - p[1] * q[3] + p[2] * q[0] + p[3] * q[1]
    z = p[0] * q[3] + p[1] * q[2] - p[2] * q[1] + p[3] * q[0]
    return np.array([w, x, y, z])


def conjugate(q):
    out = -q
    out[0] = q[0]
    return out


def quaternion_attitude(q0, bias, gyro, accel, dt):
    """The mean squared difference of measured and predicted gravity."""
    q = q0 / np.linalg.norm(q0)
    loss = 0.0
    for k in range(len(gyro)):
        omega = gyro[k] - bias
        dq = np.ones(4)
        dq[1:] = 0.5 * dt * omega
        q = multiply(q, dq)
        q /= np.sqrt((q**2).sum())
        down = multiply(multiply(conjugate(q), np.array([0.0, 0.0, 0.0, 1.0])), q)
        loss += np.sum((down[1:] - accel[k]) ** 2)
    return loss / len(gyro)


_rng = np.random.default_rng(42)
CALLS = ((np.array([1.0, 0.1, -0.2, 0.3]), 0.01 * _rng.normal(size=3), _rng.normal(size=(4, 3)), _rng.normal(size=(4, 3)), 0.1),)
