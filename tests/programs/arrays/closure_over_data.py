"""A data analyst writes the model as a function inside the function, which sees the data, and runs secant steps on it."""

import numpy as np


def closure_over_data(doses, responses, slope, start, steps: int):
    """The dose of half response after secant steps on the score."""

    def score(ed50, power=1.0):
        p = 1.0 / (1.0 + (ed50 / doses) ** slope)
        return np.sum(responses**power - p)

    a, b = start, start * 1.1
    fa = score(a)
    for _ in range(steps):
        fb = score(b)
        a, b, fa = b, b - fb * (b - a) / (fb - fa), fb
    return b + 0.1 * score(b, power=2.0)


CALLS = ((np.array([0.5, 1.0, 2.0, 4.0]), np.array([0.1, 0.4, 0.5, 0.9]), 1.5, 1.2, 3),)
