from math import exp, log

import numpy as np


def f(w, b, x, t):
    loss = 0.0
    for i in range(x.shape[0]):
        z = w * x[i] + b
        p = 1.0 / (1.0 + exp(-z))
        loss -= t[i] * log(p) + (1.0 - t[i]) * log(1.0 - p)
    return loss


WRT = ("w", "b")
CASES = [(0.7, -0.2, np.array([0.5, -1.5, 2.0, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])), (0.1, 0.2, np.zeros(0), np.zeros(0))]

# --- numpy
from math import exp, log


def f_value_and_grad(w, b, x, t):
    # forward pass
    dloss = 1.0
    loss = 0.0
    db = 0.0
    dw = 0.0
    for i in range(x.shape[0]):
        # forward pass
        xi = x[i]
        wxi = w * xi
        z = wxi + b
        p = 1.0 / (1.0 + exp(-z))
        ti = t[i]
        logp = log(p)
        tilogp = ti * logp
        onemti = 1.0 - ti
        onemp = 1.0 - p
        logonemp = log(onemp)
        prod1 = onemti * logonemp
        sum1 = tilogp + prod1
        loss -= sum1

        # backward pass
        # loss = loss - sum1
        dsum1 = -dloss
        # sum1 = tilogp + prod1
        dtilogp = dsum1
        dprod1 = dsum1
        # prod1 = onemti * logonemp
        dlogonemp = onemti * dprod1
        # logonemp = log(onemp)
        donemp = dlogonemp / onemp
        # onemp = 1.0 - p
        dp = -donemp
        # tilogp = ti * logp
        dlogp = ti * dtilogp
        # logp = log(p)
        dp += dlogp / p
        # p = sigmoid(z)
        dz = (1.0 - p) * p * dp
        # z = wxi + b
        dwxi = dz
        db += dz
        # wxi = w * xi
        dw += xi * dwxi
    f = loss
    return f, (dw, db)

# --- numba
from math import nan

from numba import njit
from stagegrad import kernels
from stagegrad.kernels.loops import minus, plus, wide


@njit(error_model="numpy", nogil=True)
def positive(x):
    """x itself, or nan where x is negative: where a logarithm is nan, its slope must not be a number."""
    return x if x >= 0.0 else nan


@njit(error_model="numpy", nogil=True)
def f_value_and_grad(w, b, x, t):
    wide()
    # forward pass
    nx = x.shape[0]
    if nx > t.shape[0]:
        raise IndexError('index out of range')
    dloss = 1.0
    loss = 0.0
    db = 0.0
    dw = 0.0
    for i in range(nx):
        # forward pass
        xi = x[i]
        wxi = w * xi
        z = wxi + b
        p = 1.0 / (1.0 + kernels.exp(-z))
        ti = t[i]
        logp = kernels.log(p)
        tilogp = ti * logp
        onemti = 1.0 - ti
        onemp = 1.0 - p
        logonemp = kernels.log(onemp)
        prod1 = onemti * logonemp
        sum1 = tilogp + prod1
        loss = minus(loss, sum1)

        # backward pass
        # loss = loss - sum1
        dsum1 = -dloss
        # sum1 = tilogp + prod1
        dtilogp = dsum1
        dprod1 = dsum1
        # prod1 = onemti * logonemp
        dlogonemp = onemti * dprod1
        # logonemp = log(onemp)
        donemp = dlogonemp / positive(onemp)
        # onemp = 1.0 - p
        dp = -donemp
        # tilogp = ti * logp
        dlogp = ti * dtilogp
        # logp = log(p)
        dp += dlogp / positive(p)
        # p = sigmoid(z)
        dz = (1.0 - p) * p * dp
        # z = wxi + b
        dwxi = dz
        db = plus(db, dz)
        # wxi = w * xi
        dw = plus(dw, xi * dwxi)
    f = loss
    return f, (dw, db)
