def f(x):
    a, b, c = (x, x)  # error: too few values: 3 names for 2 values
    return a * b
