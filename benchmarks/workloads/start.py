"""What ``import stagegrad`` adds to Python's own start, measured on whole processes."""

from __future__ import annotations

import re
import statistics
import time

from benchmarks.figures import Effort, Figure
from benchmarks.isolation import fresh_environment, python

#: The import of the compiler, and not only of the names that stand for it.
COMMANDS = {"bare": "pass", "package": "import stagegrad", "compiler": "from stagegrad import compile"}


def measure(effort: Effort) -> list[Figure]:
    """Medians of whole starts in turn, the differences to a bare start, and what ``-X importtime`` says of the package."""
    with fresh_environment() as environment:
        seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for turn in range(1 + 4 * effort.processes):
            for name, command in COMMANDS.items():
                begun = time.perf_counter()
                python("-c", command, environment=environment)
                if turn:  # the first start writes the bytecode
                    seconds[name].append(time.perf_counter() - begun)
        logs = [python("-X", "importtime", "-c", COMMANDS["package"], environment=environment).stderr for _ in range(effort.processes)]
    added = {name: statistics.median(b - a for a, b in zip(seconds["bare"], seconds[name], strict=True)) for name in COMMANDS}
    return [
        Figure("Python's own start", statistics.median(seconds["bare"]), "s"),
        Figure("`import stagegrad` adds", added["package"], "s", 0.060),
        Figure("the same, as `python -X importtime` counts it", statistics.median(map(_import_seconds, logs)), "s", 0.060),
        Figure("`from stagegrad import compile` adds", added["compiler"], "s"),
    ]


def _import_seconds(log: str) -> float:
    """The cumulative time of the package in the log of ``-X importtime``, which is in microseconds."""
    found = re.search(r"import time:\s*\d+ \|\s*(\d+) \| stagegrad$", log, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no line for stagegrad in:\n{log}")
    return int(found[1]) * 1e-6
