"""One Heston path with a fixed sequence of shocks: full truncation, so that the variance may touch zero."""

import math


def heston(spot, v0, kappa, theta, xi, rho, steps: int):
    """The payoff of a call along the path."""
    dt = 1.0 / steps
    log_s, v = math.log(spot), v0
    for k in range(steps):
        z1 = math.sin(12.9898 * (k + 1)) * 1.3
        z2 = rho * z1 + math.sqrt(1.0 - rho * rho) * math.cos(78.233 * (k + 1)) * 1.3
        v_plus = max(v, 0.0)
        vol = math.sqrt(v_plus * dt) if v_plus > 0.0 else 0.0
        log_s += -0.5 * v_plus * dt + vol * z1
        v += kappa * (theta - v_plus) * dt + xi * vol * z2
    return max(math.exp(log_s) - 95.0, 0.0)


CALLS = ((100.0, 0.04, 1.5, 0.05, 0.3, -0.6, 50), (110.0, 0.09, 2.0, 0.04, 0.9, -0.2, 12), (100.0, 0.01, 0.3, 0.02, 1.1, 0.3, 30))
