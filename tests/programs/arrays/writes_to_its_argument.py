"""A signal engineer filters a buffer in place with a biquad whose state is a small array, as real-time code does."""

import numpy as np


def biquad(x, b, a):
    s = np.zeros(2)
    for n in range(len(x)):
        y = b[0] * x[n] + s[0]
        s[0] = b[1] * x[n] - a[0] * y + s[1]
        s[1] = b[2] * x[n] - a[1] * y
        x[n] = y


def writes_to_its_argument(signal, b, a, gain):
    """The filtered signal's energy against its delayed self; the caller's buffer is filtered."""
    biquad(signal, b, a)
    signal *= gain
    tail = signal[2:]
    tail += 0.1
    return np.sum(signal**2) + np.dot(signal[1:], signal[:-1])


_rng = np.random.default_rng(55)
CALLS = ((_rng.normal(size=8), np.array([0.2, 0.3, 0.1]), np.array([-0.5, 0.2]), 1.3),)
