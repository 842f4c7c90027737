"""The command ``python -m benchmarks``: every workload, or those that are named, as a table or as JSON.

Exit codes: 0 fine; 1 a wrong number, or a limit that was missed (limits are not judged with ``--quick``); 2 the command was wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from benchmarks.figures import Figure, machine, table
from benchmarks.isolation import PINNED, fresh_environment, python
from benchmarks.workloads import WORKLOADS


def main() -> int:
    """Runs what the command line asks for; returns the exit code."""
    options = _options()
    about = machine()
    found: dict[str, list[Figure]] = {}
    for name in options.workload or WORKLOADS:
        begun = time.monotonic()
        _say(f"{name}: {WORKLOADS[name]} ...")
        try:
            found[name] = _measured(name, quick=options.quick)
        except RuntimeError as error:
            _say(str(error))
            return 1
        _say(f"{name}: done in {time.monotonic() - begun:.0f} s")
    _print(found, about, as_json=options.json)
    return 0 if options.quick or all(figure.met for figures in found.values() for figure in figures) else 1


def _measured(name: str, *, quick: bool) -> list[Figure]:
    with fresh_environment() as environment:
        done = python("-m", "benchmarks.worker", name, "quick" if quick else "full", environment=environment)
    return [Figure(**figure) for figure in json.loads(done.stdout.splitlines()[-1])]


def _print(found: dict[str, list[Figure]], about: dict[str, str], *, as_json: bool) -> None:
    threads = ", ".join(f"{name}={count}" for name, count in PINNED.items())
    if as_json:
        workloads = {name: [figure.as_dict() for figure in figures] for name, figures in found.items()}
        print(json.dumps({"machine": about, "environment": PINNED, "workloads": workloads}, indent=2))
        return
    print(table(found))
    print("\n" + ", ".join(f"{name} {value}" for name, value in about.items()))
    print(f"one thread ({threads}), a process for each workload, medians of interleaved rounds")


def _options() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<12}{about}" for name, about in WORKLOADS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", epilog=f"workloads:\n{listed}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workload", nargs="*", choices=[*WORKLOADS, []], metavar="WORKLOAD", help="measure these only")
    parser.add_argument("--quick", action="store_true", help="a few rounds: checks the numbers, judges no limit")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
