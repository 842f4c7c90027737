def f(x):
    values = [x]
    values.append(x)  # error: `.append` of a list of 1 is not supported
    return x
