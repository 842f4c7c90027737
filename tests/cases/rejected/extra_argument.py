def g(x):
    return x * x


def f(x):
    return g(x, x)  # error: g() takes 1 positional arguments but 2 were given
