"""The log-likelihood of a local-level model by a scalar Kalman filter; every fifth observation is missing."""

import math


def kalman(q, r, start, n: int):
    """The log-likelihood of n observations."""
    mean, variance = start, 1.0
    loglik = 0.0
    for t in range(n):
        variance += q
        if t % 5 == 4:
            continue
        y = 0.05 * t + math.sin(t)
        innovation, total = y - mean, variance + r
        loglik -= 0.5 * (math.log(2.0 * math.pi * total) + innovation * innovation / total)
        gain = variance / total
        mean += gain * innovation
        variance *= 1.0 - gain
    return loglik


CALLS = ((0.1, 0.5, 0.0, 40), (0.4, 0.2, 1.0, 11), (1.0, 1.0, 0.3, 0))
