"""A geophysicist fits the density of buried blocks to gravity readings, with smoothness measured by differences along both axes."""

import numpy as np


def gravity_inversion(density, stations, readings, cell, smooth):
    """The misfit and the roughness of the model."""
    rows, cols = density.shape
    predicted = np.zeros(len(stations))
    for s in range(len(stations)):
        for i in range(rows):
            z = (i + 0.5) * cell
            for j in range(cols):
                x = (j + 0.5) * cell - stations[s]
                predicted[s] += density[i, j] * cell**2 * z / (x**2 + z**2)
    misfit = predicted - readings
    rough = np.sum(np.diff(density, axis=0) ** 2) + np.sum(np.diff(density, axis=1) ** 2)
    return misfit @ misfit + smooth * rough


_rng = np.random.default_rng(58)
CALLS = ((_rng.uniform(size=(2, 4)), np.array([0.3, 1.7, 3.1]), _rng.normal(size=3), 1.0, 0.2),)
