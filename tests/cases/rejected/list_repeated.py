def f(x, n: int):
    values = [0.0, 1.0] * n  # error: repeating it with * is not supported
    return x + sum(values)
