def f(x, **options):  # error: `**options`: the number of parameters must be known
    return x
