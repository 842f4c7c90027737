"""A polynomial by Horner's rule with its coefficients in a tuple, and a rational function from two of them."""

COEFFICIENTS = (0.5, -1.25, 0.75, 2.0, -0.3)


def polynomial(x):
    value = 0.0
    for c in COEFFICIENTS:
        value = value * x + c
    return value


def horner(x, y):
    """p(x) / (1 + p(y)**2), with a tuple that holds a parameter."""
    mixed = 0
    for c in (1.0, y, 0.0, -2.5):
        mixed = mixed * x + c
    return polynomial(x) / (1.0 + polynomial(y) ** 2) + mixed


CALLS = ((0.7, -0.4), (-1.3, 0.9))
