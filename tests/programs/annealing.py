"""Simulated annealing with fixed proposals and thresholds: accept, reject, and the best so far."""

import math


def energy(x, a, b):
    return a * (x * x - 1.0) ** 2 + b * math.sin(5.0 * x)


def annealing(a, b, start, cooling):
    """The lowest energy on the way."""
    x, temperature = start, 1.0
    current = best = energy(x, a, b)
    for k in range(40):
        proposal = x + 0.4 * math.sin(2.399963 * k * k + 0.5)
        offered = energy(proposal, a, b)
        threshold = 0.5 + 0.45 * math.cos(1.7 * k)
        if offered < current or math.exp((current - offered) / temperature) > threshold:
            x, current = proposal, offered
            if current < best:
                best = current
        temperature *= cooling
    return best + 0.1 * current


CALLS = ((0.8, 0.3, 1.9, 0.93), (1.5, 0.6, -0.2, 0.85))
