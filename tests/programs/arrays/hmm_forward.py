"""A bioinformatician runs the forward recursion of a hidden Markov model over a sequence of symbols, scaled at every step."""

import numpy as np


def hmm_forward(initial, transition, emission, symbols):
    """The log-likelihood of the symbols; rows are normalised here, so that the parameters are free."""
    A = transition / transition.sum(axis=1)[:, None]
    B = emission / emission.sum(axis=1)[:, None]
    alpha = initial / initial.sum() * B[:, symbols[0]]
    scale = alpha.sum()
    loglik = np.log(scale)
    alpha = alpha / scale
    for t in range(1, len(symbols)):
        alpha = (alpha @ A) * B[:, symbols[t]]
        scale = alpha.sum()
        alpha /= scale
        loglik += np.log(scale)
    return loglik


_rng = np.random.default_rng(13)
CALLS = (
    (_rng.uniform(0.1, 1.0, 3), _rng.uniform(0.1, 1.0, (3, 3)), _rng.uniform(0.1, 1.0, (3, 4)), np.array([0, 2, 1, 3, 3, 0, 2])),
    (_rng.uniform(0.1, 1.0, 2), _rng.uniform(0.1, 1.0, (2, 2)), _rng.uniform(0.1, 1.0, (2, 2)), np.array([1])),
)
