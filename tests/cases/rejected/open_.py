def f(x):
    return open(x)  # error: is not written in Python
