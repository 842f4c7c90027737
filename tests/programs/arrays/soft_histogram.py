"""A vision engineer matches grey-level histograms: every pixel adds to two neighbouring bins, which many pixels share."""

import numpy as np


def soft_histogram(pixels, target, low, high):
    """The squared distance of cumulative histograms."""
    bins = target.shape[0]
    histogram = np.zeros(bins)
    flat = pixels.ravel()
    position = np.clip((flat - low) / (high - low), 0.0, 0.999) * (bins - 1)
    below = np.floor(position).astype(np.int64)
    share = position - below
    for k in range(flat.size):
        histogram[below[k]] += 1.0 - share[k]
        histogram[below[k] + 1] += share[k]
    histogram /= flat.size
    return ((np.cumsum(histogram) - np.cumsum(target)) ** 2).sum() + 0.1 * target[below].mean()


_rng = np.random.default_rng(70)
CALLS = ((_rng.uniform(-0.1, 1.1, (3, 4)), np.array([0.1, 0.3, 0.4, 0.2]), 0.0, 1.0),)
