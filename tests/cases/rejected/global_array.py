import numpy as np

WEIGHTS = np.ones(100)


def f(x: float):
    return x * WEIGHTS[0]  # error: `WEIGHTS` is an array from outside
