"""A function of 30 lines, and how long it takes from there to its first gradient: one sample, in a process of its own.

``python -m benchmarks.samples ours`` times stagegrad and prints, besides, the text that it compiled; ``... plain FILE ENTRY`` times
plain Numba on the text in FILE. Numba is warmed up before, with a function that has nothing to do with ours, so that its own start
is in neither figure; both sides keep their machine code on disk, as is the default. Seconds are the processor's.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import time
from typing import Any

import numba
from numba.core import event

import stagegrad

POINT = (0.6, 0.1, 1.2, 0.15, 0.02, 40)


def pendulum(angle: float, speed: float, length: float, damping: float, h: float, steps: int) -> float:
    """The mean energy of a damped pendulum that bounces off a wall, by classical Runge-Kutta steps."""
    energy = 0.0
    for _ in range(steps):
        k1 = speed
        pull = -9.81 / length * math.sin(angle)
        l1 = pull - damping * k1
        k2 = speed + 0.5 * h * l1
        middle = angle + 0.5 * h * k1
        pull = -9.81 / length * math.sin(middle)
        l2 = pull - damping * k2
        k3 = speed + 0.5 * h * l2
        middle = angle + 0.5 * h * k2
        pull = -9.81 / length * math.sin(middle)
        l3 = pull - damping * k3
        k4 = speed + h * l3
        last = angle + h * k3
        pull = -9.81 / length * math.sin(last)
        l4 = pull - damping * k4
        turned = k1 + 2.0 * k2 + 2.0 * k3 + k4
        pushed = l1 + 2.0 * l2 + 2.0 * l3 + l4
        angle += h / 6.0 * turned
        speed += h / 6.0 * pushed
        if angle < -0.5:
            speed = -0.8 * speed
        kinetic = 0.5 * (length * speed) ** 2
        height = length * (1.0 - math.cos(angle))
        energy += (kinetic + 9.81 * height) / steps
    return energy


def warm_up() -> None:
    """Lets Numba and our compiler do what they do once in a process."""

    numba.njit(lambda x: 2.0 * x)(1.0)
    _ = stagegrad.compile  # imports the compiler


def ours() -> dict[str, Any]:
    """From the Python function to its first gradient; what Numba compiled, and what it read from its cache, on the way."""
    warm_up()
    with event.install_recorder("numba:compile") as recorder:
        begun = time.process_time()
        staged = stagegrad.compile(pendulum, target="numba")
        value, gradient = staged.value_and_grad(*POINT)
        seconds = time.process_time() - begun
    compiled: Any = staged.numba.value_and_grad  # a Numba dispatcher
    stats = compiled.stats
    return {
        "seconds": seconds,
        "numbers": [value, *gradient],
        "text": staged.source("numba"),
        "entry": compiled.__name__,
        "compiled": sum(recorded.is_start for _, recorded in recorder.buffer),
        "hits": sum(stats.cache_hits.values()),
        "misses": sum(stats.cache_misses.values()),
    }


def plain(path: str, entry: str) -> dict[str, Any]:
    """From the generated text in a file to its first gradient, as someone would do it who had written the text by hand."""
    warm_up()
    begun = time.process_time()
    spec = importlib.util.spec_from_file_location("generated", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generated"] = module
    spec.loader.exec_module(module)
    value, gradient = getattr(module, entry)(*POINT)
    seconds = time.process_time() - begun
    return {"seconds": seconds, "numbers": [value, *gradient]}


if __name__ == "__main__":
    side, *rest = sys.argv[1:]
    print(json.dumps(ours() if side == "ours" else plain(*rest)))
