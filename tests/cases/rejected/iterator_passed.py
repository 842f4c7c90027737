def twice(values):
    return sum(values) + sum(values)


def f(x):
    return twice(reversed((x, 1.0)))  # error: an iterator cannot be kept under a name
