def f(x):
    total = x

    def grow():
        nonlocal total
        total = total * 2.0
        return total

    while grow() < 9.0:  # error: the test of this loop changes `total`
        x = x + 1.0
    return total
