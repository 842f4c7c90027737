"""A lab technician linearises voltages by a table (np.interp), lags them by a first-order filter, and integrates by trapezoids."""

import numpy as np


def thermocouple_table(volts, table_volts, table_degrees, tau, dt):
    """The mean temperature over the record."""
    degrees = np.interp(volts, table_volts, table_degrees)
    lagged = degrees.copy()
    keep = np.exp(-dt / tau)
    for k in range(1, lagged.size):
        lagged[k] = keep * lagged[k - 1] + (1.0 - keep) * degrees[k]
    area = np.sum(0.5 * (lagged[1:] + lagged[:-1])) * dt
    return area / (dt * (len(volts) - 1))


CALLS = (
    (
        np.array([0.15, 0.8, 1.7, 2.6, -0.3]),
        np.array([0.0, 1.0, 2.0, 3.0]),
        np.array([0.0, 24.0, 45.0, 71.0]),
        0.7,
        0.2,
    ),
)
