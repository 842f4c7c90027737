def f(x):  # error: f returns a string
    return "x"
