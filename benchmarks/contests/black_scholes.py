"""European calls by Black and Scholes with their Greeks: logarithm, root, exponential and error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import erf

from benchmarks.contest import ALONE, JAX, Contest, array_peers

ROOT_TWO = math.sqrt(2.0)
ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def black_scholes(spot: Any, strike: Any, rate: Any, vol: Any, time: Any) -> Any:
    """The price of all calls together; its slopes are delta, dual delta, rho, vega and theta of each."""
    spread = vol * np.sqrt(time)
    d1 = (np.log(spot / strike) + (rate + 0.5 * vol**2) * time) / spread
    d2 = d1 - spread
    paid = strike * np.exp(-rate * time)
    return np.sum(spot * 0.5 * (1.0 + erf(d1 / ROOT_TWO)) - paid * 0.5 * (1.0 + erf(d2 / ROOT_TWO)))


def by_hand(spot: Any, strike: Any, rate: Any, vol: Any, time: Any) -> Any:
    """The textbook's closed forms of the Greeks."""
    n = len(spot)
    delta, dual, rho, vega, theta = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    total = 0.0
    for i in range(n):
        root = math.sqrt(time[i])
        spread = vol[i] * root
        d1 = (math.log(spot[i] / strike[i]) + (rate[i] + 0.5 * vol[i] * vol[i]) * time[i]) / spread
        d2 = d1 - spread
        discount = math.exp(-rate[i] * time[i])
        delta[i] = 0.5 * (1.0 + math.erf(d1 / ROOT_TWO))
        dual[i] = -0.5 * discount * (1.0 + math.erf(d2 / ROOT_TWO))
        rho[i] = -time[i] * strike[i] * dual[i]
        density = spot[i] * math.exp(-0.5 * d1 * d1) / ROOT_TWO_PI
        vega[i] = density * root
        theta[i] = 0.5 * density * vol[i] / root - rate[i] * strike[i] * dual[i]
        total += spot[i] * delta[i] + strike[i] * dual[i]
    return total, delta, dual, rho, vega, theta


def _arguments(n: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(n).uniform
    return draw(80.0, 120.0, n), draw(80.0, 120.0, n), draw(0.0, 0.05, n), draw(0.1, 0.5, n), draw(0.2, 2.0, n)


WRT = (0, 1, 2, 3, 4)
ERF = {"erf": {"jax": "jax.scipy.special.erf", "torch": "torch.erf", "autograd": "autograd.scipy.special.erf"}}
CONTEST = Contest(
    function=black_scholes,
    wrt=WRT,
    arguments=_arguments,
    sizes={f"{n:,}": (n,) for n in (10_000, 1_000_000)},
    small={"20": (20,)},
    work=float,
    unit="option",
    by_hand=by_hand,
    c="black_scholes",
    peers=array_peers(black_scholes, WRT, words=ERF),
    limits={ALONE: 3.0, JAX: 1 / 3},
)
