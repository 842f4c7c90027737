"""A roboticist projects points into cameras (Rodrigues' rotation, radial distortion) and sums robust squared errors."""

import numpy as np


def rodrigues(r, X):
    theta = np.sqrt(r @ r)
    k = r / theta
    c, s = np.cos(theta), np.sin(theta)
    return X * c + np.cross(k, X) * s + k * (k @ X) * (1.0 - c)


def project(camera, X):
    P = rodrigues(camera[:3], X) + camera[3:6]
    p = -P[:2] / P[2]
    r2 = p[0] ** 2 + p[1] ** 2
    return camera[6] * (1.0 + camera[7] * r2 + camera[8] * r2**2) * p


def bundle_adjustment(cameras, points, camera_index, point_index, observed, delta):
    """Half the sum of pseudo-Huber losses."""
    cost = 0.0
    for k in range(len(observed)):
        e = project(cameras[camera_index[k]], points[point_index[k]]) - observed[k]
        cost += delta**2 * (np.sqrt(1.0 + (e @ e) / delta**2) - 1.0)
    return cost


_rng = np.random.default_rng(39)
_cameras = np.concatenate(
    [0.4 * _rng.normal(size=(2, 3)), 0.2 * _rng.normal(size=(2, 2)), np.full((2, 1), -5.0), np.array([[1.5, 0.1, 0.02]] * 2)], axis=1
)
CALLS = ((_cameras, _rng.normal(size=(3, 3)), np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 2, 0]), _rng.normal(size=(5, 2)), 0.5),)
