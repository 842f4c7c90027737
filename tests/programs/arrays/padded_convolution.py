"""A learner writes a same-size convolution with np.pad and flips, as shifted slices that are added up."""

import numpy as np


def convolve(image, kernel):
    k = kernel.shape[0] // 2
    padded = np.pad(image, k)
    flipped = kernel[::-1, ::-1]
    out = np.zeros_like(image)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            out += flipped[i, j] * padded[i : i + image.shape[0], j : j + image.shape[1]]
    return out


def padded_convolution(image, kernel, target):
    """The misfit of the picture and of its mirror image."""
    once = convolve(image, kernel)
    twice = convolve(np.flip(image, 1), np.rot90(kernel))
    return np.mean((once - target) ** 2) + np.mean(np.maximum(twice, 0.1 * twice))


_rng = np.random.default_rng(67)
CALLS = ((_rng.normal(size=(3, 4)), _rng.normal(size=(3, 3)), _rng.normal(size=(3, 4))),)
