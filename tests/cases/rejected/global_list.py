WEIGHTS = [0.5, 0.25j]


def f(x):
    for w in WEIGHTS:  # error: `WEIGHTS` is a list that may change
        x = x * w
    return x
