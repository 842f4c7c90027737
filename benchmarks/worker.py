"""The process of one workload or contest: ``python -m benchmarks.worker NAME full|quick`` prints what it found as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.contests import CONTESTS
from benchmarks.figures import FULL, QUICK


def main(name: str, effort: str) -> None:
    """Measures one workload or contest and prints its figures or standings."""
    chosen = {"full": FULL, "quick": QUICK}[effort]
    found: list[dict[str, Any]]
    if name in CONTESTS:
        contest = importlib.import_module(f"benchmarks.contests.{name}").CONTEST
        found = [standing.as_dict() for standing in importlib.import_module("benchmarks.contest").hold(contest, chosen)]
    else:
        found = [asdict(figure) for figure in importlib.import_module(f"benchmarks.workloads.{name}").measure(chosen)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
