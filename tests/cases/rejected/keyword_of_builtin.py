def f(x, n: int):
    return x * int(n, base=10)  # error: keywords are not supported in a call of int
