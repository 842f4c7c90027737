import numpy as np


def f(x: float):
    return np.unwrap((x, x))[0]  # error: numpy.unwrap is not supported
