import numpy as np


def f(x):
    return np.sum(x)  # error: stagegrad knows NumPy's functions of single numbers only
