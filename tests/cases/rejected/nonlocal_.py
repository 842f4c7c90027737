def f(x):
    total = 0.0

    def add(y):
        nonlocal total  # error: `nonlocal` makes results depend on hidden state
        total = total + y
        return total

    return add(x)
