"""A two-state hidden Markov model: the forward recursion, scaled at every step."""

import math


def normal(y, mean, sigma):
    return math.exp(-0.5 * ((y - mean) / sigma) ** 2) / (sigma * math.sqrt(2.0 * math.pi))


def hidden_markov(stay_a, stay_b, mean_a, mean_b, sigma, n: int):
    """The log-likelihood of n observations."""
    a = b = 0.5
    loglik = 0.0
    for t in range(n):
        y = 1.0 if t // 4 % 2 else -1.0
        y += 0.4 * math.sin(3.0 * t)
        a, b = stay_a * a + (1.0 - stay_b) * b, (1.0 - stay_a) * a + stay_b * b
        a *= normal(y, mean_a, sigma)
        b *= normal(y, mean_b, sigma=sigma)
        scale = a + b
        loglik += math.log(scale)
        a, b = a / scale, b / scale
    return loglik


CALLS = ((0.8, 0.7, 1.1, -0.9, 0.6, 24), (0.9, 0.95, 0.4, -0.5, 1.0, 9), (0.5, 0.5, 0.0, 0.2, 0.8, 1))
