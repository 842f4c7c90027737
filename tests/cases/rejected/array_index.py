def f(x):
    return x[0] * x[1]  # error: only a tuple can be indexed, and this is a float
