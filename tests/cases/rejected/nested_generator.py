def f(x):
    return sum(x * i * j for i in range(3) for j in range(3))  # error: a generator with several loops
