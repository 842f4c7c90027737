def f(x, y, n):
    a, b = x, y
    for _ in range(n):
        a, b = b, a + b * x
    return a * b


CASES = [(0.5, 1.5, 5), (2.0, -1.0, 1), (2.0, -1.0, 0)]

# --- reverse python
def f_value_and_grad(x, y, n):
    # forward pass
    b_tape = [0.0] * n
    a = x
    b = y
    for trip in range(n):
        b_tape[trip] = b
        bx = b * x
        b2 = a + bx
        a = b
        b = b2
    f = a * b

    # backward pass
    df = 1.0
    # f = a * b
    da = b * df
    db = a * df
    dx = 0.0
    for trip in range(n - 1, -1, -1):
        b = b_tape[trip]
        db2 = da
        # b = a + bx
        da = db
        dbx = db
        # bx = b * x
        db = db2 + x * dbx
        dx += b * dbx
    dx += da
    dy = db
    return f, (dx, dy)
