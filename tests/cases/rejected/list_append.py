def f(x):
    values = [x]
    values.append(x)  # error: `.append` changes a list in place
    return x
