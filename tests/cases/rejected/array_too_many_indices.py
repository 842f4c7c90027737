import numpy as np


def f(n: int):
    x = np.zeros(n)
    return x[0, 1]  # error: too many indices: the array has 1 axes, and 2 are indexed
