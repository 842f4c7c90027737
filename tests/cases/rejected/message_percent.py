def f(x):
    if x < 0.0:
        raise ValueError("negative: %g" % x)  # error: text formatted with % is not supported
    return x
