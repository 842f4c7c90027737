def f(x):
    for y in x:  # error: only a range or a tuple can be looped over, and this is a float
        x = x + y
    return x
