"""An actuary prices a disability cover: three states, and their probabilities by a series that stops when nothing is added any more."""

import math

import numpy as np


def multi_state_annuity(rates, interest):
    """Benefits for death and for each year of disability, less what the healthy pay."""
    states, discount, value, healthy = np.array([1.0, 0.0, 0.0]), 1.0, 0.0, []
    for year, rate in enumerate(interest):
        flow = np.zeros((3, 3))
        flow[0, 1:] = rates[year, :2]
        flow[1, 2] = rates[year, 2]
        flow[1, 0] = 0.1
        flow -= np.diag(flow.sum(axis=1))
        term, total, k = states.copy(), states.copy(), 1
        while np.max(np.abs(term)) > 1e-16:
            term = term @ flow / k
            total += term
            k += 1
        discount *= math.exp(-rate)
        value += discount * (100.0 * (total[2] - states[2]) + 10.0 * total[1])
        healthy.append(discount * total[0])
        states = total
    return value - 3.0 * sum(healthy)


_rng = np.random.default_rng(99)
CALLS = ((_rng.uniform(0.1, 0.9, size=(3, 3)), _rng.uniform(0.01, 0.1, size=3)), (np.zeros((1, 3)) + 0.2, np.array([0.03])))
