def f(x):  # error: f does not return one type of value: the result is a float on line 3 but None
    if x > 0.0:
        return x
