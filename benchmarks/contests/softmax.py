"""The cross-entropy of a softmax: a maximum, exponentials and sums along rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, JAX, Contest, array_peers
from benchmarks.peers import package


def softmax(logits: Any, labels: Any) -> Any:
    """The mean cross-entropy of rows of logits, a row for each label."""
    shifted = logits - np.max(logits, axis=1)[:, None]
    total = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(total - shifted[np.arange(len(labels)), labels])


def with_torch(logits: Any, labels: Any) -> Any:
    """The same; in PyTorch the maximum along an axis has another name."""
    torch = package("torch")

    shifted = logits - torch.amax(logits, 1)[:, None]
    total = torch.log(torch.sum(torch.exp(shifted), 1))
    return torch.mean(total - shifted[torch.arange(len(labels)), labels])


def by_hand(logits: Any, labels: Any) -> Any:
    """Three passes over a row while it is near."""
    rows, columns = logits.shape
    dlogits = np.empty_like(logits)
    share = 1.0 / rows
    value = 0.0
    for i in range(rows):
        top = logits[i, 0]
        for j in range(1, columns):
            top = max(top, logits[i, j])
        total = 0.0
        for j in range(columns):
            grown = np.exp(logits[i, j] - top)
            dlogits[i, j] = grown
            total += grown
        value += np.log(total) - (logits[i, labels[i]] - top)
        scale = share / total
        for j in range(columns):
            dlogits[i, j] *= scale
        dlogits[i, labels[i]] -= share
    return value / rows, dlogits


def _arguments(rows: int, columns: int, dtype: Any) -> tuple[Any, ...]:
    draw = np.random.default_rng(rows)
    return draw.normal(size=(rows, columns)).astype(dtype), draw.integers(0, columns, rows)


WRT = (0,)
CONTEST = Contest(
    function=softmax,
    wrt=WRT,
    arguments=_arguments,
    sizes={"4096 by 1000": (4096, 1000, np.float64), "4096 by 1000, float32": (4096, 1000, np.float32)},
    small={"6 by 9": (6, 9, np.float64), "6 by 9, float32": (6, 9, np.float32)},
    work=lambda rows, columns, _: rows * columns,
    unit="logit",
    by_hand=by_hand,
    c="softmax",
    peers=array_peers(softmax, WRT, torch=with_torch),
    limits={ALONE: 3.0, JAX: 1 / 3},
)
