def f(x):
    y = x * x
    print(y)  # error: print is not supported
    return y
