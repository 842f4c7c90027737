def f(x):
    for y in x:  # error: only a range, a tuple or an array can be looped over, and this is a float
        x = x + y
    return x
