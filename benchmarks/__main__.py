"""The command ``python -m benchmarks``: every workload and contest, or those that are named, as tables or as JSON.

Exit codes: 0 fine; 1 a wrong number, or a limit that was missed (limits are not judged with ``--quick``); 2 the command was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import compiled_c, standings
from benchmarks.contest import Standing, read
from benchmarks.contests import CONTESTS
from benchmarks.figures import PEERS, Figure, machine, table
from benchmarks.isolation import PINNED, fresh_environment, python
from benchmarks.peers import presence
from benchmarks.workloads import WORKLOADS

ALL = {**WORKLOADS, **CONTESTS}


def main() -> int:
    """Runs what the command line asks for; returns the exit code."""
    options = _options()
    about = machine()
    names = options.workload or list(ALL)
    found: dict[str, list[dict[str, Any]]] = {}
    # Nothing is judged by a quick run, so that several may go at the same time.
    with ThreadPoolExecutor((os.cpu_count() or 1) if options.quick else 1) as pool:
        try:
            groups = _shared(names) if options.quick else [[name] for name in names]
            for some in pool.map(partial(_measured, quick=options.quick, peers=_asked(options)), groups):
                found |= some
        except RuntimeError as error:
            pool.shutdown(cancel_futures=True)
            _say(str(error))
            return 1
    figures = {name: [Figure(**figure) for figure in found[name]] for name in names if name in WORKLOADS}
    held = [read(standing) for name in names if name in CONTESTS for standing in found[name]]
    print(_as_json(found, about) if options.json else _as_tables(figures, held, about, judged=not options.quick))
    if options.plot:
        _say("\n".join(f"drawn: {path}" for path in standings.plot(held, options.plot)))
    return 0 if options.quick or _met(figures, held) else 1


def _shared(names: Sequence[str]) -> list[list[str]]:
    """Names by process, for a quick run: what measures a process itself has one of its own, contests share as many as there are cores."""
    contests, cores = [name for name in names if name in CONTESTS], os.cpu_count() or 1
    return [*([name] for name in names if name in WORKLOADS), *filter(None, (contests[k::cores] for k in range(cores)))]


def _asked(options: argparse.Namespace) -> list[str]:
    """The peers that were asked for: those that were named, else all, or none for a quick run."""
    if options.peers is not None:
        return [*options.peers]
    return [] if options.quick else [*PEERS]


def _measured(names: Sequence[str], *, quick: bool, peers: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    begun = time.monotonic()
    what = ", ".join(names)
    _say(f"{what}: {ALL[names[0]]} ..." if len(names) == 1 else f"{what} ...")
    with fresh_environment() as environment:
        how = ("quick" if quick else "full", ",".join(peers))
        done = python("-m", "benchmarks.worker", *how, *names, environment=environment, progress=not quick)
    _say(f"{what}: done in {time.monotonic() - begun:.0f} s")
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _met(figures: Mapping[str, Sequence[Figure]], held: Sequence[Standing]) -> bool:
    return all(figure.met for some in figures.values() for figure in some) and all(s.met for s in held) and standings.means_met(held)


def _as_json(found: Mapping[str, list[dict[str, Any]]], about: Mapping[str, str]) -> str:
    workloads = {name: [Figure(**figure).as_dict() for figure in some] for name, some in found.items() if name in WORKLOADS}
    contests = {name: some for name, some in found.items() if name in CONTESTS}
    return json.dumps({"machine": about, "environment": PINNED, "peers": _peers(), "workloads": workloads, "contests": contests}, indent=2)


def _as_tables(figures: Mapping[str, Sequence[Figure]], held: Sequence[Standing], about: Mapping[str, str], *, judged: bool) -> str:
    parts = []
    if figures:
        parts.append(table(figures))
    if held:
        peers = ", ".join(f"{name} {version}" for name, version in _peers().items())
        parts += [
            standings.table(held, judged=judged),
            "Times of others are over stagegrad's: above 1, stagegrad is faster. MISSED: a limit was.",
            "\n".join(standings.reasons(held)),
            f"peers: {peers}",
        ]
    threads = ", ".join(f"{name}={count}" for name, count in PINNED.items())
    parts.append(", ".join(f"{name} {value}" for name, value in about.items()))
    parts.append(f"one thread ({threads}), a process for each workload, medians of interleaved rounds")
    return "\n\n".join(filter(None, parts))


def _peers() -> dict[str, str]:
    return {"C compiler": compiled_c.version(), **presence()}


def _options() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<12}{about}" for name, about in ALL.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        epilog=f"workloads, the later ones against peers:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("workload", nargs="*", choices=[*ALL, []], metavar="WORKLOAD", help="measure these only")
    parser.add_argument("--quick", action="store_true", help="small sizes, no peers, a few rounds: checks the numbers, judges no limit")
    parser.add_argument("--peers", nargs="*", choices=PEERS, metavar="PEER", help=f"hold contests against these only: {', '.join(PEERS)}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw time against size for each contest, with matplotlib")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
