import functools


def f(x):
    @functools.cache  # error: the inner function `g` is decorated
    def g(y):
        return y * y

    return g(x)
