def f(x):  # error: the result is a float on line 3 but a tuple of 2 on line 4
    if x > 0.0:
        return x
    return x, x
