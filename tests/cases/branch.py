from math import log


def f(x, y):
    if x > 2.0 * y:
        z = x * y
    else:
        z = log(y)
    return max(z, x) + z


CASES = [(3.0, 1.2), (1.0, 5.0), (-1.0, 0.3)]

# --- reverse python
from math import log


def f_value_and_grad(x, y):
    # forward pass
    branch1 = x > 2.0 * y
    if branch1:
        z = x * y
    else:
        z = log(y)
    maxzx = max(z, x)
    f = maxzx + z

    # backward pass
    df = 1.0
    # f = maxzx + z
    dmaxzx = df
    dz = df
    # maxzx = max(z, x)
    dz += 0.0 if x > z else dmaxzx
    dx = dmaxzx if x > z else 0.0
    if branch1:
        # z = x * y
        dx += y * dz
        dy = x * dz
    else:
        # z = log(y)
        dy = dz / y
    return f, (dx, dy)
