TABLE = (1.0, "two", 4.0)


def f(x, n: int):
    return x * TABLE[n]  # error: the position is known only when the program runs, and the tuple has items that are not numbers of one type
