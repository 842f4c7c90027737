"""A roboticist aligns two scans: the closest point is a decision, the angle and shift are what is differentiated."""

import math

import numpy as np


def iterative_closest_point(angle, shift, scan, reference):
    """The sum of squared distances to the closest reference points, and how many are close is not differentiated."""
    c, s = math.cos(angle), math.sin(angle)
    R = np.array([[c, -s], [s, c]])
    total = 0.0
    close = 0
    for i in range(scan.shape[0]):
        p = R @ scan[i] + shift
        best, best_d2 = -1, 1e300
        for j in range(reference.shape[0]):
            d2 = (p[0] - reference[j, 0]) ** 2 + (p[1] - reference[j, 1]) ** 2
            if d2 < best_d2:
                best, best_d2 = j, d2
        diff = p - reference[best]
        total += diff @ diff
        close += best_d2 < 1.0
    return total + 0.5 * close


_rng = np.random.default_rng(43)
CALLS = ((0.3, np.array([0.1, -0.2]), _rng.normal(size=(5, 2)), _rng.normal(size=(4, 2))),)
