"""``python -m tests.fuzz --count 20000 --target python --jobs 2``: many random programs, and a summary of what became of them."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tests.fuzz import array_judge, arrays, harness, programs
from tests.fuzz.harness import Outcome, minimise
from tests.fuzz.programs import Program

Kind = tuple[Callable[[int], Program], Callable[..., Outcome], Callable[[tuple[int, str]], Outcome]]

#: What makes a program, judges one, and does both.
SCALARS = (programs.program, harness.judge, harness.judged)
ARRAYS = (arrays.program, array_judge.judge, array_judge.judged)


def outcomes(seeds: Iterable[int], target: str, jobs: int, kind: Kind = SCALARS) -> Iterator[Outcome]:
    """The outcomes of many seeds, on several processes; each process is replaced now and then, as compiled code piles up."""
    judged = kind[2]
    work = [(seed, target) for seed in seeds]
    if jobs == 1:
        yield from map(judged, work)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        yield from pool.imap_unordered(judged, work, chunksize=25)


def report(outcome: Outcome, target: str, kind: Kind = SCALARS) -> str:
    """A failure, with the smallest program that still shows it."""
    program, judge, _ = kind

    def same(smaller: Outcome) -> bool:
        length = 40 if outcome.verdict == "crashed" else 12
        return smaller.verdict == outcome.verdict and smaller.reason[:length] == outcome.reason[:length]

    small = minimise(program(outcome.seed), lambda p: same(judge(p, target, seconds=3.0)))
    again = judge(small, target)
    return f"seed {outcome.seed}: {outcome.verdict}: {again.reason}\n{small.text}points: {small.points}\n"


def summary(found: list[Outcome], seconds: float) -> str:
    """How many programs were right, how many points were compared, and why programs were refused."""
    verdicts = Counter(outcome.verdict for outcome in found)
    points, seconds_compared = sum(o.points for o in found), sum(o.seconds for o in found)
    skipped, raised = sum(o.skipped for o in found), sum(o.raised for o in found)
    lines = [
        f"{len(found)} programs in {seconds:.0f} s: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
        f"{points} points compared ({seconds_compared} with second derivatives), {skipped} skipped near a tie or not finite, "
        f"{raised} raised as Python does",
    ]
    reasons = Counter(outcome.reason for outcome in found if outcome.verdict == "refused")
    seeds = {outcome.reason: outcome.seed for outcome in reversed(found)}
    lines += [f"  {count} refused: {reason} (seed {seeds[reason]})" for reason, count in reasons.most_common()]
    return "\n".join(lines)


def main() -> int:
    """Runs the command; the exit code is 1 if any program was wrong or crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many programs")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--arrays", action="store_true", help="programs of arrays, not of numbers alone")
    parser.add_argument("--target", choices=("python", "numpy", "numba"), help="by default python, or numpy for arrays")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--reports", type=int, default=5, help="how many failures to minimise and print")
    options = parser.parse_args()
    kind, target = (ARRAYS, options.target or "numpy") if options.arrays else (SCALARS, options.target or "python")
    began, found = time.monotonic(), []
    for outcome in outcomes(range(options.start, options.start + options.count), target, options.jobs, kind):
        found.append(outcome)
        if outcome.failed:
            print(f"seed {outcome.seed}: {outcome.verdict}: {outcome.reason}", flush=True)
        if sys.stderr.isatty() or len(found) % 500 == 0:
            print(f"{len(found)} of {options.count}, {sum(o.failed for o in found)} failed", end="\r", file=sys.stderr, flush=True)
    print(summary(found, time.monotonic() - began))
    failures = [outcome for outcome in found if outcome.failed]
    for outcome in failures[: options.reports]:
        print(report(outcome, target, kind), flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
