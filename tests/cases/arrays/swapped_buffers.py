import numpy as np


def f(u0, c, steps):
    u = u0.copy()
    new = np.empty_like(u)
    for s in range(steps):
        new[0] = u[0]
        new[1:] = u[1:] - c * u[1:] * (u[1:] - u[:-1])
        u, new = new, u
    return np.sum(u * u)


WRT = ("u0", "c")
CASES = [(np.array([1.0, 0.6, 0.9, 0.3]), 0.2, 3), (np.array([1.0, 0.6, 0.9, 0.3]), 0.2, 0)]
