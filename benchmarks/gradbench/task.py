"""One function of an eval: from the input's JSON to arguments, through repeated timed runs, to the answer's JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.gradbench.fields import Fields

#: A name and how many nanoseconds, as the protocol has it.
Timing = dict[str, str | int]


@dataclass(frozen=True)
class Task:
    """A function of an eval: `arguments` reads its input, `compute` is what is timed, `output` makes JSON of what it returns."""

    arguments: Callable[[Any], tuple[Any, ...]]
    compute: Callable[..., Any]
    output: Callable[[Any], Any]

    def run(self, given: Any) -> tuple[Any, list[Timing]]:
        """The output and the timings: "prepare" is reading and compiling, with a run that nobody counts, "evaluate" each run after it."""
        least, seconds = _repetitions(given)
        start = time.perf_counter_ns()
        args = self.arguments(given)
        found = self.compute(*args)
        timings: list[Timing] = [{"name": "prepare", "nanoseconds": time.perf_counter_ns() - start}]
        spent = runs = 0
        while runs < least or spent < seconds * 1e9:
            start = time.perf_counter_ns()
            found = self.compute(*args)
            taken = time.perf_counter_ns() - start
            timings.append({"name": "evaluate", "nanoseconds": taken})
            spent += taken
            runs += 1
        return self.output(found), timings


def _repetitions(given: Any) -> tuple[int, float]:
    """How many runs, and how many seconds of them, at least; an older form of the protocol only counts runs."""
    if not isinstance(given, dict):  # hello is asked with a plain number
        return 1, 0.0
    fields = Fields(given, "input")
    if "runs" in fields:
        return fields.whole("runs", 1), 0.0
    return fields.whole("min_runs", 1) if "min_runs" in fields else 1, fields.number("min_seconds") if "min_seconds" in fields else 0.0


def plain(found: Any) -> Any:
    """Arrays and numbers of NumPy as the lists and numbers that JSON has."""
    return found.tolist() if hasattr(found, "tolist") else float(found)
