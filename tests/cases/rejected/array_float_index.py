import numpy as np


def f(n: int):
    x = np.zeros(n)
    return x[n / 2]  # error: an index must be an int, and this is a float
