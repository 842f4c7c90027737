def f(x):
    values = (x, 2.0 * x)
    values[0] = 1.0  # error: assignment to an item is not supported
    return values[1]
