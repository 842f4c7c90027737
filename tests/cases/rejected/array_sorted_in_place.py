import numpy as np


def f(x: float, n: int):
    a = np.zeros(n) + x
    a.sort()  # error: .sort() changes the array in place
    return a[0]
