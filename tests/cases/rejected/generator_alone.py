def f(x):
    powers = (x**k for k in range(3))  # error: a generator is supported only as the argument of sum
    return x
