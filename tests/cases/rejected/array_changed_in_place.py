import numpy as np


def f(x: float, n: int):
    a = np.zeros(n) + x
    a.partition(1)  # error: .partition() changes the array in place
    return a[0]
