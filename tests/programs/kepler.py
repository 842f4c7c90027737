"""Kepler's equation by Newton's method, and the position on the orbit."""

import math


def kepler(mean_anomaly, e):
    """The distance from the focus, plus the true anomaly."""
    eccentric = mean_anomaly if e < 0.8 else math.pi
    while True:
        step = (eccentric - e * math.sin(eccentric) - mean_anomaly) / (1.0 - e * math.cos(eccentric))
        eccentric -= step
        if abs(step) < 1e-5:
            break
    true = 2.0 * math.atan2(math.sqrt(1.0 + e) * math.sin(eccentric / 2.0), math.sqrt(1.0 - e) * math.cos(eccentric / 2.0))
    return 1.0 - e * math.cos(eccentric) + true


CALLS = ((1.1, 0.3), (2.5, 0.85), (0.2, 0.05))
