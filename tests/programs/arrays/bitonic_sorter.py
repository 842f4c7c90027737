"""A hardware engineer sorts by a network of comparators, which swap wires by the bits of their numbers, and weighs the ranks."""

import numpy as np


def bitonic_sorter(x, weights):
    """A statistic of ranks: the sorted wires times their weights."""
    wires, n, block = x.copy(), len(x), 2
    while block <= n:
        step = block >> 1
        while step > 0:
            for i in range(n):
                partner = i ^ step
                if partner > i:
                    up = i & block == 0
                    if (up and wires[i] > wires[partner]) or (not up and wires[i] < wires[partner]):
                        wires[i], wires[partner] = wires[partner], wires[i]
            step >>= 1
        block <<= 1
    total = 0.0
    for rank, wire in enumerate(wires, start=1):
        total += weights[rank - 1] * wire * wire / rank
    return total


_rng = np.random.default_rng(91)
CALLS = ((_rng.normal(size=8), _rng.normal(size=8)), (_rng.normal(size=2), _rng.normal(size=2)))
