"""A statistician clips outliers by boolean masks, in place, and weights what is left (iteratively reweighted means)."""

import numpy as np


def masked_huber(x, centre, delta, iterations: int):
    """The Huber loss around the robust centre."""
    mu = centre
    for _ in range(iterations):
        r = x - mu
        w = np.ones_like(r)
        far = np.abs(r) > delta
        w[far] = delta / np.abs(r[far])
        mu = (w * x).sum() / w.sum()
    r = x - mu
    loss = 0.5 * r**2
    outside = np.abs(r) > delta
    loss[outside] = delta * (np.abs(r[outside]) - 0.5 * delta)
    r[r < 0.0] *= 0.5
    r[~outside] += 1.0
    return loss.sum() + 0.01 * np.sum(r**3)


CALLS = ((np.array([0.1, -0.4, 2.5, 0.7, -3.1, 0.2]), 0.05, 1.0, 2), (np.array([0.3, 0.9]), 0.0, 5.0, 1))
