"""A quant values an American put on a binomial tree in one array that shrinks as the tree is folded back."""

import numpy as np


def american_option(spot, strike, rate, sigma, maturity, steps: int):
    """The value today (Cox, Ross, Rubinstein)."""
    dt = maturity / steps
    up = np.exp(sigma * np.sqrt(dt))
    down = 1.0 / up
    p = (np.exp(rate * dt) - down) / (up - down)
    disc = np.exp(-rate * dt)
    values = np.zeros(steps + 1)
    for j in range(steps + 1):
        values[j] = max(strike - spot * up**j * down ** (steps - j), 0.0)
    for i in range(steps - 1, -1, -1):
        for j in range(i + 1):
            hold = disc * (p * values[j + 1] + (1.0 - p) * values[j])
            exercise = strike - spot * up**j * down ** (i - j)
            values[j] = max(hold, exercise)
    return values[0]


CALLS = ((100.0, 105.3, 0.03, 0.2, 1.0, 12), (36.0, 40.1, 0.06, 0.3, 0.5, 1))
