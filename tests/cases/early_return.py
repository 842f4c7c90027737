from math import exp, sqrt


def f(x, y, n):
    if x < 0.0:
        return y * y
    total = 0.0
    for k in range(1, n + 1):
        term = exp(-x * k) / k
        if term < 1e-3:
            return total * y
        total += term
    return total + sqrt(x + y)


CASES = [(0.5, 2.0, 40), (0.5, 2.0, 3), (-1.0, 3.0, 3), (0.5, 2.0, 0)]

# --- reverse python
from math import copysign, exp, inf, sqrt


def quotient(num, den):
    """num / den as IEEE 754 has it, save that a zero num gives zero: where no gradient arrives, none leaves."""
    if num == 0.0:
        return 0.0
    if den == 0.0:
        return num * copysign(inf, den)
    return num / den


def scaled(gradient, slope):
    """gradient * slope, save that a zero gradient gives zero, whatever the slope is."""
    return gradient * slope if gradient != 0.0 else 0.0


def f_value_and_grad(x, y, n):
    # forward pass
    branch1 = x < 0.0
    if branch1:
        f = y * y
    else:
        npone = n + 1
        trips2 = len(range(1, npone))
        total_tape = [0.0] * trips2
        num_tape = [0.0] * trips2
        total = 0.0
        left = False
        trips = 0
        for k in range(1, npone):
            total_tape[trips] = total
            negx = -x
            negxk = negx * k
            num = exp(negxk)
            num_tape[trips] = num
            trips += 1
            term = num / k
            if term < 0.001:
                f = total * y
                left = True
                break
            total += term
        if not left:
            xpy = x + y
            sqrtxpy = sqrt(xpy)
            f = total + sqrtxpy

    # backward pass
    df = 1.0
    if branch1:
        # f = y * y
        dy = 2.0 * y * df
        dx = 0.0
    else:
        if left:
            dtotal = 0.0
            dx = 0.0
            dy = 0.0
        else:
            # f = total + sqrtxpy
            dtotal = df
            dsqrtxpy = df
            # sqrtxpy = sqrt(xpy)
            dxpy = quotient(0.5 * dsqrtxpy, sqrtxpy)
            # xpy = x + y
            dx = dxpy
            dy = dxpy
            df = 0.0
        for k in range(trips, 0, -1):
            trip = k - 1
            total = total_tape[trip]
            num = num_tape[trip]
            term = num / k
            if term < 0.001:
                # f = total * y
                dtotal += scaled(df, y)
                dy += scaled(df, total)
                dterm = 0.0
            else:
                # total = total + term
                dterm = dtotal
            # term = num / k
            dnum = quotient(dterm, k)
            # num = exp(negxk)
            dnegxk = scaled(dnum, num)
            # negxk = negx * k
            dnegx = k * dnegxk
            # negx = -x
            dx -= dnegx
            df = 0.0
    return f, (dx, dy)
