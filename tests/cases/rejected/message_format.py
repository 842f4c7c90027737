def f(x):
    if x < 0.0:
        raise ValueError(f"{x:.3f}")  # error: a format in a message is not supported
    return x
