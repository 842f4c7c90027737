def f(x):
    yield from (x, x)  # error: `yield from` makes a generator
