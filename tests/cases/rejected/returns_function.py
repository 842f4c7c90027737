def f(x):  # error: f returns a function
    return lambda y: x * y
