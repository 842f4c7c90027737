def f(x):
    values = [0.0] * 3  # error: repeating it with * is not supported
    return x + sum(values)
