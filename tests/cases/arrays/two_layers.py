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
from math import nan

import numpy as np
from numba import njit
from stagegrad import kernels
from stagegrad.kernels import blas
from stagegrad.kernels.loops import plus, wide
from stagegrad.kernels.workspace import room


@njit(error_model="numpy", nogil=True)
def sign(x):
    """-1.0, 0.0 or 1.0 by the sign of x; nan for nan."""
    if x > 0.0:
        return 1.0
    if x < 0.0:
        return -1.0
    return 0.0 if x == 0.0 else nan


@njit(error_model="numpy", nogil=True, fastmath={"contract"})
def f_value_and_grad(w1, b1, w2, b2, x, t):
    wide()
    xw1 = blas.dot(x, w1)
    m = w1.shape[1]
    n = b1.shape[0]
    if n != m:
        raise ValueError('operands could not be broadcast together')
    l = x.shape[0]
    h = room((l, m))
    for i in range(l):
        for j in range(m):
            b1_j = b1[j]
            xw1_ij = xw1[i, j]
            xw1pb1_ij = xw1_ij + b1_j
            h_ij = kernels.tanh(xw1pb1_ij)
            h[i, j] = h_ij
    hw2 = blas.dot(h, w2)
    m2 = w2.shape[1]
    n2 = b2.shape[0]
    if n2 != m2:
        raise ValueError('operands could not be broadcast together')
    l2 = t.shape[0]
    if l2 != l:
        raise ValueError('operands could not be broadcast together')
    n = t.shape[1]
    if n != m2:
        raise ValueError('operands could not be broadcast together')
    db2 = np.zeros(m2)
    df = 1.0
    dymt = room((l, m2))
    f = 0.0
    for i in range(l):
        for j in range(m2):
            # forward pass
            b2_j = b2[j]
            hw2_ij = hw2[i, j]
            y_ij = hw2_ij + b2_j
            t_ij = t[i, j]
            ymt_ij = y_ij - t_ij
            absymt_ij = abs(ymt_ij)
            f = plus(f, absymt_ij)

            # backward pass
            # absymt = np.abs(ymt)
            dymt_ij = sign(ymt_ij) * df
            dymt[i, j] = dymt_ij
            # y = hw2 + b2
            db2[j] += dymt_ij
    # xw1 = x @ w1
    xT = x.T
    # ymt = y - t
    dy = dymt
    # y = hw2 + b2
    dhw2 = dy
    # hw2 = h @ w2
    dh = blas.dot(dhw2, w2.T)
    dw2 = blas.dot(h.T, dhw2)
    m3 = w2.shape[0]
    if m3 != m:
        raise ValueError('operands could not be broadcast together')
    db1 = np.zeros(m)
    dxw1pb1 = room((l, m))
    for i in range(l):
        for j in range(m):
            h_ij = h[i, j]
            dh_ij = dh[i, j]
            # h = np.tanh(xw1pb1)
            dxw1pb1_ij = (1.0 - h_ij**2) * dh_ij
            dxw1pb1[i, j] = dxw1pb1_ij
            # xw1pb1 = xw1 + b1
            db1[j] += dxw1pb1_ij
    # xw1pb1 = xw1 + b1
    dxw1 = dxw1pb1
    # xw1 = x @ w1
    dw1 = blas.dot(xT, dxw1)
    return f, (dw1, db1, dw2, db2)
