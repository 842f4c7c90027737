"""A perceptron of three layers, 784-512-512-10, with a softmax: matrix products, and little else."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contest import ALONE, JAX, Contest, array_peers
from benchmarks.peers import package


def network(w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, labels: Any) -> Any:
    """The mean cross-entropy of a batch, a row of `x` for each label."""
    h1 = np.maximum(x @ w1 + b1, 0.0)
    h2 = np.maximum(h1 @ w2 + b2, 0.0)
    logits = h2 @ w3 + b3
    shifted = logits - np.max(logits, axis=1)[:, None]
    total = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(total - shifted[np.arange(len(labels)), labels])


def with_torch(w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, labels: Any) -> Any:
    """The same with PyTorch's own words."""
    torch = package("torch")
    h1 = torch.relu(x @ w1 + b1)
    h2 = torch.relu(h1 @ w2 + b2)
    return torch.nn.functional.cross_entropy(h2 @ w3 + b3, labels)


def by_hand(w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, x: Any, labels: Any) -> Any:
    """The layers backward; what is element-wise is done in place."""
    rows = len(labels)
    h1 = x @ w1
    h1 += b1
    h1 = np.maximum(h1, np.zeros_like(b1))
    h2 = h1 @ w2
    h2 += b2
    h2 = np.maximum(h2, np.zeros_like(b2))
    grown = h2 @ w3
    grown += b3
    value = 0.0
    for i in range(rows):
        row = grown[i]
        row -= row.max()
        value -= row[labels[i]]
        row[:] = np.exp(row)
        total = row.sum()
        value += np.log(total)
        row /= total * rows
        row[labels[i]] -= 1.0 / rows
    dh2 = grown @ w3.T
    dh2 *= h2 > 0.0
    dh1 = dh2 @ w2.T
    dh1 *= h1 > 0.0
    return value / rows, x.T @ dh1, dh1.sum(axis=0), h1.T @ dh2, dh2.sum(axis=0), h2.T @ grown, grown.sum(axis=0)


def _arguments(inputs: int, hidden: int, classes: int, batch: int, dtype: Any) -> tuple[Any, ...]:
    draw = np.random.default_rng(hidden)
    layers = []
    for before, after in ((inputs, hidden), (hidden, hidden), (hidden, classes)):
        layers += [draw.normal(size=(before, after)) * (2.0 / before) ** 0.5, 0.1 * draw.normal(size=after)]
    x = draw.normal(size=(batch, inputs))
    return *(array.astype(dtype) for array in (*layers, x)), draw.integers(0, classes, batch)


def _work(inputs: int, hidden: int, classes: int, batch: int, _: Any) -> float:
    return float(batch * hidden * (inputs + hidden + classes))


WRT = (0, 1, 2, 3, 4, 5)
CONTEST = Contest(
    function=network,
    wrt=WRT,
    arguments=_arguments,
    sizes={"batch 256": (784, 512, 10, 256, np.float64), "batch 256, float32": (784, 512, 10, 256, np.float32)},
    small={"batch 4": (7, 6, 3, 4, np.float64)},
    work=_work,
    unit="product",
    by_hand=by_hand,
    c=None,
    peers=array_peers(network, WRT, torch=with_torch),
    limits={ALONE: 3.2},
    limits_at={"batch 256, float32": {JAX: 1.1}},
)
