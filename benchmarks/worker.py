"""The process of a measurement: ``python -m benchmarks.worker full|quick NAME...`` prints what it found, by name, as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.contests import CONTESTS
from benchmarks.figures import FULL, QUICK, Effort


def main(effort: str, *names: str) -> None:
    """Measures workloads and contests and prints their figures and standings."""
    chosen = {"full": FULL, "quick": QUICK}[effort]
    print(json.dumps({name: _found(name, chosen) for name in names}))


def _found(name: str, effort: Effort) -> list[dict[str, Any]]:
    if name in CONTESTS:
        contest = importlib.import_module(f"benchmarks.contests.{name}").CONTEST
        return [standing.as_dict() for standing in importlib.import_module("benchmarks.contest").hold(contest, effort)]
    return [asdict(figure) for figure in importlib.import_module(f"benchmarks.workloads.{name}").measure(effort)]


if __name__ == "__main__":
    main(*sys.argv[1:])
