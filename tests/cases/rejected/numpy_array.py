import numpy as np


def f(x):
    return np.array((x, x))[0]  # error: stagegrad knows NumPy's functions of single numbers only
