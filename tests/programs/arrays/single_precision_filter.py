"""An embedded engineer tunes a complementary filter in single precision; constants are Python floats, so float32 stays float32."""

import numpy as np


def single_precision_filter(gyro, accel, alpha, dt):
    """The roughness of the filtered angle and its distance from the accelerometer's."""
    n = gyro.shape[0]
    angle = np.zeros(n, dtype=np.float32)
    for k in range(1, n):
        angle[k] = alpha[0] * (angle[k - 1] + dt * gyro[k]) + (1.0 - alpha[0]) * accel[k]
    rough = np.diff(angle)
    return np.sum(rough * rough) + np.mean((angle - accel) ** 2)


_rng = np.random.default_rng(62)
CALLS = (
    (_rng.normal(size=7).astype(np.float32), _rng.normal(size=7).astype(np.float32), np.array([0.9], np.float32), 0.1),
    (_rng.normal(size=2).astype(np.float32), _rng.normal(size=2).astype(np.float32), np.array([0.5], np.float32), 0.2),
)
