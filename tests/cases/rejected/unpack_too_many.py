def f(x):
    a, b = (x, x, x)  # error: too many values: 2 names for 3 values
    return a * b
