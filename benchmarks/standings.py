"""Contests on paper: their table, what was missed, and the plots of time against size."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contest import ALONE, BY_HAND, CONTENDERS, NJIT, OURS, C, Standing, geometric_mean
from benchmarks.figures import amount, padded

#: The most that the geometric mean of stagegrad's time over another's may be.
MEANS = {ALONE: 2.8, BY_HAND: 1.1, C: 1.1}


def table(standings: Sequence[Standing], *, judged: bool) -> str:
    """A row for each contest and size: stagegrad's time, its gradient over the function, and the others' times over stagegrad's.

    Unless it is `judged`, nothing is said of limits: a quick run is too short for that.
    """
    rivals = [name for name in CONTENDERS if name not in (OURS, ALONE, NJIT) and any(s.entries[name].ratio for s in standings)]
    rows = [("contest", "size", "value and gradient", "over the function", *rivals, "compiled in")]
    rows += [_row(standing, rivals) for standing in standings]
    means = (_ratio(mean_of(standings, name), judged and _missed(standings, name)) for name in (ALONE, *rivals))
    rows.append(("geometric mean", "", "", *means, ""))
    return padded(rows)


def _row(standing: Standing, rivals: Sequence[str]) -> tuple[str, ...]:
    missed = standing.missed
    ours = standing.entries[OURS].seconds
    cells = [_ratio(standing.over_function, ALONE in missed)]
    cells += [_ratio(standing.entries[name].ratio, name in missed) for name in rivals]
    spent = amount(standing.compile_seconds, "s") + (" MISSED" if "compile" in missed else "")
    return (standing.contest, standing.size, amount(ours or 0.0, "s"), *cells, spent)


def _ratio(ratio: float | None, missed: bool) -> str:
    if ratio is None or math.isnan(ratio):
        return "-"
    return (f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}") + (" MISSED" if missed else "")


def mean_of(standings: Sequence[Standing], name: str) -> float:
    """The geometric mean over all standings: of the gradient over the function, or of a rival's time over stagegrad's."""
    ratios = [s.over_function if name == ALONE else s.entries[name].ratio for s in standings]
    return geometric_mean([ratio for ratio in ratios if ratio])


def means_met(standings: Sequence[Standing]) -> bool:
    """Whether the geometric means are within their limits; there is nothing to miss without a rival."""
    return not any(_missed(standings, name) for name in MEANS)


def _missed(standings: Sequence[Standing], name: str) -> bool:
    mean = mean_of(standings, name)
    return name in MEANS and (mean if name == ALONE else 1.0 / mean) > MEANS[name]


def reasons(standings: Sequence[Standing]) -> list[str]:
    """A line for everyone who was not measured although somebody wrote its program: the reason, and where that was so."""
    found: dict[tuple[str, str], dict[str, None]] = {}  # ordered
    for standing in standings:
        for name, entry in standing.entries.items():
            if entry.reason and name != NJIT:
                found.setdefault((name, entry.reason), {})[standing.contest] = None
    return [f"{name}: {reason} ({', '.join(where)})" for (name, reason), where in found.items()]


def plot(standings: Sequence[Standing], folder: Path) -> list[Path]:
    """Draws the time of a unit of work against the size, a file for each contest that was held at several sizes."""
    importlib.import_module("matplotlib").use("Agg")  # an optional package, and heavy
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    folder.mkdir(parents=True, exist_ok=True)
    by_contest: dict[str, list[Standing]] = {}
    for standing in standings:
        by_contest.setdefault(standing.contest, []).append(standing)
    drawn = []
    for name, sizes in by_contest.items():
        if len({standing.work for standing in sizes}) < 2:
            continue
        figure, axes = pyplot.subplots(figsize=(8, 5))
        _draw(axes, name, sorted(sizes, key=lambda standing: standing.work))
        figure.savefig(folder / f"{name}.png", dpi=150, bbox_inches="tight")
        pyplot.close(figure)
        drawn.append(folder / f"{name}.png")
    return drawn


def _draw(axes: Any, title: str, sizes: Sequence[Standing]) -> None:
    for name in CONTENDERS:
        timed = [(standing.work, standing.entries[name]) for standing in sizes if standing.entries[name].seconds]
        if timed:
            works = [work for work, _ in timed]
            middle, low, high = ([getattr(entry, part) / work * 1e9 for work, entry in timed] for part in ("seconds", "low", "high"))
            (line,) = axes.loglog(works, middle, marker="o", markersize=3, linewidth=2.5 if name == OURS else 1.0, label=name)
            axes.fill_between(works, low, high, color=line.get_color(), alpha=0.2)
    axes.set(title=title, xlabel=f"{sizes[0].unit}s", ylabel=f"ns for each {sizes[0].unit}, value and gradient")
    axes.legend(fontsize="small")
    axes.grid(which="both", alpha=0.2)
