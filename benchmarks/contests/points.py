"""The CS231n function at many points: two exponentials, three divisions, a gradient for each point."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, CASADI, JAX, Contest, Peer, array_peers
from benchmarks.peers import casadi_run, package


def points(x: Any, y: Any) -> Any:
    """The sum over all points, so that the gradient holds the slopes of each."""
    sigy = 1.0 / (1.0 + np.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1.0 + np.exp(-x))
    return np.sum(num / (sigx + (x + y) ** 2))


def by_hand(x: Any, y: Any) -> Any:
    """One pass over the points."""
    dx, dy = np.empty(len(x)), np.empty(len(x))
    total = 0.0
    for i in range(len(x)):
        sigx, sigy = 1.0 / (1.0 + np.exp(-x[i])), 1.0 / (1.0 + np.exp(-y[i]))
        both = x[i] + y[i]
        inverse = 1.0 / (sigx + both * both)
        value = (x[i] + sigy) * inverse
        total += value
        dboth = -2.0 * both * value * inverse
        dx[i] = inverse + dboth - (1.0 - sigx) * sigx * value * inverse
        dy[i] = (1.0 - sigy) * sigy * inverse + dboth
    return total, dx, dy


def with_casadi(x: Any, y: Any) -> Any:
    """The same on array symbols."""
    exp = package("casadi").exp
    sigx, sigy = (1.0 / (1.0 + exp(-z)) for z in (x, y))
    ratio = (x + sigy) / (sigx + (x + y) ** 2)
    return ratio.T @ (1.0 + 0.0 * x)


def _arguments(n: int) -> tuple[Any, Any]:
    draw = np.random.default_rng(n).normal
    return draw(size=n), draw(size=n)


WRT = (0, 1)
CONTEST = Contest(
    function=points,
    wrt=WRT,
    arguments=_arguments,
    sizes={f"{n:,}": (n,) for n in (1_000, 10_000, 100_000, 1_000_000, 10_000_000)},
    small={"30": (30,)},
    work=float,
    unit="point",
    by_hand=by_hand,
    c="points",
    peers={**array_peers(points, WRT), CASADI: Peer(lambda *args: casadi_run(with_casadi, args, WRT, kind="MX"), most=1e6)},
    limits={ALONE: 3.0, JAX: 1 / 3},
)
