def g(x, y):
    return x * y


def f(x):
    return g(x)  # error: g() is missing the argument 'y'
