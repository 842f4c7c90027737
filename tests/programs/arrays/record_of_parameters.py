"""A chemical engineer keeps the constants of a reactor in a NamedTuple and steps its balances."""

from typing import NamedTuple

import numpy as np


class Reactor(NamedTuple):
    feed: np.ndarray
    volume: float
    k0: float
    activation: float
    cooling: float


def reaction(c, temperature, reactor):
    return reactor.k0 * np.exp(-reactor.activation / temperature) * c[0] * c[1]


def record_of_parameters(reactor, c0, temperature, dt, steps: int):
    """What is left of the reactants, and the heat at the end."""
    c = c0.copy()
    for _ in range(steps):
        rate = reaction(c, temperature, reactor)
        flow = reactor.feed - c / reactor.volume
        c[:2] += dt * (flow[:2] - rate)
        c[2] += dt * (flow[2] + rate)
        temperature = temperature + dt * (50.0 * rate - reactor.cooling * (temperature - 3.0))
    return c[0] + 2.0 * c[1] + temperature


CALLS = ((Reactor(np.array([0.5, 0.4, 0.0]), 1.5, 3.0, 2.5, 0.8), np.array([1.0, 0.8, 0.1]), 3.2, 0.05, 6),)
