def f(x):
    from math import sinus  # error: this import fails

    return sinus(x)
