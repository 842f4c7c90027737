def f(x):
    for i, j in range(3):  # error: a range gives one int a trip
        x = x * i * j
    return x
