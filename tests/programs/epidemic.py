"""An SIR epidemic by Euler steps, and its distance from a curve of cases."""

import math


def epidemic(beta, gamma, infected, days: int):
    """The mean squared error of the daily cases; contacts are halved while many are ill."""
    s, i, r = 1.0 - infected, infected, 0.0
    loss = 0.0
    locked = False
    for day in range(days):
        if i > 0.08:
            locked = True
        elif i < 0.02 and locked:
            locked = False
        contacts = beta * (0.5 if locked else 1.0)
        cases = contacts * s * i
        recovered = gamma * i
        s -= cases
        i += cases - recovered
        r += recovered
        loss += (cases - 0.03 * math.exp(-((day - 20) ** 2) / 80.0)) ** 2
    return loss / days + 0.01 * r


CALLS = ((0.45, 0.12, 0.01, 60), (0.9, 0.2, 0.003, 35), (0.2, 0.3, 0.05, 10))
