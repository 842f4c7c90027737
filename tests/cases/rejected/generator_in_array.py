import numpy as np


def f(x):
    return np.sort(x * k for k in range(3))[0]  # error: NumPy makes no array of a generator
