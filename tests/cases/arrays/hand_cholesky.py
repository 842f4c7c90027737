import math

import numpy as np


def f(A, y):
    n = A.shape[0]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            if i == j:
                L[i, i] = math.sqrt(s)
            else:
                L[i, j] = s / L[j, j]
    z = np.zeros(n)
    total = 0.0
    for i in range(n):
        z[i] = (y[i] - L[i, :i] @ z[:i]) / L[i, i]
        total += 0.5 * z[i] ** 2 + math.log(L[i, i])
    return total


_rng = np.random.default_rng(1)
_A = _rng.normal(size=(4, 4))
CASES = [(_A @ _A.T + 4.0 * np.eye(4), _rng.normal(size=4))]

# --- numpy
from math import copysign, inf, log, sqrt

import numpy as np


def quotient(num, den):
    """num / den as IEEE 754 has it, save that a zero num gives zero: where no gradient arrives, none leaves."""
    if num == 0.0:
        return 0.0
    if den == 0.0:
        return num * copysign(inf, den)
    return num / den


def f_value_and_grad(A, y):
    # forward pass
    n = A.shape[0]
    L = np.zeros((n, n))
    records = 0
    for i in range(n):
        records += len(range(i + 1))
    record = 0
    L_was_tape = np.empty(records)
    L_was_tape2 = np.empty(records)
    for i in range(n):
        for j in range(i + 1):
            s = A[i, j]
            for k in range(j):
                Lik = L[i, k]
                Ljk = L[j, k]
                LikLjk = Lik * Ljk
                s -= LikLjk
            if i == j:
                sqrts = sqrt(s)
                L_was = L[i, i]
                L[i, i] = sqrts
                L_was2 = 0.0
            else:
                den = L[j, j]
                soden = s / den
                L_was2 = L[i, j]
                L[i, j] = soden
                L_was = 0.0
            L_was_tape[record] = L_was
            L_was_tape2[record] = L_was2
            record += 1
    z = np.zeros(n)
    total = 0.0
    z_was_tape = np.empty(n)
    for i in range(n):
        yi = y[i]
        Lii = L[i, :i]
        zi = z[:i]
        Liizi = Lii @ zi
        num = yi - Liizi
        Lii2 = L[i, i]
        numoLii2 = num / Lii2
        z_was_tape[i] = z[i]
        z[i] = numoLii2
        zi2 = z[i]
        zi2sqr = zi2**2
        halfzi2sqr = 0.5 * zi2sqr
        logLii2 = log(Lii2)
        sum1 = halfzi2sqr + logLii2
        total += sum1
    f = total

    # backward pass
    dtotal = 1.0
    dz = np.zeros_like(z)
    dL = np.zeros_like(L)
    dy = np.zeros_like(y)
    for i in range(n - 1, -1, -1):
        load1 = z_was_tape[i]
        Lii = L[i, :i]
        Lii2 = L[i, i]
        # total = total + sum1
        dsum1 = dtotal
        # sum1 = halfzi2sqr + logLii2
        dhalfzi2sqr = dsum1
        dlogLii2 = dsum1
        # logLii2 = log(Lii2)
        dLii2 = dlogLii2 / Lii2
        # halfzi2sqr = 0.5 * zi2sqr
        dzi2sqr = 0.5 * dhalfzi2sqr
        zi2 = z[i]
        # zi2sqr = zi2**2
        dzi2 = 2.0 * zi2 * dzi2sqr
        # zi2 = z[i]
        dz[i] += dzi2
        numoLii2 = z[i]
        z[i] = load1
        # z[i] = numoLii2
        dnumoLii2 = dz[i]
        dz[i] = 0.0
        # numoLii2 = num / Lii2
        dnum = dnumoLii2 / Lii2
        dLii2 -= numoLii2 * dnumoLii2 / Lii2
        # Lii2 = L[i, i]
        dL[i, i] += dLii2
        # num = yi - Liizi
        dyi = dnum
        dLiizi = -dnum
        zi = z[:i]
        # Liizi = Lii @ zi
        dLii = dLiizi * zi
        dzi = dLiizi * Lii
        # zi = z[:i]
        dz[:i] += dzi
        # Lii = L[i, :i]
        dL[i, :i] += dLii
        # yi = y[i]
        dy[i] += dyi
    dA = np.zeros_like(A)
    for i in range(n - 1, -1, -1):
        for j in range(i, -1, -1):
            record -= 1
            L_was = L_was_tape[record]
            L_was2 = L_was_tape2[record]
            if i == j:
                sqrts = L[i, i]
                L[i, i] = L_was
                # L[i, i] = sqrts
                dsqrts = dL[i, i]
                dL[i, i] = 0.0
                # sqrts = sqrt(s)
                ds = quotient(0.5 * dsqrts, sqrts)
            else:
                soden = L[i, j]
                L[i, j] = L_was2
                # L[i, j] = soden
                dsoden = dL[i, j]
                dL[i, j] = 0.0
                den = L[j, j]
                # soden = s / den
                ds = dsoden / den
                dden = -soden * dsoden / den
                # den = L[j, j]
                dL[j, j] += dden
            for k in range(j - 1, -1, -1):
                Lik = L[i, k]
                Ljk = L[j, k]
                # s = s - LikLjk
                dLikLjk = -ds
                # LikLjk = Lik * Ljk
                dLik = Ljk * dLikLjk
                dLjk = Lik * dLikLjk
                # Ljk = L[j, k]
                dL[j, k] += dLjk
                # Lik = L[i, k]
                dL[i, k] += dLik
            # s = A[i, j]
            dA[i, j] += ds
    return f, (dA, dy)

# --- numba
from math import copysign, inf, log, nan, sqrt

import numpy as np
from numba import njit
from stagegrad.kernels.loops import plus
from stagegrad.kernels.workspace import room


@njit(error_model="numpy", nogil=True)
def positive(x):
    """x itself, or nan where x is negative: where a logarithm is nan, its slope must not be a number."""
    return x if x >= 0.0 else nan


@njit(error_model="numpy", nogil=True)
def add_row(row, x):
    """row += x, where x has one axis too."""
    if x.shape[0] not in (1, row.shape[0]):
        raise ValueError("operands could not be broadcast together")
    if x.shape == row.shape:
        for i in range(x.shape[0]):
            row[i] += x[i]
    else:
        for i in range(row.shape[0]):
            row[i] += x[0]


@njit(error_model="numpy", nogil=True)
def quotient(num, den):
    """num / den as IEEE 754 has it, save that a zero num gives zero: where no gradient arrives, none leaves."""
    if num == 0.0:
        return 0.0
    if den == 0.0:
        return num * copysign(inf, den)
    return num / den


@njit(error_model="numpy", nogil=True)
def f_value_and_grad(A, y):
    # forward pass
    n = A.shape[0]
    L = np.zeros((n, n))
    records = 0
    for i in range(n):
        records += len(range(i + 1))
    record = 0
    L_was_tape = room(records)
    L_was_tape2 = room(records)
    for i in range(n):
        ipone = i + 1
        if ipone > A.shape[1]:
            raise IndexError('index out of range')
        for j in range(ipone):
            s = A[i, j]
            for k in range(j):
                Lik = L[i, k]
                Ljk = L[j, k]
                LikLjk = Lik * Ljk
                s -= LikLjk
            if i == j:
                sqrts = sqrt(s)
                L_was = L[i, i]
                L[i, i] = sqrts
                L_was2 = 0.0
            else:
                den = L[j, j]
                soden = s / den
                L_was2 = L[i, j]
                L[i, j] = soden
                L_was = 0.0
            L_was_tape[record] = L_was
            L_was_tape2[record] = L_was2
            record += 1
    z = np.zeros(n)
    if n > y.shape[0]:
        raise IndexError('index out of range')
    total = 0.0
    z_was_tape = room(n)
    for i in range(n):
        yi = y[i]
        Lii = L[i, :i]
        zi = z[:i]
        Lii2 = L[i, i]
        z_was_tape[i] = z[i]
        logLii2 = log(Lii2)
        Liizi = 0.0
        m = Lii.shape[0]
        for i2 in range(m):
            Lii_i = Lii[i2]
            zi_i = zi[i2]
            Liizi = plus(Liizi, Lii_i * zi_i)
        num = yi - Liizi
        numoLii2 = num / Lii2
        z[i] = numoLii2
        zi2 = z[i]
        zi2sqr = zi2**2
        halfzi2sqr = 0.5 * zi2sqr
        sum1 = halfzi2sqr + logLii2
        total += sum1
    f = total

    # backward pass
    dtotal = 1.0
    dz = np.zeros_like(z)
    dL = np.zeros_like(L)
    dy = np.zeros_like(y)
    for i in range(n - 1, -1, -1):
        load1 = z_was_tape[i]
        Lii = L[i, :i]
        Lii2 = L[i, i]
        # total = total + sum1
        dsum1 = dtotal
        # sum1 = halfzi2sqr + logLii2
        dhalfzi2sqr = dsum1
        dlogLii2 = dsum1
        # logLii2 = log(Lii2)
        dLii2 = dlogLii2 / positive(Lii2)
        # halfzi2sqr = 0.5 * zi2sqr
        dzi2sqr = 0.5 * dhalfzi2sqr
        zi2 = z[i]
        # zi2sqr = zi2**2
        dzi2 = 2.0 * zi2 * dzi2sqr
        # zi2 = z[i]
        dz[i] += dzi2
        numoLii2 = z[i]
        z[i] = load1
        # z[i] = numoLii2
        dnumoLii2 = dz[i]
        dz[i] = 0.0
        # numoLii2 = num / Lii2
        dnum = dnumoLii2 / Lii2
        dLii2 -= numoLii2 * dnumoLii2 / Lii2
        # Lii2 = L[i, i]
        dL[i, i] += dLii2
        # num = yi - Liizi
        dyi = dnum
        dLiizi = -dnum
        zi = z[:i]
        # yi = y[i]
        dy[i] += dyi
        m = Lii.shape[0]
        dLii = room(m)
        dzi = room(m)
        for i2 in range(m):
            zi_i = zi[i2]
            # Liizi = Lii @ zi
            dLii_i = dLiizi * zi_i
            Lii_i = Lii[i2]
            # Liizi = Lii @ zi
            dzi_i = dLiizi * Lii_i
            dLii[i2] = dLii_i
            dzi[i2] = dzi_i
        # zi = z[:i]
        add_row(dz[:i], dzi)
        # Lii = L[i, :i]
        add_row(dL[i, :i], dLii)
    dA = np.zeros_like(A)
    for i in range(n - 1, -1, -1):
        for j in range(i, -1, -1):
            record -= 1
            L_was = L_was_tape[record]
            L_was2 = L_was_tape2[record]
            if i == j:
                sqrts = L[i, i]
                L[i, i] = L_was
                # L[i, i] = sqrts
                dsqrts = dL[i, i]
                dL[i, i] = 0.0
                # sqrts = sqrt(s)
                ds = quotient(0.5 * dsqrts, sqrts)
            else:
                soden = L[i, j]
                L[i, j] = L_was2
                # L[i, j] = soden
                dsoden = dL[i, j]
                dL[i, j] = 0.0
                den = L[j, j]
                # soden = s / den
                ds = dsoden / den
                dden = -soden * dsoden / den
                # den = L[j, j]
                dL[j, j] += dden
            for k in range(j):
                Lik = L[i, k]
                Ljk = L[j, k]
                # s = s - LikLjk
                dLikLjk = -ds
                # LikLjk = Lik * Ljk
                dLik = Ljk * dLikLjk
                dLjk = Lik * dLikLjk
                # Ljk = L[j, k]
                dL[j, k] += dLjk
                # Lik = L[i, k]
                dL[i, k] += dLik
            # s = A[i, j]
            dA[i, j] += ds
    return f, (dA, dy)
