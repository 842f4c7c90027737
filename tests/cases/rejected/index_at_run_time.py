TABLE = (0.5, 0.25, 0.125)


def f(x, n: int):
    return x * TABLE[n]  # error: a tuple can be indexed by a constant only
