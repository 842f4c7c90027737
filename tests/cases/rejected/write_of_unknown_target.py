import numpy as np


def f(x: float, n: int):
    a, b = np.zeros(n), np.ones(n)
    c = a if x > 0.0 else b
    c[0] = x
    return a[0] + c[0]  # error: whether the write on line 7 changes `a` cannot be told
