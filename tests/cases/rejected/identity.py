def f(x, y):
    if x is y:  # error: `is` compares identities
        return x
    return y
