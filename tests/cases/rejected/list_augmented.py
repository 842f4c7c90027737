def f(x):
    values = [x]
    other = values
    other += [2.0 * x]  # error: this list has another name as well
    return sum(values)
