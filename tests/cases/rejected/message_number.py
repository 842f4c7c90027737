def f(x):
    assert x > 0.0, x  # error: a message must be text or an f-string
    return x
