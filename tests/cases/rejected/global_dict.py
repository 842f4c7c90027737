LIMITS = {1: 0.0}


def f(x):
    return x - LIMITS[1]  # error: `LIMITS` is a dict that may change
