def f(x):
    for c in "abc":  # error: only a range, a tuple or an array can be looped over, and this is a string
        x = 2.0 * x
    return x
