"""From a Python function of 30 lines to its first gradient, nothing cached, against plain njit of the text that is generated for it."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.checking import require_equal, require_slopes
from benchmarks.figures import Effort, Figure
from benchmarks.isolation import fresh_environment, python
from benchmarks.samples import POINT, pendulum


def sample(text: str = "", entry: str = "") -> dict[str, Any]:
    """One cold start in a new process with an empty cache: ours, or plain Numba's for a text and a function in it."""
    with fresh_environment() as environment:
        command = ["-m", "benchmarks.samples", "ours"]
        if text:
            path = Path(environment["STAGEGRAD_CACHE_DIR"]).with_name("generated.py")
            path.write_text(text)
            command[2:] = ["plain", str(path), entry]
        found: dict[str, Any] = json.loads(python(*command, environment=environment).stdout)
        return found


def measure(effort: Effort) -> list[Figure]:
    """The median times of both sides, and the median of their ratios, pair by pair."""
    first = sample()
    value, *gradient = first["numbers"]
    require_equal([value], [pendulum(*POINT)], 1e-12, "the value of the pendulum")
    require_slopes(pendulum, POINT, gradient, 1e-6, "the gradient of the pendulum")
    pairs = [(sample()["seconds"], sample(first["text"], first["entry"])["seconds"]) for _ in range(effort.processes)]
    ours, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
    return [
        Figure("plain njit of the generated text", plain, "s"),
        Figure("stagegrad, from the function", ours, "s"),
        Figure("stagegrad against plain njit", statistics.median(a / b for a, b in pairs), "", 1.5),
    ]
