def f(x):
    if x > 0.0:
        y = x
    else:
        y = (x, x)
    return y  # error: `y` is a float on line 3 but a tuple of 2 on line 5
