def f(x):
    if isinstance(x, float):  # error: isinstance is not written in Python
        return x
    return 2.0 * x
