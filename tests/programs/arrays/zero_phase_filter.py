"""A signal engineer runs a recursive filter forward and backward over a signal that is continued by reflection."""

import numpy as np


def filtered(u, b, a):
    state, y = np.zeros(len(b) - 1), np.empty_like(u)
    for n, v in enumerate(u):
        y[n] = b[0] * v + state[0]
        for i in range(len(state) - 1):
            state[i] = b[i + 1] * v + state[i + 1] - a[i + 1] * y[n]
        state[-1] = b[-1] * v - a[-1] * y[n]
    return y


def zero_phase_filter(x, b, a):
    """The power that the filter takes out."""
    padded = np.concatenate((2.0 * x[0] - x[3:0:-1], x, 2.0 * x[-1] - x[-2:-5:-1]))
    once = filtered(padded, b, a)
    y = filtered(once[::-1], b, a)[::-1][3:-3]
    return np.mean((y - x) ** 2)


_rng = np.random.default_rng(97)
CALLS = (
    (_rng.normal(size=12), np.array([0.2, 0.3, 0.1]), np.array([1.0, -0.5, 0.25])),
    (_rng.normal(size=5), np.array([0.5, 0.4]), np.array([1.0, 0.1])),
)
