"""Layer normalisation of rows: means along an axis, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, JAX, Contest, array_peers


def layer_norm(x: Any, gain: Any, shift: Any, weight: Any) -> Any:
    """A weighted sum of the normalised rows, so that its gradient pulls back the weights."""
    centred = x - np.mean(x, axis=1)[:, None]
    spread = np.sqrt(np.mean(centred**2, axis=1) + 1e-5)
    return np.sum(weight * (centred / spread[:, None] * gain + shift))


def by_hand(x: Any, gain: Any, shift: Any, weight: Any) -> Any:
    """A few passes over a row while it is near."""
    rows, columns = x.shape
    dx, dgain, dshift = np.empty_like(x), np.zeros_like(gain), np.zeros_like(shift)
    value = 0.0
    for i in range(rows):
        total, squares = 0.0, 0.0
        for j in range(columns):
            total += x[i, j]
        mean = total / columns
        for j in range(columns):
            squares += (x[i, j] - mean) ** 2
        inverse = 1.0 / np.sqrt(squares / columns + 1e-5)
        sum1, sum2 = 0.0, 0.0
        for j in range(columns):
            normal = (x[i, j] - mean) * inverse
            value += weight[i, j] * (normal * gain[j] + shift[j])
            dgain[j] += weight[i, j] * normal
            dshift[j] += weight[i, j]
            pulled = weight[i, j] * gain[j]
            sum1 += pulled
            sum2 += pulled * normal
        sum1, sum2 = sum1 / columns, sum2 / columns
        for j in range(columns):
            dx[i, j] = inverse * (weight[i, j] * gain[j] - sum1 - (x[i, j] - mean) * inverse * sum2)
    return value, dx, dgain, dshift


def _arguments(rows: int, columns: int, dtype: Any) -> tuple[Any, ...]:
    draw = np.random.default_rng(rows).normal
    arrays = draw(2.0, 3.0, (rows, columns)), draw(1.0, 0.1, columns), draw(size=columns), draw(1.0, 1.0, (rows, columns))
    return tuple(array.astype(dtype) for array in arrays)


WRT = (0, 1, 2)
CONTEST = Contest(
    function=layer_norm,
    wrt=WRT,
    arguments=_arguments,
    sizes={"4096 by 1024": (4096, 1024, np.float64), "4096 by 1024, float32": (4096, 1024, np.float32)},
    small={"5 by 8": (5, 8, np.float64), "5 by 8, float32": (5, 8, np.float32)},
    work=lambda rows, columns, _: rows * columns,
    unit="entry",
    by_hand=by_hand,
    c="layer_norm",
    peers=array_peers(layer_norm, WRT),
    limits={ALONE: 3.0, JAX: 1 / 3},
)
