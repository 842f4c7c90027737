def f(x):
    powers = {k: x**k for k in range(3)}  # error: a dict comprehension is not supported
    return x
