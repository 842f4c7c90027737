"""An AR(1) model's exact log-likelihood, the first observation from the stationary distribution."""

import math


def ar1(phi, sigma, level, n: int = 30):
    """The log-likelihood of a made-up series."""
    log_density = lambda e, s: -0.5 * (math.log(2.0 * math.pi) + 2.0 * math.log(s) + (e / s) ** 2)  # noqa: E731
    total, before = 0.0, 0.0
    for t in range(n):
        y = math.sin(0.8 * t) + 0.1 * (t * 7 % 5)
        if t == 0:
            total += log_density(y - level, sigma / math.sqrt(1.0 - phi * phi))
        else:
            total += log_density(y - level - phi * (before - level), s=sigma)
        before = y
    return total


CALLS = ((0.6, 0.8, 0.2, 30), (-0.3, 1.1, 0.0, 5), (0.95, 0.4, -0.1, 1))
