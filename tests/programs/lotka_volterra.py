"""Foxes and hares: the distance of a simulated path from two observations."""


def lotka_volterra(a, b, c, d, hares, foxes):
    """The squared error at two times, by the midpoint method."""

    def growth(u, v):
        return a * u - b * u * v, c * u * v - d * v

    error = 0.0
    h = 0.05
    for step in range(1, 61):
        du, dv = growth(hares, foxes)
        mu, mv = hares + 0.5 * h * du, foxes + 0.5 * h * dv
        du, dv = growth(mu, mv)
        hares, foxes = hares + h * du, foxes + h * dv
        if step == 30 or step == 60:
            error += (hares - 1.5) ** 2 + (foxes - 0.8) ** 2
    return error


CALLS = ((1.1, 0.4, 0.1, 0.4, 5.0, 2.0), (0.9, 0.7, 0.3, 0.5, 1.0, 1.5))
