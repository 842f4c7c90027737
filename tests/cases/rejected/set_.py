def f(x):
    seen = {x}  # error: a set is not supported
    return x
