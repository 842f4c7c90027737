"""From a Python function to its first gradient in a new process, when another process has compiled it before."""

from __future__ import annotations

import json
import statistics
from typing import Any

from benchmarks.checking import WrongAnswer
from benchmarks.figures import Effort, Figure
from benchmarks.isolation import fresh_environment, python


def measure(effort: Effort) -> list[Figure]:
    """The time with an empty cache and with a full one, and how often Numba compiled, which with a full one is never."""
    with fresh_environment() as environment:

        def sample() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(python("-m", "benchmarks.samples", "ours", environment=environment).stdout)
            return found

        cold = sample()
        warm = [sample() for _ in range(effort.processes)]
    if any(one["numbers"] != cold["numbers"] for one in warm):
        raise WrongAnswer("the cache gives other numbers than the compiler")
    return [
        Figure("first process, empty cache", cold["seconds"], "s"),
        Figure("later process, from the cache", statistics.median(one["seconds"] for one in warm), "s"),
        Figure("Numba's compilations in the first process", cold["compiled"], "compilations"),
        Figure("Numba's compilations in any later process", max(one["compiled"] for one in warm), "compilations", 0),
        Figure("cache misses in any later process", max(one["misses"] for one in warm), "misses", 0),
        Figure("cache hits in each later process", min(one["hits"] for one in warm), "hits"),
    ]
