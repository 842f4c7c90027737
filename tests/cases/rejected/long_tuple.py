MANY = tuple(1 / (k + 1) for k in range(2000))


def f(x):
    for w in MANY:  # error: a loop over 2000 values is too long
        x = x * w
    return x
