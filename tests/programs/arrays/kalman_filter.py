"""An econometrician evaluates the log-likelihood of a local-linear-trend model by a Kalman filter; missing days are nan."""

import numpy as np


def kalman_filter(y, F, H, Q, R, x0, P0):
    """The log-likelihood of the observations, one row each."""
    x, P = x0, P0
    m = H.shape[0]
    loglik = 0.0
    for t in range(len(y)):
        x = F @ x
        P = F @ P @ F.T + Q
        if np.isnan(y[t, 0]):
            continue
        v = y[t] - H @ x
        S = H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        x = x + K @ v
        P = (np.eye(len(x)) - K @ H) @ P
        loglik -= 0.5 * (m * np.log(2.0 * np.pi) + np.log(np.linalg.det(S)) + v @ np.linalg.solve(S, v))
    return loglik


_rng = np.random.default_rng(12)
_seen = _rng.normal(size=(6, 2))
_seen[3] = np.nan
CALLS = (
    (
        _seen,
        np.array([[1.0, 1.0], [0.0, 0.9]]),
        np.array([[1.0, 0.0], [0.5, 1.0]]),
        np.array([[0.2, 0.0], [0.0, 0.1]]),
        np.array([[0.5, 0.1], [0.1, 0.4]]),
        np.array([0.1, -0.2]),
        np.eye(2),
    ),
)
