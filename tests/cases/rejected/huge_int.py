def f(n: int):
    return n + 10**30  # error: this int needs more than 64 bits
