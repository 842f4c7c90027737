import math


def f(x):
    return math.fsum((x, x))  # error: math.fsum is not written in Python
