def f(x):
    return max(*x)  # error: only a tuple of known length can be spread with *
