def f(x):
    yield x  # error: `yield` makes a generator
