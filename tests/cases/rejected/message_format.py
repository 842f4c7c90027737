def f(x, digits):
    if x < -1.0:
        raise ValueError(f"{x:.{digits}f}")  # error: only a constant format is supported in a message
    if x < 0.0:
        raise ValueError(f"{x:03d}")  # error: this value cannot be shown so
    return x
