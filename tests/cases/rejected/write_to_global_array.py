import numpy as np

TABLE = np.array([1.0, 2.0])


def f(x: float):
    TABLE[0] = x  # error: this writes to an array that no name of this function holds
    return TABLE[0]
