COUNT = 0


def f(x):
    global COUNT  # error: `global` makes results depend on hidden state
    COUNT = 1
    return x
