def f(x):
    pair = (x, x)
    return pair * 2.0  # error: a number is needed here, and this is a tuple of 2
