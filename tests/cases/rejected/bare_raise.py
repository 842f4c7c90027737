def f(x):
    if x < 0.0:
        raise  # error: only `raise Error(message)` is supported
    return x
