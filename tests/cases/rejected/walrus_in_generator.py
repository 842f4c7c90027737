def f(x):
    return sum((y := x * k) for k in range(3))  # error: `:=` inside a generator is not supported
