"""The process of one workload: ``python -m benchmarks.worker NAME full|quick`` prints its figures as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict

from benchmarks.figures import FULL, QUICK


def main(name: str, effort: str) -> None:
    """Measures one workload and prints its figures."""
    workload = importlib.import_module(f"benchmarks.workloads.{name}")
    figures = workload.measure({"full": FULL, "quick": QUICK}[effort])
    print(json.dumps([asdict(figure) for figure in figures]))


if __name__ == "__main__":
    main(*sys.argv[1:])
