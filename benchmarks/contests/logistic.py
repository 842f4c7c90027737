"""Logistic regression: a product of a matrix and a vector, forward and backward, and a little between."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, JAX, Contest, array_peers


def logistic(weights: Any, bias: float, x: Any, label: Any) -> Any:
    """The mean cross-entropy; a label is 1 or -1."""
    return np.mean(np.log1p(np.exp(-label * (x @ weights + bias))))


def by_hand(weights: Any, bias: float, x: Any, label: Any) -> Any:
    """One pass over the rows."""
    rows, columns = x.shape
    dweights = np.zeros(columns)
    total, dbias = 0.0, 0.0
    for i in range(rows):
        margin = bias
        for j in range(columns):
            margin += x[i, j] * weights[j]
        grown = np.exp(-label[i] * margin)
        total += np.log1p(grown)
        dmargin = -label[i] * grown / (1.0 + grown) / rows
        dbias += dmargin
        for j in range(columns):
            dweights[j] += dmargin * x[i, j]
    return total / rows, dweights, dbias


def _arguments(rows: int, columns: int) -> tuple[Any, ...]:
    draw = np.random.default_rng(rows).normal
    x = draw(size=(rows, columns))
    return draw(size=columns) / columns**0.5, 0.1, x, np.where(draw(size=rows) > 0.0, 1.0, -1.0)


WRT = (0, 1)
CONTEST = Contest(
    function=logistic,
    wrt=WRT,
    arguments=_arguments,
    sizes={f"{rows:,} by 100": (rows, 100) for rows in (1_000, 100_000)},
    small={"12 by 5": (12, 5)},
    work=lambda rows, columns: rows * columns,
    unit="entry",
    by_hand=by_hand,
    c="logistic",
    peers=array_peers(logistic, WRT),
    limits={ALONE: 3.0, JAX: 1 / 3},
)
