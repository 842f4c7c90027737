def f(x):
    y = None
    return x + y  # error: a number is needed here, and this is None
