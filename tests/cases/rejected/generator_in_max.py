def f(x):
    return any(x > k for k in range(3))  # error: a generator is supported only as the argument of sum
