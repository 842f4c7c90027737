def f(x: float):
    return x & 1  # error: an operand of & must be an int, and this is a float
