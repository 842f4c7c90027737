def f(x):
    powers = {t: x for t in (x, 2.0)}  # error: a dict must have constant texts or ints as keys
    return x
