"""A learner keeps the weights of a network in a dictionary and gets the gradients back in one."""

import numpy as np


def dictionary_of_parameters(params, x, y):
    """The mean squared error with a penalty."""
    h = np.tanh(x @ params["W1"] + params["b1"])
    out = h @ params["W2"] + params["b2"]
    penalty = params["scale"] * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))
    return np.mean((out - y) ** 2) + penalty


_rng = np.random.default_rng(53)
CALLS = (
    (
        {
            "W1": _rng.normal(size=(2, 3)),
            "b1": _rng.normal(size=3),
            "W2": _rng.normal(size=(3, 1)),
            "b2": _rng.normal(size=1),
            "scale": 0.01,
        },
        _rng.normal(size=(4, 2)),
        _rng.normal(size=(4, 1)),
    ),
)
