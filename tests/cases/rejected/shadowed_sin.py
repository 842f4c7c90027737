from statistics import NormalDist as sin


def f(x):
    return sin(x)  # error: is a class; objects are not supported
