"""The gradient of a loop from n to 100 n trips: time and tape grow as n does."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import stagegrad
from benchmarks.checking import require_equal
from benchmarks.figures import Effort, Figure
from benchmarks.timing import Contender, race

N, TIMES = 1_000, 100
#: What growing linearly leaves room for: 100,000 records do not fit into the nearest cache.
LIMIT = 1.5


def single(x: float, r: float, n: int) -> float:
    """One loop; its trip count is known on entry."""
    for _ in range(n):
        x = r * math.sin(x)
    return x


def nest(x: float, r: float, n: int) -> float:
    """A loop of a hundredth of the trips around one of a hundred."""
    for _ in range(n // 100):
        for k in range(100):
            x = r * math.sin(x) + 0.001 * k
    return x


def until(x: float, r: float, n: int) -> float:
    """A `while` that counts, so that its tape has to grow as it runs."""
    left = 1.0 * n
    while left > 0.0:
        x = r * math.sin(x)
        left -= 1.0
    return x


def by_hand(function: Callable[..., Any], x: float, r: float, n: int) -> tuple[float, float, float]:
    """Value and gradient of each of the three; they differ in what `nest` adds."""
    dx, dr = 1.0, 0.0
    for k in range(n):
        slope = r * math.cos(x)
        dx, dr = slope * dx, slope * dr + math.sin(x)
        x = r * math.sin(x) + (0.001 * (k % 100) if function is nest else 0.0)
    return x, dx, dr


def tape_bytes(generated: Callable[..., Any], args: tuple[Any, ...]) -> int:
    """The most memory that the generated code holds at a time, measured on its text in plain Python."""
    tracemalloc.start()
    try:
        generated(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure(effort: Effort) -> list[Figure]:
    """For each kind of loop the time of a trip, how much slower it gets with 100 times the trips, and the tape of a trip."""
    figures = []
    for label, function in {"for": single, "a nest of for": nest, "while": until}.items():
        point = (0.5, 1.05)
        small, large = (*point, N), (*point, N * TIMES)
        compiled: Any = stagegrad.compile(function, wrt=("x", "r"), target="numba").numba.value_and_grad
        for args in (small, large):
            value, gradient = compiled(*args)
            require_equal((value, *gradient), by_hand(function, *args), 1e-9, label)
        times = race({"small": Contender(compiled, small), "large": Contender(compiled, large)}, effort)
        trip = times.median("small") / N
        tapes = [tape_bytes(compiled.py_func, args) for args in (small, large)]
        figures += [
            Figure(f"{label}: a trip, n = {N:,}", trip, "s"),
            Figure(f"{label}: a trip with {TIMES} n, against that", times.ratio("large", "small") / TIMES, "", LIMIT),
            Figure(f"{label}: tape of a trip, n = {N:,}", tapes[0] / N, "bytes"),
            Figure(f"{label}: tape of a trip with {TIMES} n, against that", tapes[1] / tapes[0] / TIMES, "", LIMIT),
        ]
    return figures
