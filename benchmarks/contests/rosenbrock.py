"""Rosenbrock's function of a long vector: element-wise arithmetic on neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import CASADI, JAX, Contest, Peer, array_peers
from benchmarks.peers import casadi_run


def rosenbrock(x: Any) -> Any:
    """The sum over all pairs of neighbours."""
    ahead, here = x[1:], x[:-1]
    return np.sum(100.0 * (ahead - here**2) ** 2 + (1.0 - here) ** 2)


def by_hand(x: Any) -> Any:
    """One pass; what a pair adds to its second element is carried along to the next."""
    n = len(x)
    dx = np.empty(n)
    total, carried = 0.0, 0.0
    for i in range(n - 1):
        here = x[i]
        gap = x[i + 1] - here * here
        rest = 1.0 - here
        total += 100.0 * gap * gap + rest * rest
        dx[i] = carried - 400.0 * gap * here - 2.0 * rest
        carried = 200.0 * gap
    dx[n - 1] = carried
    return total, dx


def with_casadi(x: Any) -> Any:
    """The same on one array symbol."""
    here, ahead = x[:-1], x[1:]
    return 100.0 * ((ahead - here**2) ** 2).T @ (1.0 + 0.0 * here) + ((1.0 - here) ** 2).T @ (1.0 + 0.0 * here)


WRT = (0,)
CONTEST = Contest(
    function=rosenbrock,
    wrt=WRT,
    arguments=lambda n: (np.random.default_rng(n).uniform(-1.5, 1.5, n),),
    sizes={f"{n:,}": (n,) for n in (1_000, 10_000, 100_000, 1_000_000)},
    small={"40": (40,)},
    work=float,
    unit="element",
    by_hand=by_hand,
    c="rosenbrock",
    peers={**array_peers(rosenbrock, WRT), CASADI: Peer(lambda *args: casadi_run(with_casadi, args, WRT, kind="MX"))},
    limits={JAX: 1 / 3},
)
