"""A number's share of a loop that calls a vector kernel, against the same loop with the C library's function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from benchmarks.checking import require_equal
from benchmarks.figures import Effort, Figure
from benchmarks.timing import Contender, race
from stagegrad import kernels

#: So many numbers lie in the second cache, as those of a fused loop do.
N = 20_000
#: A kernel, and the most that it may take of the C library's time.
LIMITS = {"exp": 0.5, "log": 0.7, "log1p": 0.5, "sin": 0.5, "tanh": 0.4, "erf": 0.5, "atan": 0.5, "pow": 1.0}


def loop(module: Any, name: str, operands: int) -> Callable[..., None]:
    """A compiled loop over an array that calls a function of a module."""
    function = getattr(module, name)
    if operands == 2:

        def two(x: Any, out: Any) -> None:
            for i in range(len(out)):
                out[i] = function(x[i], x[i])

        pairs: Callable[..., None] = numba.njit(two, error_model="numpy")
        return pairs

    def one(x: Any, out: Any) -> None:
        for i in range(len(out)):
            out[i] = function(x[i])

    single: Callable[..., None] = numba.njit(one, error_model="numpy")
    return single


def measure(effort: Effort) -> list[Figure]:
    """The time of each kernel, and how much it is of the C library's."""
    x, found = np.random.default_rng(1).uniform(0.1, 5.0, N), []
    for name, limit in LIMITS.items():
        ours, theirs = np.empty(N), np.empty(N)
        operands = 2 if name == "pow" else 1
        contenders = {
            "kernel": Contender(loop(kernels, name, operands), (x, ours)),
            "C": Contender(loop(math, name, operands), (x, theirs)),
        }
        for contender in contenders.values():
            contender.function(*contender.args)
        require_equal(ours.tolist(), theirs.tolist(), 1e-15, name)
        times = race(contenders, effort)
        found.append(Figure(f"{name}, a number in a loop", times.median("kernel") / N, "s"))
        found.append(Figure(f"{name}, against the C library", times.ratio("kernel", "C"), "", limit))
    return found
