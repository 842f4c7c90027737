"""A recommender engineer fits users and items to observed ratings by stochastic gradient steps, row views updated in place."""

import numpy as np


def matrix_factorisation(users, items, who, what, ratings, rate, decay):
    """The squared error after one pass over the ratings."""
    U, V = users.copy(), items.copy()
    for k in range(len(ratings)):
        u = U[who[k]]
        v = V[what[k]]
        error = ratings[k] - u @ v
        old = u.copy()
        u += rate * (error * v - decay * u)
        v += rate * (error * old - decay * v)
    return np.sum((ratings - np.sum(U[who] * V[what], axis=1)) ** 2)


_rng = np.random.default_rng(59)
CALLS = (
    (
        _rng.normal(size=(3, 2)),
        _rng.normal(size=(4, 2)),
        np.array([0, 0, 1, 2, 2, 0]),
        np.array([0, 3, 1, 1, 2, 0]),
        _rng.normal(size=6),
        0.1,
        0.02,
    ),
)
