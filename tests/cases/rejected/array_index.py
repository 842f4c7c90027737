def f(x):
    return x[0] * x[1]  # error: only a tuple or an array can be indexed, and this is a float
