def f(x):
    from math import sin  # error: an import inside the function

    return sin(x)
