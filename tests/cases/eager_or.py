def f(x):
    # Both tests are evaluated before `any` looks at them, so a division by zero in the second is raised.
    return x * 2 if any((x > 1, x / (x - 13) > 1)) else x


CASES = [(2.0,), (0.5,)]

# --- value python
def f(x):
    if (x > 1) | (x / (x - 13) > 1):
        f = x * 2
        return f
    return x

# --- reverse python
def f_value_and_grad(x):
    # forward pass
    branch1 = (x > 1) | (x / (x - 13) > 1)
    if branch1:
        f = x * 2
    else:
        f = x

    # backward pass
    df = 1.0
    if branch1:
        # f = x * 2
        dx = 2 * df
    else:
        dx = df
    return f, dx
