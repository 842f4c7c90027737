def f(x: float, n: int):
    if isinstance(n, int):  # error: whether an int is of this type is not known here
        return x
    return 2.0 * x
