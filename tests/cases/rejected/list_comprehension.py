def f(x):
    return [[x, x] for k in range(3)][0][0]  # error: a number is needed here, and this is a list of 2
