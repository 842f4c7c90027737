def f(x):  # error: f returns a tuple of 2 that holds a string
    return x, "x"
