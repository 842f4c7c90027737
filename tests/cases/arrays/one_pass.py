from math import exp, log

import numpy as np


def f(w, b, x, t):
    loss = 0.0
    for i in range(x.shape[0]):
        z = w * x[i] + b
        p = 1.0 / (1.0 + exp(-z))
        loss -= t[i] * log(p) + (1.0 - t[i]) * log(1.0 - p)
    return loss


WRT = ("w", "b")
CASES = [(0.7, -0.2, np.array([0.5, -1.5, 2.0, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])), (0.1, 0.2, np.zeros(0), np.zeros(0))]
