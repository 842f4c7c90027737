def f(a, x0):
    x = x0
    while x * x - a > 1e-12 or a - x * x > 1e-12:
        step = (x * x - a) / (2.0 * x)
        if step * step < 1e-30:
            break
        x = x - step
    return x


STAGES = "gates"
CASES = [(2.0, 1.0), (9.0, 2.5)]

# --- reverse python
def grown(tape):
    """A tape twice as long that begins with the same records."""
    if len(tape) >= 2**26:
        raise MemoryError("a while loop ran more than 67,108,864 trips, which is more than a backward pass can record")
    return tape + tape


def f_value_and_grad(a, x0):
    # forward pass
    x_tape = [0.0] * 16
    x = x0
    trips = 0
    while x**2 - a > 1e-12 or a - x**2 > 1e-12:
        xsqr = x**2
        num = xsqr - a
        den = 2.0 * x
        invden = 1.0 / den
        step = num * invden
        if step**2 < 1e-30:
            break
        if trips == len(x_tape):
            x_tape = grown(x_tape)
        x_tape[trips] = x
        trips += 1
        x -= step
    f = x

    # backward pass
    dx = 1.0
    da = 0.0
    for trip in range(trips - 1, -1, -1):
        x = x_tape[trip]
        xsqr = x**2
        num = xsqr - a
        den = 2.0 * x
        invden = 1.0 / den
        # x = x - step
        dstep = -dx
        # step = num * invden
        dnum = invden * dstep
        dinvden = num * dstep
        # invden = 1.0 / den
        dden = -(invden**2) * dinvden
        # den = 2.0 * x
        dx += 2.0 * dden
        # num = xsqr - a
        dxsqr = dnum
        da -= dnum
        # xsqr = x**2
        dx += 2.0 * x * dxsqr
    dx0 = dx
    return f, (da, dx0)

# --- reverse numba
from numba import njit
from stagegrad.kernels.workspace import room, room_like


@njit(cache=True, error_model="numpy", nogil=True)
def grown(tape):
    """A tape twice as long that begins with the same records."""
    longer = room_like((2 * len(tape),) + tape.shape[1:], tape)
    for k in range(len(tape)):
        longer[k] = tape[k]
    return longer


@njit(cache=True, error_model="numpy", nogil=True)
def f_value_and_grad(a, x0):
    # forward pass
    x_tape = room(16)
    x = x0
    trips = 0
    while x**2 - a > 1e-12 or a - x**2 > 1e-12:
        xsqr = x**2
        num = xsqr - a
        den = 2.0 * x
        invden = 1.0 / den
        step = num * invden
        if step**2 < 1e-30:
            break
        if trips == len(x_tape):
            x_tape = grown(x_tape)
        x_tape[trips] = x
        trips += 1
        x -= step
    f = x

    # backward pass
    dx = 1.0
    da = 0.0
    for trip in range(trips - 1, -1, -1):
        x = x_tape[trip]
        xsqr = x**2
        num = xsqr - a
        den = 2.0 * x
        invden = 1.0 / den
        # x = x - step
        dstep = -dx
        # step = num * invden
        dnum = invden * dstep
        dinvden = num * dstep
        # invden = 1.0 / den
        dden = -(invden**2) * dinvden
        # den = 2.0 * x
        dx += 2.0 * dden
        # num = xsqr - a
        dxsqr = dnum
        da -= dnum
        # xsqr = x**2
        dx += 2.0 * x * dxsqr
    dx0 = dx
    return f, (da, dx0)
