def settle(z, limit):
    while abs(z) > limit:
        z = 0.5 * z
    return z


def cube(z):
    return z * z * z


def f(x, y):
    return settle(cube(x), 1.0) * y + settle(x * y, 2.0)


CASES = [(2.5, 1.5), (0.3, -8.3)]

# --- reverse python
def settle(z, limit):
    while abs(z) > limit:
        z = 0.5 * z
    return z


def settle_backward(z, limit, dz):
    # forward pass
    trips = 0
    while abs(z) > limit:
        trips += 1
        z = 0.5 * z

    # backward pass
    for trip in range(trips - 1, -1, -1):
        # z = 0.5 * z
        dz = 0.5 * dz
    return dz


def f_value_and_grad(x, y):
    # forward pass
    xsqr = x * x
    xsqrx = xsqr * x
    settle1 = settle(xsqrx, 1.0)
    settle1y = settle1 * y
    xy = x * y
    settlexy = settle(xy, 2.0)
    f = settle1y + settlexy

    # backward pass
    df = 1.0
    # f = settle1y + settlexy
    dsettle1y = df
    dsettlexy = df
    # settlexy = settle(xy, 2.0)
    dxy = settle_backward(xy, 2.0, dsettlexy)
    # xy = x * y
    dx = y * dxy
    dy = x * dxy
    # settle1y = settle1 * y
    dsettle1 = y * dsettle1y
    dy += settle1 * dsettle1y
    # settle1 = settle(xsqrx, 1.0)
    dxsqrx = settle_backward(xsqrx, 1.0, dsettle1)
    # xsqrx = xsqr * x
    dxsqr = x * dxsqrx
    dx += xsqr * dxsqrx
    # xsqr = x * x
    dx += 2.0 * x * dxsqr
    return f, (dx, dy)
