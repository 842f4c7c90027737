"""The process of a measurement: ``python -m benchmarks.worker full|quick PEER,PEER NAME...`` prints what it found, as JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict, replace
from typing import Any

from benchmarks.contests import CONTESTS
from benchmarks.figures import FULL, QUICK, Effort


def main(effort: str, peers: str, *names: str) -> None:
    """Measures workloads and contests and prints their figures and standings, by name."""
    chosen = replace({"full": FULL, "quick": QUICK}[effort], peers=tuple(peers.split(",")))
    if not chosen.quick:
        _stay_on_one_core()
    print(json.dumps({name: _found(name, chosen) for name in names}))


def _found(name: str, effort: Effort) -> list[dict[str, Any]]:
    if name in CONTESTS:
        contest = importlib.import_module(f"benchmarks.contests.{name}").CONTEST
        return [standing.as_dict() for standing in importlib.import_module("benchmarks.contest").hold(name, contest, effort)]
    return [asdict(figure) for figure in importlib.import_module(f"benchmarks.workloads.{name}").measure(effort)]


def _stay_on_one_core() -> None:
    """Keeps the process on one core, where the system can: some peers start more threads than they were told to."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    main(*sys.argv[1:])
