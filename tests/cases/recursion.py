def power(x, n):
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


def f(x, n: int):
    return power(x, n) + x


CASES = [(1.5, 4), (0.5, 0)]

# --- reverse python
def power(x, n):
    if n == 0:
        return 1.0
    powerx = power(x, n - 1)
    f = x * powerx
    return f


def power_backward(x, n, df):
    # forward pass
    branch1 = n == 0
    if not branch1:
        pick = n - 1
        powerx = power(x, pick)

    # backward pass
    if branch1:
        return 0.0
    # f = x * powerx
    dx = powerx * df
    dpowerx = x * df
    # powerx = power(x, n - 1)
    dx2 = power_backward(x, pick, dpowerx)
    dx += dx2
    return dx


def f_value_and_grad(x, n):
    # forward pass
    powerxn = power(x, n)
    f = powerxn + x

    # backward pass
    df = 1.0
    # f = powerxn + x
    dpowerxn = df
    dx = df
    # powerxn = power(x, n)
    dx2 = power_backward(x, n, dpowerxn)
    dx += dx2
    return f, dx
