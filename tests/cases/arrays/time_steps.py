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
            uoldim1 = uold[i - 1]
            diff1 = uoldi - uoldim1
            # u[i] = diff2
            ddiff2 = du[i]
            du[i] = 0.0
            # diff2 = uoldi - prod1
            duoldi = ddiff2
            dprod1 = -ddiff2
            # prod1 = cuoldi * diff1
            dcuoldi = diff1 * dprod1
            ddiff1 = cuoldi * dprod1
            # diff1 = uoldi - uoldim1
            duoldi += ddiff1
            duoldim1 = -ddiff1
            # uoldim1 = uold[i - 1]
            duold[i - 1] += duoldim1
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
from numba import njit
from stagegrad.kernels.loops import plus
from stagegrad.kernels.workspace import room


@njit(error_model="numpy", nogil=True, fastmath={"contract"})
def f_value_and_grad(u0, c, steps):
    u = u0.copy()
    m = u0.shape[0]
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
        m2 = u0.shape[0]
        du2 = room(m2)
        end = max(m - 2, 1)
        edge = min(3, m)
        rest = m - edge
        for i in range(1, end):
            uold_ip1 = uold[i + 1]
            cuoldi = c * uold_ip1
            du_ip1 = du[i + 1]
            dprod1 = -du_ip1
            ddiff1 = cuoldi * dprod1
            duoldim1 = -ddiff1
            # uoldim1 = uold[i - 1]
            duold_i = duoldim1
            du_i = du[i]
            uold_i = uold[i]
            cuoldi = c * uold_i
            # diff2 = uoldi - prod1
            dprod1 = -du_i
            # prod1 = cuoldi * diff1
            ddiff1 = cuoldi * dprod1
            # diff1 = uoldi - uoldim1
            duoldi = du_i + ddiff1
            uold_im1 = uold[i - 1]
            diff1 = uold_i - uold_im1
            # prod1 = cuoldi * diff1
            dcuoldi = diff1 * dprod1
            # cuoldi = c * uoldi
            duoldi += c * dcuoldi
            # uoldi = uold[i]
            duold_i += duoldi
            # cuoldi = c * uoldi
            dc = plus(dc, uold_i * dcuoldi)
            du2[i] = duold_i

        # near the borders
        for k in range(edge):
            i = k if k < 1 else k + rest
            branch1 = i < m - 2
            branch2 = (i >= 1) & (i < m - 1)
            if branch2:
                du_i = 0.0
            else:
                du_i = du[i]
            if branch1:
                uold_ip1 = uold[i + 1]
                cuoldi = c * uold_ip1
                du_ip1 = du[i + 1]
                dprod1 = -du_ip1
                ddiff1 = cuoldi * dprod1
                duoldim1 = -ddiff1
                duold_i = duoldim1
            else:
                duold_i = 0.0
            if branch2:
                du_i2 = du[i]
                uold_i = uold[i]
                cuoldi = c * uold_i
                dprod1 = -du_i2
                ddiff1 = cuoldi * dprod1
                duoldi = du_i2 + ddiff1
                uold_im1 = uold[i - 1]
                diff1 = uold_i - uold_im1
                dcuoldi = diff1 * dprod1
                duoldi += c * dcuoldi
                duold_i += duoldi
            if branch2:
                uold_i = uold[i]
                uold_im1 = uold[i - 1]
                diff1 = uold_i - uold_im1
                du_i2 = du[i]
                dprod1 = -du_i2
                dcuoldi = diff1 * dprod1
                pick = uold_i * dcuoldi
            else:
                pick = 0.0
            dc = plus(dc, pick)
            # uold = u.copy()
            du_i += duold_i
            du2[i] = du_i
        du = du2
    # u = u0.copy()
    du0 = du
    return f, (du0, dc)
