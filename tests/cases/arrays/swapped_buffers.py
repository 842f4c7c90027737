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
        dnewi2 = dnew2[0]
        dnew = dnew2
        dnew[0] = 0.0
        du02 = dnewi2
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


@njit(error_model="numpy", nogil=True, boundscheck=True, fastmath={"contract"})
def f_value_and_grad(u0, c, steps):
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
        ui2 = u[:-1]
        new_was_tape[s] = new[1:]
        n = ui.shape[0]
        diff1 = np.empty(n)
        for i in range(n):
            ui_i = ui[i]
            cui_i = c * ui_i
            ui2_i = ui2[i]
            uimui2_i = ui_i - ui2_i
            cuiuimui2_i = cui_i * uimui2_i
            diff1_i = ui_i - cuiuimui2_i
            diff1[i] = diff1_i
        new[1:] = diff1
        u, new = new, u
    df = 1.0
    n = u0.shape[0]
    du = np.empty(n)
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
        load1 = new_was_tape2[s]
        dnew2 = du
        du = dnew
        new2 = u
        new2[1:] = new_was_tape[s]
        # new[1:] = diff1
        dnewi = dnew2[1:].copy()
        dnew2[1:] = 0.0
        ui = new[1:]
        ui2 = new[:-1]
        new2[0] = load1
        # new[0] = u02
        dnewi2 = dnew2[0]
        dnew = dnew2
        dnew[0] = 0.0
        du02 = dnewi2
        n = dnewi.shape[0]
        dui = np.empty(n)
        dui2 = np.empty(n)
        it = 0.0
        for i in range(n):
            dnewii = dnewi[i]
            # diff1 = ui - cuiuimui2
            dcuiuimui2_i = -dnewii
            ui_i = ui[i]
            cui_i = c * ui_i
            ui2_i = ui2[i]
            uimui2_i = ui_i - ui2_i
            # cuiuimui2 = cui * uimui2
            dcui_i = uimui2_i * dcuiuimui2_i
            duimui2_i = cui_i * dcuiuimui2_i
            # uimui2 = ui - ui2
            dui_i = dnewii + duimui2_i
            dui2_i = -duimui2_i
            # cui = c * ui
            dui_i += c * dcui_i
            dui2[i] = dui2_i
            dui[i] = dui_i
            it = plus(it, ui_i * dcui_i)
        # ui2 = u[:-1]
        du[:-1] += dui2
        # cui = c * ui
        dc += it
        # ui = u[1:]
        du[1:] += dui
        # u02 = u[0]
        du[0] += du02
        u = new
        new = new2
    # u = u0.copy()
    du0 = du
    return f, (du0, dc)
