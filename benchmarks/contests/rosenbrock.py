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
    """One pass that gathers: each element computes its own gap and that of the pair before it, so that no trip needs another."""
    n = len(x)
    dx = np.empty(n)
    gap, rest = x[1] - x[0] * x[0], 1.0 - x[0]
    total = 100.0 * gap * gap + rest * rest
    dx[0] = -400.0 * gap * x[0] - 2.0 * rest
    for i in range(1, n - 1):
        here = x[i]
        gap, before, rest = x[i + 1] - here * here, here - x[i - 1] * x[i - 1], 1.0 - here
        total += 100.0 * gap * gap + rest * rest
        dx[i] = 200.0 * before - 400.0 * gap * here - 2.0 * rest
    dx[n - 1] = 200.0 * (x[n - 1] - x[n - 2] * x[n - 2])
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
