"""A learner chooses the activation by a string and may leave the bias out: flags are known when the function is compiled."""

import numpy as np


def activate(x, kind):
    if kind == "tanh":
        return np.tanh(x)
    if kind == "relu":
        return np.maximum(x, 0.0)
    if kind == "swish":
        return x / (1.0 + np.exp(-x))
    raise ValueError("unknown activation")


def choice_of_activation(W, V, x, bias=None, kind="swish", average=True):
    """The mean or the sum of the squared output."""
    z = x @ W
    if bias is not None:
        z = z + bias
    out = activate(z, kind) @ V
    return np.mean(out**2) if average else np.sum(out**2)


_rng = np.random.default_rng(64)
CALLS = ((_rng.normal(size=(3, 4)), _rng.normal(size=(4, 2)), _rng.normal(size=(5, 3))),)
