"""An audio engineer convolves a signal, takes a running mean by cumulative sums, and compresses what is loud."""

import numpy as np


def fir_and_envelope(x, taps, threshold, ratio, window: int):
    """The power of the compressed signal."""
    y = np.convolve(x, taps)
    power = np.concatenate((np.zeros(1), np.cumsum(y**2)))
    envelope = np.sqrt((power[window:] - power[:-window]) / window + 1e-9)
    gain = np.ones(envelope.shape[0])
    loud = envelope > threshold
    gain[loud] = (threshold / envelope[loud]) ** (1.0 - 1.0 / ratio)
    out = y[window - 1 :] * gain
    return np.mean(out**2) + np.sum(np.abs(np.diff(gain)))


_rng = np.random.default_rng(56)
CALLS = ((_rng.normal(size=10), np.array([0.5, 0.3, -0.2]), 0.4, 3.0, 3),)
