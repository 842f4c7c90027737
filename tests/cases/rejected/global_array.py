import numpy as np

WEIGHTS = np.ones(3)


def f(x):
    return x * WEIGHTS[0]  # error: `WEIGHTS` is an array
