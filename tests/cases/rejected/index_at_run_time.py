TABLE = (1.0, "two", 4.0)


def f(x, n: int):
    return x * TABLE[n]  # error: an item at a position that is not constant, of a tuple whose items are not numbers of one type
