def f(*values):  # error: `*values`: the number of parameters must be known
    return values[0]
