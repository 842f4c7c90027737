def f(x):
    powers = (x**k for k in range(3))  # error: an iterator cannot be kept under a name
    return x
