"""An imaging scientist deblurs a picture: blur by a separable kernel, data misfit, and a smoothed total variation."""

import numpy as np


def blur(image, kernel):
    n, m = image.shape
    k = len(kernel) // 2
    rows = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            for s in range(-k, k + 1):
                jj = min(max(j + s, 0), m - 1)
                rows[i, j] += kernel[s + k] * image[i, jj]
    out = np.zeros_like(image)
    for i in range(n):
        for s in range(-k, k + 1):
            ii = min(max(i + s, 0), n - 1)
            out[i] += kernel[s + k] * rows[ii]
    return out


def image_blur(image, observed, width, weight, eps):
    """The misfit, and the total variation's weight times its size."""
    offsets = np.arange(-1, 2)
    kernel = np.exp(-(offsets**2) / (2.0 * width**2))
    kernel /= kernel.sum()
    misfit = blur(image, kernel) - observed
    gx = image[1:, :-1] - image[:-1, :-1]
    gy = image[:-1, 1:] - image[:-1, :-1]
    variation = np.sqrt(gx**2 + gy**2 + eps**2).sum()
    return 0.5 * np.sum(misfit**2) + weight * variation


_rng = np.random.default_rng(41)
CALLS = (
    (_rng.uniform(size=(4, 5)), _rng.uniform(size=(4, 5)), 0.8, 0.05, 0.01),
    (_rng.uniform(size=(2, 2)), _rng.uniform(size=(2, 2)), 1.5, 0.1, 0.1),
)
