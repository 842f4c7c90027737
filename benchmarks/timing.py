"""Timing: contenders in, the times of many interleaved rounds out."""

from __future__ import annotations

import random
import statistics
import time
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Effort

#: The processor's time where the system counts it finely enough: other programs then take no part in it.
CLOCK = time.thread_time if time.get_clock_info("thread_time").resolution <= 1e-6 else time.perf_counter


@dataclass(frozen=True)
class Contender:
    """A function and the arguments that it is called with."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Times:
    """Seconds per call of each contender, one for each round."""

    seconds: Mapping[str, tuple[float, ...]]

    def median(self, name: str) -> float:
        """The usual time of a call, in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """How many times as long one takes as another: the median of the ratios within a round that both were in."""
        return statistics.median(a / b for a, b in zip(self.seconds[name], self.seconds[to], strict=False))

    def quartiles(self, name: str) -> tuple[float, float]:
        """The times that a quarter of the calls were below and above."""
        low, _, high = statistics.quantiles(self.seconds[name], n=4, method="inclusive")
        return low, high


def race(contenders: Mapping[str, Contender], effort: Effort, clock: Callable[[], float] = CLOCK) -> Times:
    """Times all contenders in rounds; each runs a batch in a round, in an order that is another in each round.

    What the one before leaves in the processor's caches, its own large arrays or the common ones, is worth up to a third of the time:
    everyone shall meet with everyone's. Whoever has used up its share of seconds drops out, but nobody before the third round.
    """
    batches = {name: _Batch(contender, effort.batch, clock) for name, contender in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in batches}
    shuffled = random.Random(0)  # the same orders in every run
    for turn in range(effort.rounds):
        for name in shuffled.sample(list(batches), len(batches)):
            if turn < 3 or batches[name].spent < effort.share:
                seconds[name].append(batches[name].run())
    return Times({name: tuple(times) for name, times in seconds.items()})


class _Batch:
    """As many calls in a row as take about `seconds`; the call is written out, so that nothing else is timed."""

    def __init__(self, contender: Contender, seconds: float, clock: Callable[[], float]) -> None:
        words = {f"a{k}": value for k, value in enumerate(contender.args)}
        self._timer = timeit.Timer(f"call({', '.join(words)})", timer=clock, globals={"call": contender.function, **words})
        self._timer.timeit(1)  # what is only done once, such as compiling, is not what a call costs
        self._calls, spent = 1, self._timer.timeit(1)
        while spent < seconds:
            self._calls *= 2
            spent = self._timer.timeit(self._calls)
        self.spent = 0.0

    def run(self) -> float:
        spent = self._timer.timeit(self._calls)
        self.spent += spent
        return spent / self._calls
