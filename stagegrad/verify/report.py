"""What a proof and a gradient check say: the levels, a verdict for each quantity, and their text.

Takes nothing of SymPy: a report can be kept, printed and pickled where SymPy is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: From the weakest to the strongest. *untested* means that nothing could be run; it is not a success.
LEVELS = ("refuted", "untested", "tested", "checked", "proved")

#: The parameters' values by name; an array is there by its type and shape.
Point = Mapping[str, float | int | bool | str]


@dataclass(frozen=True)
class Verdict:
    """How well one quantity is known to be right: a level, why, and for *refuted* a point that shows it.

    - *proved*: its difference to SymPy's derivative of the primal simplifies to zero on every path;
    - *checked*: it agrees with the primal's derivative to 30 digits or more at random points (120-digit arithmetic);
    - *tested*: it agrees in floating point;
    - *refuted*: it disagrees at `point`, in floating point too;
    - *untested*: no point could be evaluated.
    """

    level: str
    detail: str
    point: Point | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"no such level: {self.level!r}; the levels are {', '.join(LEVELS)}")

    def __str__(self) -> str:
        return f"{self.level:<8} {self.detail}{_at(self.point)}"

    @property
    def ok(self) -> bool:
        """Whether the quantity was at least tested, and nothing spoke against it."""
        return LEVELS.index(self.level) >= LEVELS.index("tested")

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON has it."""
        return {"level": self.level, "detail": self.detail, "point": None if self.point is None else dict(self.point)}


@dataclass(frozen=True)
class Proof:
    """The verdicts on one function's generated source: its value, and its gradient for each parameter."""

    name: str
    value: Verdict
    gradients: Mapping[str, Verdict]
    oracle: str
    notes: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """The weakest level of all verdicts."""
        return min((v.level for v in (self.value, *self.gradients.values())), key=LEVELS.index)

    @property
    def ok(self) -> bool:
        """Whether every quantity was at least tested, and nothing spoke against one."""
        return self.value.ok and all(verdict.ok for verdict in self.gradients.values())

    @property
    def lines(self) -> tuple[str, ...]:
        """The report, line by line."""
        rows = [("value", self.value), *((f"df/d{name}", verdict) for name, verdict in self.gradients.items())]
        width = max(len(label) for label, _ in rows)
        return (
            *(f"{label:<{width}}  {verdict}" for label, verdict in rows),
            f"against {self.oracle}",
            *self.notes,
        )

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "name": self.name,
            "level": self.level,
            "value": self.value.as_dict(),
            "gradients": {name: verdict.as_dict() for name, verdict in self.gradients.items()},
            "oracle": self.oracle,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Comparison:
    """One number of a gradient check: what came out, what was expected, and where a slope was not finite."""

    found: float
    expected: float | None
    ok: bool
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON has it; infinities and nan are written as text, which JSON has no numbers for."""
        return {"found": repr(self.found), "expected": repr(self.expected), "ok": self.ok, "detail": self.detail}


@dataclass(frozen=True)
class GradientCheck:
    """The result of `check_grads`: the compiled gradient against the user's own function at one point."""

    point: Point
    value: Comparison
    gradients: Mapping[str, Comparison]
    level: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the value and every gradient agree."""
        return self.value.ok and all(comparison.ok for comparison in self.gradients.values())

    def __bool__(self) -> bool:
        return self.ok

    @property
    def lines(self) -> tuple[str, ...]:
        """The report, line by line."""
        rows = [("value", self.value), *((f"df/d{name}", c) for name, c in self.gradients.items())]
        width = max(len(label) for label, _ in rows)
        return (
            *(f"{label:<{width}}  {'ok   ' if c.ok else 'WRONG'}  {c.found!r}  {c.detail}" for label, c in rows),
            f"{self.level}{_at(self.point)}",
            *self.notes,
        )

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "ok": self.ok,
            "level": self.level,
            "point": dict(self.point),
            "value": self.value.as_dict(),
            "gradients": {name: comparison.as_dict() for name, comparison in self.gradients.items()},
            "notes": list(self.notes),
        }


def _at(point: Point | None) -> str:
    return "" if point is None else " at " + ", ".join(f"{name}={value!r}" for name, value in point.items())
