import numpy as np

TABLE = np.array([1.0, 2.0])


def f(x: float):
    table = TABLE
    table[0] = x  # error: this writes to an array from outside the function
    return table[0]
