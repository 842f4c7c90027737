"""What a workload returns: figures with their limits, how much effort they may take, and their table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Effort:
    """How long to measure: the rounds of a timing and the seconds of one batch, the processes of a cold start."""

    rounds: int
    batch: float
    processes: int
    #: The seconds after which a contender has been measured often enough.
    share: float
    #: Too few rounds to judge a limit by.
    quick: bool
    #: The peers that contests are held against, by the first word of their names.
    peers: tuple[str, ...] = ()


PEERS = ("jax", "pytorch", "autograd", "casadi", "tangent")
FULL = Effort(rounds=151, batch=2e-3, processes=9, share=2.0, quick=False, peers=PEERS)
QUICK = Effort(rounds=9, batch=5e-4, processes=1, share=0.1, quick=True)


@dataclass(frozen=True)
class Figure:
    """One measured number: what it is, its unit ("" for a ratio), and the most that it may be, if there is a limit."""

    label: str
    value: float
    unit: str = ""
    limit: float | None = None

    @property
    def met(self) -> bool:
        """Whether the number is within its limit."""
        return self.limit is None or self.value <= self.limit

    @property
    def text(self) -> str:
        """The number with its unit, to three digits; a ratio to two decimals."""
        return amount(self.value, self.unit)

    @property
    def limit_text(self) -> str:
        """The limit with its unit, or nothing."""
        return "" if self.limit is None else f"<= {amount(self.limit, self.unit)}"

    def as_dict(self) -> dict[str, Any]:
        """The figure as JSON has it; times are in seconds."""
        return {**asdict(self), "met": self.met}


def amount(value: float, unit: str) -> str:
    """A number with its unit, to three digits; a ratio, which has the unit "", to two decimals."""
    if unit == "s":
        for scale, word in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if abs(value) >= scale:
                return f"{_digits(value / scale)} {word}"
        return f"{_digits(value / 1e-9)} ns"
    return f"{_digits(value)} {unit}" if unit else f"{value:.2f} times"


def _digits(value: float) -> str:
    if value == int(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def table(found: Mapping[str, Sequence[Figure]]) -> str:
    """All figures as a Markdown table, padded to be read as it is."""
    rows: list[tuple[str, ...]] = [("workload", "what", "measured", "limit")]
    for name, figures in found.items():
        rows += [(name if k == 0 else "", f.label, f.text, f.limit_text + ("" if f.met else " MISSED")) for k, f in enumerate(figures)]
    return padded(rows)


def padded(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as a Markdown table, the first as its head, padded to be read as it is."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def machine() -> dict[str, str]:
    """What the figures were measured with: the processor, Python and the packages that matter."""
    from importlib.metadata import version

    packages = {name: version(name) for name in ("numba", "llvmlite", "numpy", "sympy")}
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {"processor": _processor(), "cores": str(os.cpu_count()), "load before": load, "python": platform.python_version(), **packages}


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
