def g(x):
    return x * x


def f(x):
    return g(x, scale=2.0)  # error: g() got an unexpected keyword argument 'scale'
