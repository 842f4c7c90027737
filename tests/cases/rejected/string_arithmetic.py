def f(x):
    return x + "1"  # error: a number is needed here, and this is a string
