def f(x):
    g = (lambda v: v) if x > 0.0 else (lambda v: -v)
    return g(x)  # error: the result is a function on line 2 but another function on line 2
