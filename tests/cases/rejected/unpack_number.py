def f(x):
    a, b = x  # error: only a tuple can be assigned to several names
    return a * b
