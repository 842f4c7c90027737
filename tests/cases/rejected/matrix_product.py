def f(x: float, y: float):
    return x @ y  # error: @ needs arrays, and this is a float
