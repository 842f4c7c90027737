"""A learner runs an LSTM cell over a sequence, with all gates in one matrix cut apart by slices."""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm_sequence(Wx, Wh, b, V, xs, ys):
    """The squared error of the readout at every step."""
    n = Wh.shape[1]
    h = np.zeros(n)
    c = np.zeros(n)
    loss = 0.0
    for t in range(xs.shape[0]):
        gates = Wx @ xs[t] + Wh @ h + b
        i = sigmoid(gates[:n])
        f = sigmoid(gates[n : 2 * n])
        g = np.tanh(gates[2 * n : 3 * n])
        o = sigmoid(gates[3 * n :])
        c = f * c + i * g
        h = o * np.tanh(c)
        loss += (V @ h - ys[t]) ** 2
    return loss


_rng = np.random.default_rng(27)
CALLS = (
    (
        _rng.normal(size=(8, 2)),
        _rng.normal(size=(8, 2)),
        _rng.normal(size=8),
        _rng.normal(size=2),
        _rng.normal(size=(4, 2)),
        _rng.normal(size=4),
    ),
    (_rng.normal(size=(4, 1)), _rng.normal(size=(4, 1)), np.zeros(4), np.ones(1), _rng.normal(size=(1, 1)), np.zeros(1)),
)
