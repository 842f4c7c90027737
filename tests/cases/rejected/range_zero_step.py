def f(x):
    for i in range(0, 3, 0):  # error: range() arg 3 must not be zero
        x = 2.0 * x
    return x
