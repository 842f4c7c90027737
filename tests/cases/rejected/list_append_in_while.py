def f(x):
    values = [x]
    while x > 1.0:  # error: how often this loop appends to `values` is not known
        x *= 0.5
        values.append(x)
    return sum(values)
