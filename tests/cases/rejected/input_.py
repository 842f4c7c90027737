def f(x):
    return x * float(input())  # error: input is not written in Python
