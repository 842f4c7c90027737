import numpy as np


def f(u0, h, sweeps):
    u = u0.copy()
    for k in range(sweeps):
        for i in range(1, len(u) - 1):
            u[i] = 0.5 * (u[i - 1] + u[i + 1]) - h * u[i] ** 3
    return np.sum(u**2)


WRT = ("u0", "h")
CASES = [(np.array([1.0, -0.4, 0.7, 0.3, -1.1]), 0.1, 3), (np.array([1.0, 2.0]), 0.1, 3)]
