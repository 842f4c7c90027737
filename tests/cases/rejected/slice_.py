def f(x):
    return (x, x, x)[1:]  # error: slices are not supported
