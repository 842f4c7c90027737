class Bad(Exception):
    pass


def f(x):
    if x < 0.0:
        raise Bad("x")  # error: only Python's own exceptions can be raised
    return x
