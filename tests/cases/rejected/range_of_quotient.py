def f(x, n: int):
    for i in range(n / 2):  # error: an argument of range must be an int, and this is a float
        x = 2.0 * x
    return x
