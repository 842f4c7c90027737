def f(x):
    rows = [[x, x] for k in range(3)]  # error: a number is needed here, and this is a list of 2
    return rows[0][0]
