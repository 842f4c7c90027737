LIMITS = {"low": 0.0}


def f(x):
    return x - LIMITS["low"]  # error: `LIMITS` is a dict that may change
