import numpy as np


def f(w1, b1, w2, b2, x, t):
    h = np.tanh(x @ w1 + b1)
    y = h @ w2 + b2
    return np.abs(y - t).sum()


WRT = ("w1", "b1", "w2", "b2")
_rng = np.random.default_rng(0)
CASES = [tuple(_rng.normal(size=s) for s in [(3, 4), (4,), (4, 2), (2,), (5, 3), (5, 2)])]

# --- numpy
import numpy as np


def f_value_and_grad(w1, b1, w2, b2, x, t):
    # forward pass
    xw1 = x @ w1
    xw1pb1 = xw1 + b1
    h = np.tanh(xw1pb1)
    hw2 = h @ w2
    y = hw2 + b2
    ymt = y - t
    absymt = np.abs(ymt)
    f = np.sum(absymt)

    # backward pass
    df = 1.0
    # absymt = np.abs(ymt)
    dymt = np.sign(ymt) * df
    # ymt = y - t
    dy = dymt
    # y = hw2 + b2
    dhw2 = dy
    db2 = np.sum(dy, axis=0)
    # hw2 = h @ w2
    dh = dhw2 @ w2.T
    dw2 = h.T @ dhw2
    # h = np.tanh(xw1pb1)
    dxw1pb1 = (1.0 - h**2) * dh
    # xw1pb1 = xw1 + b1
    dxw1 = dxw1pb1
    db1 = np.sum(dxw1pb1, axis=0)
    # xw1 = x @ w1
    dw1 = x.T @ dxw1
    return f, (dw1, db1, dw2, db2)

# --- numba
import numpy as np
from numba import njit


@njit(error_model="numpy", nogil=True)
def f_value_and_grad(w1, b1, w2, b2, x, t):
    # forward pass
    xw1 = x @ w1
    xw1pb1 = xw1 + b1
    h = np.tanh(xw1pb1)
    hw2 = h @ w2
    y = hw2 + b2
    ymt = y - t
    absymt = np.abs(ymt)
    f = np.sum(absymt)

    # backward pass
    df = 1.0
    # absymt = np.abs(ymt)
    dymt = np.sign(ymt) * df
    # ymt = y - t
    dy = dymt
    # y = hw2 + b2
    dhw2 = dy
    db2 = np.sum(dy, 0)
    # hw2 = h @ w2
    dh = dhw2 @ w2.T
    dw2 = h.T @ dhw2
    # h = np.tanh(xw1pb1)
    dxw1pb1 = (1.0 - h**2) * dh
    # xw1pb1 = xw1 + b1
    dxw1 = dxw1pb1
    db1 = np.sum(dxw1pb1, 0)
    # xw1 = x @ w1
    dw1 = x.T @ dxw1
    return f, (dw1, db1, dw2, db2)
