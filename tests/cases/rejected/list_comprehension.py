def f(x):
    powers = [x**k for k in range(3)]  # error: a list comprehension is not supported
    return powers[0]
