"""A physicist follows beads on a wire from one collision to the next, whichever pair meets first."""

import numpy as np


def elastic_collisions(x, v, mass, steps: int):
    """The kinetic energy of the first half of the beads, and the time that has passed."""
    x, v = np.sort(x), v.copy()
    n, time = len(x), 0.0
    for _ in range(steps):
        soonest, pair = 1e9, -1
        for i in range(n - 1):
            approach = v[i] - v[i + 1]
            if approach <= 1e-9:
                continue
            wait = (x[i + 1] - x[i]) / approach
            if 1e-9 < wait < soonest:
                soonest, pair = wait, i
        if pair < 0:
            break
        x += v * soonest
        time += soonest
        m, k = mass[pair], mass[pair + 1]
        v[pair], v[pair + 1] = (
            ((m - k) * v[pair] + 2.0 * k * v[pair + 1]) / (m + k),
            ((k - m) * v[pair + 1] + 2.0 * m * v[pair]) / (m + k),
        )
    half = n // 2
    return 0.5 * np.sum(mass[:half] * v[:half] ** 2) + time + x[0]


_rng = np.random.default_rng(95)
CALLS = (
    (_rng.normal(size=5), _rng.normal(size=5), _rng.uniform(0.5, 2.0, size=5), 6),
    (np.array([0.0, 1.0]), np.array([-1.0, 1.0]), np.array([1.0, 2.0]), 3),
)
