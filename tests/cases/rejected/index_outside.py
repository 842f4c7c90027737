def f(x):
    return (x, x)[2]  # error: position 2 is outside a tuple of 2
