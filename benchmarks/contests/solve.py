"""A system of linear equations: one factorisation, which the gradient needs again."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, Contest, array_peers


def solve(a: Any, b: Any, weight: Any) -> Any:
    """A weighted sum of the solution."""
    return np.sum(weight * np.linalg.solve(a, b))


def by_hand(a: Any, b: Any, weight: Any) -> Any:
    """The adjoint system is solved with the transpose."""
    x = np.linalg.solve(a, b)
    db = np.linalg.solve(a.T, weight)
    return np.sum(weight * x), -np.outer(db, x), db


def _arguments(n: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(n).normal
    return draw(size=(n, n)) / n**0.5 + 2.0 * np.eye(n), draw(size=n), draw(size=n)


WRT = (0, 1)
CONTEST = Contest(
    function=solve,
    wrt=WRT,
    arguments=_arguments,
    sizes={f"n = {n}": (n,) for n in (50, 200, 500)},
    small={"n = 5": (5,)},
    work=lambda n: n**3,
    unit="product",
    by_hand=by_hand,
    c=None,
    peers=array_peers(solve, WRT),
    limits={ALONE: 2.8},
)
