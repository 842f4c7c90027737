"""The log-likelihood of a GARCH(1,1) model for returns that a closed form makes up."""

import math


def garch(omega, alpha, beta, mu, n: int):
    """The negative log-likelihood of n returns."""
    h = omega / (1.0 - alpha - beta)
    loss = 0.0
    for t in range(n):
        r = 0.3 * math.sin(1.7 * t) + 0.2 * math.cos(0.9 * t * t)
        e = r - mu
        loss += 0.5 * (math.log(2.0 * math.pi) + math.log(h) + e * e / h)
        h = omega + alpha * e**2 + beta * h
    return loss


CALLS = ((0.02, 0.1, 0.8, 0.01, 60), (0.05, 0.3, 0.5, -0.02, 7), (0.1, 0.05, 0.6, 0.0, 1))
