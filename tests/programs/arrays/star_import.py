"""A teacher imports everything from math, calls a variable e and another one gamma, and loops over plain rows."""

from math import *  # noqa: F403 (the star is what this program is for)

import numpy as np


def star_import(theta, rows, e):
    """A damped oscillation's misfit; pi and tau come from the star, e is the caller's."""
    gamma, omega = theta[0], theta[1]
    total = 0.0
    for row in rows:
        t, seen = row[0], row[1]
        wave = exp(-gamma * t) * cos(2.0 * pi * omega * t + e) + log(1.0 + t) / tau  # noqa: F405
        total += pow(wave - seen, 2) * sqrt(1.0 + fabs(t))  # noqa: F405
    return total / len(rows) + hypot(gamma, omega) + floor(omega)  # noqa: F405


CALLS = (
    (np.array([0.3, 1.7]), np.array([[0.1, 0.9], [0.5, -0.2], [1.2, 0.4]]), 0.2),
    (np.array([1.3, 0.4]), np.array([[2.0, 0.1]]), -0.5),
)
