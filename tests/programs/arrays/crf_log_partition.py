"""A linguist evaluates a linear-chain CRF: the score of a labelling less the log-partition by the forward recursion."""

import numpy as np


def logsumexp(a, axis):
    top = np.max(a, axis=axis, keepdims=True)
    return np.squeeze(top, axis=axis) + np.log(np.sum(np.exp(a - top), axis=axis))


def crf_log_partition(unary, pairwise, first, labels):
    """The log-probability of the labels."""
    length = len(labels)
    score = first[labels[0]] + unary[0, labels[0]]
    alpha = first + unary[0]
    for t in range(1, length):
        score += pairwise[labels[t - 1], labels[t]] + unary[t, labels[t]]
        alpha = logsumexp(alpha[:, None] + pairwise, axis=0) + unary[t]
    return score - logsumexp(alpha, axis=0)


_rng = np.random.default_rng(47)
CALLS = (
    (_rng.normal(size=(5, 3)), _rng.normal(size=(3, 3)), _rng.normal(size=3), np.array([0, 2, 2, 1, 0])),
    (_rng.normal(size=(1, 2)), _rng.normal(size=(2, 2)), _rng.normal(size=2), np.array([1])),
)
