def f(x):  # error: f returns nothing
    y = x * x
