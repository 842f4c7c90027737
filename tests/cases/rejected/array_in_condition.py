import numpy as np


def f(n: int):
    x = np.zeros(n)
    if x > 1.0:  # error: an array is neither true nor false
        return 1.0
    return 0.0
