def f(x):
    pairs = zip((x, 2.0), (3.0, 4.0))  # error: an iterator cannot be kept under a name
    first = sum(a * b for a, b in pairs)
    return first + sum(a * b for a, b in pairs)
