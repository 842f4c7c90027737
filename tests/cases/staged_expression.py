FORMULA = "(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)"
CASES = [(3.0, -4.0), (0.25, 1.5)]

# --- reverse python
import math


def exp(x):
    """The exponential that is inf where math.exp would raise."""
    return math.exp(x) if not x > 709.782712893384 else math.inf


def f_value_and_grad(x, y):
    # forward pass
    sigy = 1.0 / (1.0 + exp(-y))  # (1) sigmoid
    num = x + sigy  # (2) add
    sigx = 1.0 / (1.0 + exp(-x))  # (3) sigmoid
    xpy = x + y  # (4) add
    xpysqr = xpy**2  # (5) square
    den = sigx + xpysqr  # (6) add
    invden = 1.0 / den  # (7) reciprocal
    f = num * invden  # (8) multiply

    # backward pass
    df = 1.0
    # (8) f = num * invden
    dnum = invden * df
    dinvden = num * df
    # (7) invden = 1.0 / den
    dden = -(invden**2) * dinvden
    # (6) den = sigx + xpysqr
    dsigx = dden
    dxpysqr = dden
    # (5) xpysqr = xpy**2
    dxpy = 2.0 * xpy * dxpysqr
    # (4) xpy = x + y
    dx = dxpy
    dy = dxpy
    # (3) sigx = sigmoid(x)
    dx += (1.0 - sigx) * sigx * dsigx
    # (2) num = x + sigy
    dx += dnum
    dsigy = dnum
    # (1) sigy = sigmoid(y)
    dy += (1.0 - sigy) * sigy * dsigy
    return f, (dx, dy)

# --- reverse numba
from math import exp

from numba import njit


@njit(cache=True, error_model="numpy", fastmath={"contract"})
def f_value_and_grad(x, y):
    # forward pass
    sigy = 1.0 / (1.0 + exp(-y))  # (1) sigmoid
    num = x + sigy  # (2) add
    sigx = 1.0 / (1.0 + exp(-x))  # (3) sigmoid
    xpy = x + y  # (4) add
    xpysqr = xpy**2  # (5) square
    den = sigx + xpysqr  # (6) add
    invden = 1.0 / den  # (7) reciprocal
    f = num * invden  # (8) multiply

    # backward pass
    df = 1.0
    # (8) f = num * invden
    dnum = invden * df
    dinvden = num * df
    # (7) invden = 1.0 / den
    dden = -(invden**2) * dinvden
    # (6) den = sigx + xpysqr
    dsigx = dden
    dxpysqr = dden
    # (5) xpysqr = xpy**2
    dxpy = 2.0 * xpy * dxpysqr
    # (4) xpy = x + y
    dx = dxpy
    dy = dxpy
    # (3) sigx = sigmoid(x)
    dx += (1.0 - sigx) * sigx * dsigx
    # (2) num = x + sigy
    dx += dnum
    dsigy = dnum
    # (1) sigy = sigmoid(y)
    dy += (1.0 - sigy) * sigy * dsigy
    return f, (dx, dy)
