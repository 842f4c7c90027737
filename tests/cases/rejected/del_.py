def f(x):
    y = 2.0 * x
    del y  # error: `del` is not supported
    return x
