"""A signal engineer denoises by a recursive Haar transform with soft thresholds, and transforms back in place."""

import numpy as np


def haar(x, level):
    if level == 0 or len(x) < 2:
        return x
    s = (x[::2] + x[1::2]) / np.sqrt(2.0)
    d = (x[::2] - x[1::2]) / np.sqrt(2.0)
    return np.concatenate((haar(s, level - 1), d))


def haar_wavelet(signal, clean, threshold, levels: int):
    """The squared error of the denoised signal, measured on its coefficients."""
    c = haar(signal, levels)
    shrunk = np.sign(c) * np.maximum(np.abs(c) - threshold, 0.0)
    return np.sum((shrunk - haar(clean, levels)) ** 2)


_rng = np.random.default_rng(63)
CALLS = ((_rng.normal(size=8), _rng.normal(size=8), 0.2, 2), (_rng.normal(size=2), _rng.normal(size=2), 0.05, 1))
