import math


def f(x, y):
    p = x * y
    p = p / (1.0 + p)
    p = math.exp(p) * p
    return p * x


CASES = [(0.5, 1.5), (2.0, -1.0), (0.0, 3.0)]

# --- reverse python
from math import exp


def f_value_and_grad(x, y):
    # forward pass
    p = x * y
    den = 1.0 + p
    p /= den
    expp = exp(p)
    p2 = expp * p
    f = p2 * x

    # backward pass
    df = 1.0
    # f = p2 * x
    dp2 = x * df
    dx = p2 * df
    # p2 = expp * p
    dexpp = p * dp2
    dp = expp * dp2
    # expp = exp(p)
    dp += expp * dexpp
    # p = p / den
    dp3 = dp / den
    dden = -p * dp / den
    # den = 1.0 + p
    dp = dp3 + dden
    # p = x * y
    dx += y * dp
    dy = x * dp
    return f, (dx, dy)
