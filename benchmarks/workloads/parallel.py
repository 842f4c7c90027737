"""What a second thread is worth: a map, a sum with its gradient and a Monte-Carlo loop, on one thread and on two.

Beside them a plain `prange` over as much work, written by hand, says what the machine gives. Times are those of the clock on the wall, the
least of many rounds: whoever else works on the machine takes away from two threads more than from one.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.checking import require_close
from benchmarks.figures import Effort, Figure
from benchmarks.isolation import fresh_environment, python

#: Elements of the large and the small arrays, and steps of a path.
LARGE, SMALL, STEPS = 1_000_000, 1_000, 50
#: What two threads may take of one thread's time on large arrays, and on small ones, where one of them does the work.
LIMIT, LIMIT_SMALL = 1 / 1.6, 1.1


def measure(effort: Effort) -> list[Figure]:
    """The times of one thread and the ratios of two to it; nothing where there is but one processor."""
    if (os.cpu_count() or 1) < 2:
        return []
    with fresh_environment() as environment:
        rounds = "3" if effort.quick else "60"
        done = python("-m", "benchmarks.workloads.parallel", rounds, environment={**environment, "NUMBA_NUM_THREADS": "2"})
    found: Mapping[str, Mapping[str, float]] = json.loads(done.stdout)
    figures = []
    for name, seconds in found.items():
        limit = None if name == PLAIN else LIMIT if f"{LARGE:,}" in name else LIMIT_SMALL
        figures.append(Figure(f"{name}: one thread", seconds["one"], "s"))
        figures.append(Figure(f"{name}: two threads, against that", seconds["two"] / seconds["one"], "", limit))
    return figures


# ---------------------------------------------------------------------------------------------- in a process with two threads

PLAIN = f"plain prange by hand, {LARGE:,} elements"


def energy(x: Any, y: Any) -> Any:
    """A sum of elementary functions."""
    return np.sum(np.exp(-x * x) * np.sin(y) + np.sqrt(x * x + y * y + 1.0))


def option(drift: float, spread: float, noise: Any) -> Any:
    """The mean payoff over paths that know nothing of one another, each a loop over time."""
    total = 0.0
    for p in range(noise.shape[0]):
        s = 1.0
        for t in range(noise.shape[1]):
            s = s * math.exp(drift - 0.5 * spread * spread + spread * noise[p, t])
        total += max(s - 1.0, 0.0)
    return total / noise.shape[0]


def pairs() -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """What is measured: the same on one thread and on two."""
    import stagegrad

    rng, found = np.random.default_rng(0), {}
    formula = stagegrad.formula("(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)")
    sums = [stagegrad.compile(energy, parallel=parallel) for parallel in (False, True)]
    means = [stagegrad.compile(option, parallel=parallel) for parallel in (False, True)]
    for count in (LARGE, SMALL):
        x, y = rng.random((2, count))
        noise = rng.normal(size=(max(1, count // STEPS), STEPS))
        out = (np.empty(count), (np.empty(count), np.empty(count)))
        found[f"map of {count:,} points"] = tuple(_mapping(formula, x, y, out, parallel) for parallel in (False, True))
        found[f"sum of {count:,} elements, with gradient"] = tuple(_calling(f, x, y) for f in sums)
        found[f"Monte Carlo, {count:,} steps, with gradient"] = tuple(_calling(f, 0.001, 0.02, noise) for f in means)
    found[PLAIN] = _by_hand(rng.random(LARGE))
    return found  # type: ignore[return-value]  # each of these tuples is a pair


def _mapping(formula: Any, x: Any, y: Any, out: Any, parallel: bool) -> Callable[[], Any]:
    return lambda: formula.map(x, y, out=out, parallel=parallel)


def _calling(function: Any, *args: Any) -> Callable[[], Any]:
    return lambda: function.value_and_grad(*args)


def _by_hand(x: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    import numba

    def each(x: Any, out: Any) -> None:
        for i in numba.prange(len(x)):
            out[i] = math.exp(math.sin(x[i]))

    out = np.empty_like(x)
    one, two = numba.njit(each), numba.njit(parallel=True)(each)
    return (lambda: one(x, out)), (lambda: two(x, out))


def _numbers(answer: Any) -> list[float]:
    if answer is None:
        return []
    if isinstance(answer, tuple):
        return [number for part in answer for number in _numbers(part)]
    return [float(np.sum(answer))]


def _main(rounds: int) -> None:
    found = {}
    for name, contenders in pairs().items():
        first, second = (_numbers(contender()) for contender in contenders)
        require_close(first, second, 1e-9, name)
        least = [math.inf, math.inf]
        for _ in range(rounds):
            for k, contender in enumerate(contenders):
                for _again in range(3):
                    start = time.perf_counter()
                    contender()
                    least[k] = min(least[k], time.perf_counter() - start)
        found[name] = dict(zip(("one", "two"), least, strict=True))
    print(json.dumps(found))


if __name__ == "__main__":
    import sys

    if sys.platform == "linux":
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # who started this process may have been held to one processor
    _main(int(sys.argv[1]))
