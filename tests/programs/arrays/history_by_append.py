"""A student appends to lists as in pure Python and turns them into arrays at the end."""

import numpy as np


def history_by_append(x0, r, data):
    """The squared error of a logistic growth curve, kept in a list, and the largest growth."""
    x = x0
    xs = []
    growths = []
    for _ in range(len(data)):
        growth = r * x * (1.0 - x)
        x += growth
        xs.append(x)
        growths.append(growth)
    errors = [(a - b) ** 2 for a, b in zip(xs, data)]
    series = np.array(xs)
    return sum(errors) + max(growths) + np.mean(np.diff(series) ** 2)


CALLS = ((0.1, 0.6, np.array([0.2, 0.25, 0.4, 0.6, 0.7])), (0.3, 1.1, np.array([0.5, 0.5])))
