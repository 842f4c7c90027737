def f(x: float):
    for i in range(x):  # error: an argument of range must be an int, and this is a float
        x = 2.0 * x
    return x
