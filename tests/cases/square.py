def f(x):
    return x ** 2


CASES = [(3.0,), (-0.5,)]

# --- reverse python
def f_value_and_grad(x):
    # forward pass
    f = x**2

    # backward pass
    df = 1.0
    # f = x**2
    dx = 2.0 * x * df
    return f, dx
