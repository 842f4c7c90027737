"""A numerical analyst fits the Van der Pol oscillator by an embedded Runge-Kutta pair (Bogacki-Shampine) that chooses its own steps."""

import numpy as np


def slope(y, mu):
    return np.array([y[1], mu * (1.0 - y[0] ** 2) * y[1] - y[0]])


def adaptive_ode(mu, y0, target, t_end, tol):
    """The squared distance to the target at the end; the number of steps follows from the data."""
    t = 0.0
    h = 0.1
    y = y0.copy()
    k1 = slope(y, mu)
    rejected = 0
    while t < t_end - 1e-12:
        if t + h > t_end:
            h = t_end - t
        k2 = slope(y + 0.5 * h * k1, mu)
        k3 = slope(y + 0.75 * h * k2, mu)
        y_new = y + h * (2.0 / 9.0 * k1 + 1.0 / 3.0 * k2 + 4.0 / 9.0 * k3)
        k4 = slope(y_new, mu)
        error = h * (-5.0 / 72.0 * k1 + 1.0 / 12.0 * k2 + 1.0 / 9.0 * k3 - 1.0 / 8.0 * k4)
        size = np.sqrt(np.mean((error / (tol + tol * np.abs(y_new))) ** 2))
        if size <= 1.0:
            t += h
            y = y_new
            k1 = k4
        else:
            rejected += 1
        h *= min(5.0, max(0.2, 0.9 * size ** (-1.0 / 3.0)))
    return np.sum((y - target) ** 2) + 0.0 * rejected


CALLS = (
    (1.2, np.array([1.5, -0.3]), np.array([0.4, 1.0]), 2.0, 1e-3),
    (3.0, np.array([0.5, 0.2]), np.array([1.0, -1.0]), 1.0, 1e-2),
)
