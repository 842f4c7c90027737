import numpy as np


def shifted(a, b):
    if a[0] > 0.0:
        return a[0]
    b[0] = 1.0
    return b[0]


def f(x: float, n: int):
    a = np.zeros(n) + x
    return shifted(a, a)  # error: two arrays that shifted is given may share memory
