def g(x):
    return x * x.size  # error: `.size`: a float has no such part


def f(x):
    return g(x) + 1.0
