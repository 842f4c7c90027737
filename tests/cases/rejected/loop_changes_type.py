def f(x):
    y = x
    for i in range(3):
        y = (y, x)  # error: `y` is a float on line 2 but a tuple of 2 on line 4
    return y
