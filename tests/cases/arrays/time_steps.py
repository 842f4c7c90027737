import numpy as np


def f(u0, c, steps):
    u = u0.copy()
    n = u.shape[0]
    for s in range(steps):
        uold = u.copy()
        for i in range(1, n - 1):
            u[i] = uold[i] - c * uold[i] * (uold[i] - uold[i - 1])
    return (u * u).sum()


WRT = ("u0", "c")
CASES = [(np.array([1.0, 0.6, 0.9, 0.3, 0.2, 0.5]), 0.1, 4), (np.array([1.0, 0.6, 0.9]), 0.3, 0), (np.array([1.0]), 0.3, 2)]
