def f(w, b, n):
    loss = 0.0
    for i in range(n):
        z = w * i + b
        loss += z * z
    return loss / n


CASES = [(0.5, 1.5, 5), (2.0, -1.0, 1)]

# --- reverse python
def f_value_and_grad(w, b, n):
    # forward pass
    df = 1.0
    # f = loss / n
    dloss = df / n
    loss = 0.0
    db = 0.0
    dw = 0.0
    for i in range(n):
        # forward pass
        wi = w * i
        z = wi + b
        zsqr = z * z
        loss += zsqr

        # backward pass
        # loss = loss + zsqr
        dzsqr = dloss
        # zsqr = z * z
        dz = 2.0 * z * dzsqr
        # z = wi + b
        dwi = dz
        db += dz
        # wi = w * i
        dw += i * dwi
    f = loss / n
    return f, (dw, db)
