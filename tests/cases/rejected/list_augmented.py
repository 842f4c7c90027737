def f(x):
    values = [x]
    other = values
    other += [2.0 * x]  # error: this changes the list `other` in place
    return sum(values)
