def f(x):
    x.value = 1.0  # error: assignment to an attribute is not supported
    return x
