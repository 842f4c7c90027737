"""A seismologist propagates a wave through layers with three buffers that change their roles at every step, and compares a record."""

import numpy as np


def wave_equation(speed, source, record, dx, dt):
    """The misfit of the record at the last cell but one."""
    nx, nt = speed.shape[0], source.shape[0]
    courant = (speed * dt / dx) ** 2
    before, now, after = np.zeros(nx), np.zeros(nx), np.zeros(nx)
    misfit = 0.0
    for it in range(nt):
        after[1:-1] = 2.0 * now[1:-1] - before[1:-1] + courant[1:-1] * (now[2:] - 2.0 * now[1:-1] + now[:-2])
        after[2] += dt**2 * source[it]
        before, now, after = now, after, before
        misfit += 0.5 * (now[-2] - record[it]) ** 2
    return misfit


_rng = np.random.default_rng(4)
CALLS = (
    (_rng.uniform(1.0, 2.0, 7), _rng.normal(size=8), 0.01 * _rng.normal(size=8), 1.0, 0.4),
    (_rng.uniform(1.0, 2.0, 5), _rng.normal(size=3), _rng.normal(size=3), 1.0, 0.5),
)
