"""A data analyst measures a clustering: each point counts with its nearest centre, found by argmin."""

import numpy as np


def kmeans_cost(points, centres):
    """The within-cluster sum of squares, and how unequal the clusters' mean distances are."""
    n, k = len(points), len(centres)
    distances = np.empty((n, k))
    for j in range(k):
        distances[:, j] = ((points - centres[j]) ** 2).sum(axis=1)
    labels = np.argmin(distances, axis=1)
    cost = 0.0
    spread = np.zeros(k)
    counts = np.zeros(k)
    for i in range(n):
        cost += distances[i, labels[i]]
        spread[labels[i]] += np.sqrt(distances[i, labels[i]])
        counts[labels[i]] += 1
    return cost + np.var(spread / np.maximum(counts, 1.0))


_rng = np.random.default_rng(17)
CALLS = ((_rng.normal(size=(9, 2)), _rng.normal(size=(3, 2))), (_rng.normal(size=(2, 3)), _rng.normal(size=(2, 3))))
