def f(x):
    return x + offset  # error: the name `offset` is not defined
