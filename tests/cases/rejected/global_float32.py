import numpy as np

SCALE = np.float32(0.1)


def f(x):
    return x * SCALE  # error: `SCALE` is a float32
