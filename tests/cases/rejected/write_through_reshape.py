import numpy as np


def f(x: float, n: int):
    a = np.zeros((n, n)) + x
    b = a.reshape(-1)
    b[0] = x
    return a[0, 0]  # error: whether the write on line 7 changes `a` cannot be told
