"""A speech engineer fits linear prediction to an autocorrelation by Levinson's recursion; the coefficients are updated in place."""

import numpy as np


def levinson(r, order: int):
    """The log of the prediction error, and the largest reflection coefficient's square."""
    a = np.zeros(order + 1)
    a[0] = 1.0
    reflection = np.zeros(order)
    error = r[0]
    for m in range(1, order + 1):
        acc = r[m]
        for i in range(1, m):
            acc += a[i] * r[m - i]
        k = -acc / error
        reflection[m - 1] = k
        for i in range(1, m // 2 + 1):
            swap = a[i] + k * a[m - i]
            a[m - i] += k * a[i]
            a[i] = swap
        a[m] = k
        error *= 1.0 - k * k
    return np.log(error) + np.max(reflection**2)


CALLS = (
    (np.array([2.0, 1.1, 0.7, 0.2, -0.3, -0.1]), 5),
    (np.array([1.0, 0.4, 0.1]), 2),
)
