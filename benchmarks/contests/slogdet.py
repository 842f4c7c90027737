"""The logarithm of a determinant, whose gradient is an inverse."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import Contest, array_peers


def slogdet(a: Any) -> Any:
    """The logarithm of the absolute value of the determinant."""
    return np.linalg.slogdet(a)[1]


def by_hand(a: Any) -> Any:
    """The gradient is the transpose of the inverse."""
    return np.linalg.slogdet(a)[1], np.ascontiguousarray(np.linalg.inv(a).T)


def _arguments(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(n).normal(size=(n, n)) / n**0.5 + 2.0 * np.eye(n),)


WRT = (0,)
CONTEST = Contest(
    function=slogdet,
    wrt=WRT,
    arguments=_arguments,
    sizes={f"n = {n}": (n,) for n in (50, 200, 500)},
    small={"n = 5": (5,)},
    work=lambda n: n**3,
    unit="product",
    by_hand=by_hand,
    c=None,
    peers=array_peers(slogdet, WRT),
)
