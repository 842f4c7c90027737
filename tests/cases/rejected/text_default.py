def f(x, mode="fast"):  # error: the default of `mode` is a str
    return x
