import random


def f(x):
    y = x + random.gauss(0.0, 1.0)  # error: gives another result each time
    try:  # error: `try` is not supported
        z = y * y
    finally:
        z = y
    print(z)  # error: print is not supported
    for c in "ab":  # error: only a range, a tuple or an array can be looped over
        z = z + undefined  # error: the name `undefined` is not defined
    return z
