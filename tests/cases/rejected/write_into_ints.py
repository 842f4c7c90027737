import numpy as np


def f(x: float):
    a = np.array([1, 2, 3])
    a[0] = x  # error: a float is written into an array of ints
    return a[0] * x
