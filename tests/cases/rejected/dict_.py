def f(x):
    table = {"a": x}  # error: a dict is not supported
    return table["a"]
