def f(x):
    import math  # error: an import inside the function

    return math.sin(x)
