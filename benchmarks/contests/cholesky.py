"""A Cholesky factor, whose gradient needs two systems of triangular equations with as many right-hand sides as rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import Contest, array_peers


def cholesky(a: Any, weight: Any) -> Any:
    """A weighted sum of the factor of a symmetric matrix, which is made of `a` and its transpose."""
    return np.sum(weight * np.linalg.cholesky(0.5 * (a + a.T)))


def by_hand(a: Any, weight: Any) -> Any:
    """By the formula of Murray (2016, arXiv:1602.07527): the lower half of a product between two inverses."""
    factor = np.linalg.cholesky(0.5 * (a + a.T))
    half = np.tril(factor.T @ np.tril(weight))
    for k in range(len(a)):
        half[k, k] *= 0.5
    across = np.linalg.solve(factor.T, half)
    da = np.linalg.solve(factor.T, np.ascontiguousarray(across.T))
    return np.sum(weight * factor), 0.5 * (da + da.T)


def _arguments(n: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(n).normal
    rows = draw(size=(n, n)) / n**0.5
    return rows @ rows.T + np.eye(n), draw(size=(n, n))


WRT = (0,)
CONTEST = Contest(
    function=cholesky,
    wrt=WRT,
    arguments=_arguments,
    sizes={f"n = {n}": (n,) for n in (50, 200, 500)},
    small={"n = 5": (5,)},
    work=lambda n: n**3,
    unit="product",
    by_hand=by_hand,
    c=None,
    peers=array_peers(cholesky, WRT),
)
