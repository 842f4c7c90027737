import numpy as np


def f(u0, c, steps):
    u = u0.copy()
    new = np.empty_like(u)
    for s in range(steps):
        new[0] = u[0]
        new[1:] = u[1:] - c * u[1:] * (u[1:] - u[:-1])
        u, new = new, u
    return np.sum(u * u)


WRT = ("u0", "c")
CASES = [(np.array([1.0, 0.6, 0.9, 0.3]), 0.2, 3), (np.array([1.0, 0.6, 0.9, 0.3]), 0.2, 0)]

# --- numpy
import numpy as np


def f_value_and_grad(u0, c, steps):
    # forward pass
    u = u0.copy()
    new = np.empty_like(u)
    trips = len(range(steps))
    new_was_tape = np.empty((trips, max(new.shape[0] - 1, 0)))
    new_was_tape2 = np.empty(trips)
    for s in range(steps):
        u02 = u[0]
        new_was_tape2[s] = new[0]
        new[0] = u02
        ui = u[1:]
        cui = c * ui
        ui2 = u[:-1]
        uimui2 = ui - ui2
        cuiuimui2 = cui * uimui2
        diff1 = ui - cuiuimui2
        new_was_tape[s] = new[1:]
        new[1:] = diff1
        u, new = new, u
    usqr = u * u
    f = np.sum(usqr)

    # backward pass
    df = 1.0
    # usqr = u * u
    du = 2.0 * u * df
    dnew = np.zeros_like(u0)
    dc = 0.0
    for s in range(steps - 1, -1, -1):
        load1 = new_was_tape2[s]
        dnew2 = du
        du = dnew
        new2 = u
        new2[1:] = new_was_tape[s]
        # new[1:] = diff1
        dnewi = dnew2[1:].copy()
        dnew2[1:] = 0.0
        ddiff1 = dnewi
        # diff1 = ui - cuiuimui2
        dui = ddiff1
        dcuiuimui2 = -ddiff1
        ui = new[1:]
        cui = c * ui
        ui2 = new[:-1]
        uimui2 = ui - ui2
        # cuiuimui2 = cui * uimui2
        dcui = uimui2 * dcuiuimui2
        duimui2 = cui * dcuiuimui2
        # uimui2 = ui - ui2
        dui += duimui2
        dui2 = -duimui2
        # ui2 = u[:-1]
        du[:-1] += dui2
        # cui = c * ui
        dc += np.sum(ui * dcui)
        dui += c * dcui
        # ui = u[1:]
        du[1:] += dui
        new2[0] = load1
        # new[0] = u02
        du02 = dnew2[0]
        dnew = dnew2
        dnew[0] = 0.0
        # u02 = u[0]
        du[0] += du02
        u = new
        new = new2
    # u = u0.copy()
    du0 = du
    return f, (du0, dc)

# --- numba
import numpy as np
from numba import njit
from stagegrad.kernels.loops import plus
from stagegrad.kernels.workspace import room


@njit(error_model="numpy", nogil=True, fastmath={"contract"})
def f_value_and_grad(u0, c, steps):
    u = u0.copy()
    new = np.empty_like(u)
    branch1 = steps > 0
    n = u0.shape[0]
    if branch1 & (n <= 0):
        raise IndexError('index out of range')
    if branch1 & (new.shape[0] <= 0):
        raise IndexError('index out of range')
    trips = len(range(steps))
    n2 = u0.shape[0]
    m = max(n2 - 1, 0)
    diff1 = room(m)
    new_was_tape = room((trips, max(new.shape[0] - 1, 0)))
    new_was_tape2 = room(trips)
    for s in range(steps):
        u02 = u[0]
        new_was_tape2[s] = new[0]
        new[0] = u02
        n2 = u0.shape[0]
        m = max(n2 - 1, 0)
        for i in range(m):
            new_ = new[i + 1]
            new_was_tape[s, i] = new_
        for i in range(m):
            u_ = u[i + 1]
            cui_i = c * u_
            u_i = u[i]
            uimui2_i = u_ - u_i
            cuiuimui2_i = cui_i * uimui2_i
            diff1_i = u_ - cuiuimui2_i
            diff1[i] = diff1_i
        for i in range(m):
            diff1_i = diff1[i]
            new[i + 1] = diff1_i
        u, new = new, u
    df = 1.0
    du = room(n)
    f = 0.0
    for i in range(n):
        # forward pass
        u_i = u[i]
        usqr_i = u_i * u_i
        f = plus(f, usqr_i)

        # backward pass
        # usqr = u * u
        du_i = 2.0 * u_i * df
        du[i] = du_i
    dnew = np.zeros_like(u0)
    dc = 0.0
    for s in range(steps - 1, -1, -1):
        s2 = max(s, 0)
        load1 = new_was_tape2[s]
        dnew2 = du
        n = u0.shape[0]
        m = max(n - 1, 0)
        for i in range(m):
            new_was_tape_si = new_was_tape[s2, i]
            u[i + 1] = new_was_tape_si
        edge = min(2, n)
        nmedge = n - edge
        it = 0.0
        for i in range(edge):
            i2 = i + nmedge
            i = i if i < 1 else i2
            if i < n - 1:
                new_ = new[i + 1]
                new_i = new[i]
                du_ = du[i + 1]
                pick = new_ * ((new_ - new_i) * -du_)
            else:
                pick = 0.0
            # cui = c * ui
            it = plus(it, pick)
            if i < n - 1:
                new_ = new[i + 1]
                du_ = du[i + 1]
                pick2 = -(c * new_ * -du_)
            else:
                pick2 = 0.0
            if i >= 1:
                du_i = du[i]
                new_i = new[i]
                negdu_i = -du_i
                new_ = new[i - 1]
                pick3 = du_i + c * new_i * negdu_i + c * ((new_i - new_) * negdu_i)
            else:
                pick3 = 0.0
            # ui2 = u[:-1]
            dnew[i] += pick2 + pick3
        dnew3 = dnew
        it2 = it
        for i in range(n - 2):
            new_ = new[i + 2]
            new_2 = new[i + 1]
            du_ = du[i + 2]
            du_2 = du[i + 1]
            negdu_ = -du_2
            new_i = new[i]
            sum1 = du_2 + c * new_2 * negdu_ + c * ((new_2 - new_i) * negdu_)
            # ui2 = u[:-1]
            dnew3[i + 1] += -(c * new_ * -du_) + sum1
            it2 = plus(it2, new_ * ((new_ - new_2) * -du_))
        # cui = c * ui
        dc += it2
        new2 = u
        new2[0] = load1
        for i in range(m):
            # new[1:] = diff1
            dnew2[i + 1] = 0.0
        # new[0] = u02
        du02 = dnew2[0]
        dnew = dnew2
        dnew[0] = 0.0
        # u02 = u[0]
        du = dnew3
        du[0] += du02
        u = new
        new = new2
    # u = u0.copy()
    du0 = du
    return f, (du0, dc)
