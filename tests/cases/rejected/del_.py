def f(x):
    values = [x, 2.0 * x, 1.0]
    del values[1:]  # error: only names and single items of lists and dicts can be deleted
    return values[0]
