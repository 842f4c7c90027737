def f(x: float, y: float):
    return x @ y  # error: `@` needs arrays, and one of these is a number
