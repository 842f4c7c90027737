import numpy as np


def f(x: float, n: int):
    a = np.zeros((n, n))
    (a + x)[0, 0] = x  # error: this writes to an array that no name of this function holds
    return a[0, 0] * x
