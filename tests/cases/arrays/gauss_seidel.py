import numpy as np


def f(u0, h, sweeps):
    u = u0.copy()
    for k in range(sweeps):
        for i in range(1, len(u) - 1):
            u[i] = 0.5 * (u[i - 1] + u[i + 1]) - h * u[i] ** 3
    return np.sum(u**2)


WRT = ("u0", "h")
CASES = [(np.array([1.0, -0.4, 0.7, 0.3, -1.1]), 0.1, 3), (np.array([1.0, 2.0]), 0.1, 3)]

# --- numpy
import numpy as np


def f_value_and_grad(u0, h, sweeps):
    # forward pass
    u = u0.copy()
    diff2 = len(u0) - 1
    u_was_tape = np.empty((len(range(sweeps)), len(range(1, diff2)) + 1))
    for k in range(sweeps):
        for i in range(1, len(u) - 1):
            uim1 = u[i - 1]
            uip1 = u[i + 1]
            uim1puip1 = uim1 + uip1
            prod1 = 0.5 * uim1puip1
            ui = u[i]
            uicub = ui**3
            huicub = h * uicub
            diff1 = prod1 - huicub
            u_was_tape[k, i] = ui
            u[i] = diff1
    usqr = u**2
    f = np.sum(usqr)

    # backward pass
    df = 1.0
    # usqr = u**2
    du = 2.0 * u * df
    dh = 0.0
    for k in range(sweeps - 1, -1, -1):
        for i in range(diff2 - 1, 0, -1):
            u[i] = u_was_tape[k, i]
            # u[i] = diff1
            ddiff1 = du[i]
            du[i] = 0.0
            # diff1 = prod1 - huicub
            dprod1 = ddiff1
            dhuicub = -ddiff1
            ui = u[i]
            uicub = ui**3
            # huicub = h * uicub
            dh += uicub * dhuicub
            duicub = h * dhuicub
            # uicub = ui**3
            dui = 3.0 * ui**2 * duicub
            # ui = u[i]
            du[i] += dui
            # prod1 = 0.5 * uim1puip1
            duim1puip1 = 0.5 * dprod1
            # uim1puip1 = uim1 + uip1
            duim1 = duim1puip1
            duip1 = duim1puip1
            # uip1 = u[i + 1]
            du[i + 1] += duip1
            # uim1 = u[i - 1]
            du[i - 1] += duim1
    # u = u0.copy()
    du0 = du
    return f, (du0, dh)

# --- numba
from numba import njit
from stagegrad.kernels.loops import plus
from stagegrad.kernels.workspace import room


@njit(error_model="numpy", nogil=True, fastmath={"contract"})
def f_value_and_grad(u0, h, sweeps):
    u = u0.copy()
    diff2 = len(u0) - 1
    u_was_tape = room((len(range(sweeps)), len(range(1, diff2)) + 1))
    for k in range(sweeps):
        for i in range(1, len(u) - 1):
            uim1 = u[i - 1]
            uip1 = u[i + 1]
            uim1puip1 = uim1 + uip1
            prod1 = 0.5 * uim1puip1
            ui = u[i]
            uicub = ui**3
            huicub = h * uicub
            diff1 = prod1 - huicub
            u_was_tape[k, i] = ui
            u[i] = diff1
    df = 1.0
    n = u0.shape[0]
    du = room(n)
    f = 0.0
    for i in range(n):
        # forward pass
        u_i = u[i]
        usqr_i = u_i**2
        f = plus(f, usqr_i)

        # backward pass
        # usqr = u**2
        du_i = 2.0 * u_i * df
        du[i] = du_i
    dh = 0.0
    for k in range(sweeps - 1, -1, -1):
        k = max(k, 0)
        for i in range(diff2 - 1, 0, -1):
            u[i] = u_was_tape[k, i]
            # u[i] = diff1
            ddiff1 = du[i]
            du[i] = 0.0
            # diff1 = prod1 - huicub
            dprod1 = ddiff1
            dhuicub = -ddiff1
            ui = u[i]
            uicub = ui**3
            # huicub = h * uicub
            dh = plus(dh, uicub * dhuicub)
            duicub = h * dhuicub
            # uicub = ui**3
            dui = 3.0 * ui**2 * duicub
            # ui = u[i]
            du[i] += dui
            # prod1 = 0.5 * uim1puip1
            duim1puip1 = 0.5 * dprod1
            # uim1puip1 = uim1 + uip1
            duim1 = duim1puip1
            duip1 = duim1puip1
            # uip1 = u[i + 1]
            du[i + 1] += duip1
            # uim1 = u[i - 1]
            du[i - 1] += duim1
    # u = u0.copy()
    du0 = du
    return f, (du0, dh)
