"""An epidemiologist fits the SIR model to reported cases; the reproduction number changes when a lockdown begins."""

import numpy as np


def sir_fit(beta, gamma, factor, cases, population, lockdown: int):
    """The Poisson deviance of the daily cases."""
    days = len(cases)
    s = np.zeros(days + 1, dtype=float)
    i = np.zeros(days + 1)
    r = np.zeros(days + 1)
    s[0], i[0] = population - cases[0], cases[0]
    new = np.empty(days)
    for day in range(days):
        b = beta if day < lockdown else beta * factor
        infected = b * s[day] * i[day] / population
        recovered = gamma * i[day]
        s[day + 1] = s[day] - infected
        i[day + 1] = i[day] + infected - recovered
        r[day + 1] = r[day] + recovered
        new[day] = infected
    return np.sum(new - cases * np.log(new)) + 1e-6 * r[-1] ** 2


CALLS = (
    (0.5, 0.2, 0.4, np.array([10.0, 12.0, 17.0, 22.0, 21.0, 19.0, 16.0, 12.0]), 5000.0, 4),
    (0.9, 0.3, 0.8, np.array([3.0, 5.0, 9.0]), 200.0, 10),
)
