import numpy as np


def f(x: np.ndarray):  # error: `x` is annotated as ndarray
    return x
