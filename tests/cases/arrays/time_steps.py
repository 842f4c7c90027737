import numpy as np


def f(u0, c, steps):
    u = u0.copy()
    n = u.shape[0]
    for s in range(steps):
        uold = u.copy()
        for i in range(1, n - 1):
            u[i] = uold[i] - c * uold[i] * (uold[i] - uold[i - 1])
    return (u * u).sum()


WRT = ("u0", "c")
CASES = [(np.array([1.0, 0.6, 0.9, 0.3, 0.2, 0.5]), 0.1, 4), (np.array([1.0, 0.6, 0.9]), 0.3, 0), (np.array([1.0]), 0.3, 2)]

# --- numpy
import numpy as np


def f_value_and_grad(u0, c, steps):
    # forward pass
    u = u0.copy()
    n = u.shape[0]
    nmone = n - 1
    uold_tape = np.empty((len(range(steps)), u.shape[0]))
    for s in range(steps):
        uold = u.copy()
        uold_tape[s] = uold
        for i in range(1, n - 1):
            uoldi = uold[i]
            cuoldi = c * uoldi
            uoldim1 = uold[i - 1]
            diff1 = uoldi - uoldim1
            prod1 = cuoldi * diff1
            diff2 = uoldi - prod1
            u[i] = diff2
    usqr = u * u
    f = np.sum(usqr)

    # backward pass
    df = 1.0
    # usqr = u * u
    du = 2.0 * u * df
    dc = 0.0
    for s in range(steps - 1, -1, -1):
        uold = uold_tape[s]
        duold = np.zeros_like(u0)
        for i in range(nmone - 1, 0, -1):
            uoldi = uold[i]
            cuoldi = c * uoldi
            imone = i - 1
            uoldim1 = uold[imone]
            diff1 = uoldi - uoldim1
            # u[i] = diff2
            dui = du[i]
            du[i] = 0.0
            ddiff2 = dui
            # diff2 = uoldi - prod1
            duoldi = ddiff2
            dprod1 = -ddiff2
            # prod1 = cuoldi * diff1
            dcuoldi = diff1 * dprod1
            ddiff1 = cuoldi * dprod1
            # diff1 = uoldi - uoldim1
            duoldi += ddiff1
            duoldim1 = -ddiff1
            # uoldim1 = uold[(i - 1)]
            duold[imone] += duoldim1
            # cuoldi = c * uoldi
            dc += uoldi * dcuoldi
            duoldi += c * dcuoldi
            # uoldi = uold[i]
            duold[i] += duoldi
        # uold = u.copy()
        du += duold
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
    m = u0.shape[0]
    mmone = m - 1
    uold_tape = room((len(range(steps)), m))
    for s in range(steps):
        uold = u.copy()
        m2 = u0.shape[0]
        for i in range(m2):
            u_i = u[i]
            uold_tape[s, i] = u_i
        for i in range(1, m - 1):
            uoldi = uold[i]
            cuoldi = c * uoldi
            uoldim1 = uold[i - 1]
            diff1 = uoldi - uoldim1
            prod1 = cuoldi * diff1
            diff2 = uoldi - prod1
            u[i] = diff2
    df = 1.0
    du = room(m)
    f = 0.0
    for i in range(m):
        # forward pass
        u_i = u[i]
        usqr_i = u_i * u_i
        f = plus(f, usqr_i)

        # backward pass
        # usqr = u * u
        du_i = 2.0 * u_i * df
        du[i] = du_i
    dc = 0.0
    for s in range(steps - 1, -1, -1):
        uold = uold_tape[s]
        du2 = du
        duold = np.zeros_like(u0)
        for i in range(mmone - 1, 0, -1):
            uoldi = uold[i]
            cuoldi = c * uoldi
            imone = i - 1
            uoldim1 = uold[imone]
            diff1 = uoldi - uoldim1
            # u[i] = diff2
            dui = du2[i]
            du2[i] = 0.0
            ddiff2 = dui
            # diff2 = uoldi - prod1
            duoldi = ddiff2
            dprod1 = -ddiff2
            # prod1 = cuoldi * diff1
            dcuoldi = diff1 * dprod1
            ddiff1 = cuoldi * dprod1
            # diff1 = uoldi - uoldim1
            duoldi += ddiff1
            duoldim1 = -ddiff1
            # uoldim1 = uold[(i - 1)]
            duold[imone] += duoldim1
            # cuoldi = c * uoldi
            dc = plus(dc, uoldi * dcuoldi)
            duoldi += c * dcuoldi
            # uoldi = uold[i]
            duold[i] += duoldi
        m = u0.shape[0]
        du = room(m)
        for i in range(m):
            du_i = du2[i]
            duold_i = duold[i]
            # uold = u.copy()
            du_i += duold_i
            du[i] = du_i
    # u = u0.copy()
    du0 = du
    return f, (du0, dc)
