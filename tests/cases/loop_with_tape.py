def f(r, x0, n):
    x = x0
    for i in range(n):
        x = r * x * (1.0 - x)
    return x


CASES = [(3.7, 0.3, 8), (2.5, 0.1, 1), (2.5, 0.1, 0), (2.5, 0.1, -3)]

# --- reverse python
def f_value_and_grad(r, x0, n):
    # forward pass
    x_tape = [0.0] * n
    x = x0
    for i in range(n):
        x_tape[i] = x
        rx = r * x
        onemx = 1.0 - x
        x = rx * onemx
    f = x

    # backward pass
    dx = 1.0
    dr = 0.0
    for i in range(n - 1, -1, -1):
        x = x_tape[i]
        rx = r * x
        onemx = 1.0 - x
        # x = rx * onemx
        drx = onemx * dx
        donemx = rx * dx
        # onemx = 1.0 - x
        dx = -donemx
        # rx = r * x
        dr += x * drx
        dx += r * drx
    dx0 = dx
    return f, (dr, dx0)

# --- reverse numba
from numba import njit
from stagegrad.kernels.workspace import room


@njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})
def f_value_and_grad(r, x0, n):
    # forward pass
    x_tape = room(len(range(n)))
    x = x0
    for i in range(n):
        x_tape[i] = x
        rx = r * x
        onemx = 1.0 - x
        x = rx * onemx
    f = x

    # backward pass
    dx = 1.0
    dr = 0.0
    for i in range(n - 1, -1, -1):
        x = x_tape[i]
        rx = r * x
        onemx = 1.0 - x
        # x = rx * onemx
        drx = onemx * dx
        donemx = rx * dx
        # onemx = 1.0 - x
        dx = -donemx
        # rx = r * x
        dr += x * drx
        dx += r * drx
    dx0 = dx
    return f, (dr, dx0)

# --- forward python
def f_forward(r, x0, n, rdot, x0dot):
    x = x0
    xdot = x0dot
    for i in range(n):
        rx = r * x
        rxdot = x * rdot + r * xdot
        onemx = 1.0 - x
        onemxdot = -1.0 * xdot
        x = rx * onemx
        xdot = onemx * rxdot + rx * onemxdot
    return x, xdot
