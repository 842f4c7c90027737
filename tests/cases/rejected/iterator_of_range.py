def f(x):
    down = reversed(range(4))  # error: an iterator cannot be kept under a name
    total = 0.0
    for i in down:
        total += x * i
    return total
