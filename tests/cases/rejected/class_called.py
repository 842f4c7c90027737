from fractions import Fraction


def f(x):
    return x * Fraction(1, 3)  # error: fractions.Fraction is a class; objects are not supported
