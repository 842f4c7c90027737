def f(x, y, n):
    total = 0.0
    for i in range(n):
        if i == 2 or x == y:
            continue
        total += x * i
    return total * y


CASES = [(0.5, 1.5, 5), (2.0, -1.0, 3), (1.0, 1.5, 0)]

# --- reverse python
def f_value_and_grad(x, y, n):
    # forward pass
    df = 1.0
    # f = total * y
    dtotal = y * df
    total = 0.0
    dx = 0.0
    for i in range(n):
        # forward pass
        branch1 = i == 2 or x == y
        if not branch1:
            xi = x * i
            total += xi

        # backward pass
        if not branch1:
            # total = total + xi
            dxi = dtotal
            # xi = x * i
            dx += i * dxi
    f = total * y

    # backward pass
    df = 1.0
    # f = total * y
    dy = total * df
    return f, (dx, dy)
