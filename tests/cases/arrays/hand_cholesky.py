import math

import numpy as np


def f(A, y):
    n = A.shape[0]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            if i == j:
                L[i, i] = math.sqrt(s)
            else:
                L[i, j] = s / L[j, j]
    z = np.zeros(n)
    total = 0.0
    for i in range(n):
        z[i] = (y[i] - L[i, :i] @ z[:i]) / L[i, i]
        total += 0.5 * z[i] ** 2 + math.log(L[i, i])
    return total


_rng = np.random.default_rng(1)
_A = _rng.normal(size=(4, 4))
CASES = [(_A @ _A.T + 4.0 * np.eye(4), _rng.normal(size=4))]
