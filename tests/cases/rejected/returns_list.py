def f(x):  # error: f returns a list of 2
    return [x, x]
