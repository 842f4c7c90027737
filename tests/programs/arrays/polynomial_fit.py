"""A metrologist fits a calibration polynomial by least squares and reads an unknown off the curve."""

import numpy as np


def polynomial_fit(x, y, at, degree: int):
    """The fitted value at a point, and the root mean square of the residuals."""
    A = np.ones((len(x), degree + 1))
    for k in range(1, degree + 1):
        A[:, k] = A[:, k - 1] * x
    coefficients = np.linalg.lstsq(A, y)[0]
    fitted = 0.0
    for c in coefficients[::-1]:
        fitted = fitted * at + c
    residual = y - A @ coefficients
    return fitted + np.sqrt(np.mean(residual**2))


CALLS = ((np.array([0.0, 0.4, 1.1, 1.9, 2.5]), np.array([0.1, 0.5, 0.4, 1.2, 2.0]), 1.5, 2),)
