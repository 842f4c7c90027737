"""Gradient descent on an L1 loss with two weights, differentiated through its own steps."""


def sign(e):
    if e > 0.0:
        return 1.0
    return -1.0 if e < 0.0 else 0.0


def descent(w, b, rate, epochs: int):
    """The loss after training; the data are points of a parabola."""
    for _ in range(epochs):
        gw, gb = 0.0, 0.0
        for k in range(-3, 4):
            x = 0.5 * k
            error = w * x + b - (0.3 * x * x + 0.7 * x)
            gw += sign(error) * x
            gb += sign(error)
        w, b = w - rate * gw / 7, b - rate * gb / 7
    loss = 0.0
    for k in range(-3, 4):
        x = 0.5 * k
        loss += abs(w * x + b - (0.3 * x * x + 0.7 * x))
    return loss / 7


CALLS = ((0.1, 0.5, 0.05, 10), (1.5, -0.4, 0.2, 4), (0.3, 0.2, 0.1, 0))
