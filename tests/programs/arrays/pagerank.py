"""A network scientist iterates PageRank with given link strengths and asks how one page's rank depends on them."""

import numpy as np


def pagerank(weights, damping, teleport, page: int, iterations: int):
    """The page's rank."""
    n = weights.shape[0]
    P = weights.copy()
    for i in range(n):
        P[i] /= P[i].sum()
    rank = np.ones(n) / n
    jump = teleport / np.sum(teleport)
    for _ in range(iterations):
        rank = damping * rank @ P + (1.0 - damping) * jump
    return rank[page]


_rng = np.random.default_rng(44)
CALLS = (
    (_rng.uniform(0.1, 1.0, (4, 4)), 0.85, _rng.uniform(0.1, 1.0, 4), 2, 10),
    (_rng.uniform(0.1, 1.0, (2, 2)), 0.5, np.ones(2), -1, 0),
)
