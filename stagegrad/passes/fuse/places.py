"""Where what loops make lies while they are written."""

from __future__ import annotations

from dataclasses import dataclass, field

from stagegrad.ir import Atom, Var


@dataclass(eq=False)
class Slot:
    """Something that loops carry: a sum, or an array that they fill; `now` is its newest version."""

    now: Atom


@dataclass(frozen=True)
class Memory:
    """Where the elements of a value lie: `axes` are the axes of the value that the array has."""

    slot: Slot
    axes: tuple[int, ...]
    note: str = ""
    in_place: bool = False  # where the elements were that they are made of


@dataclass
class Frame:
    """A loop that is being written: what it carries, as (slot, before, inside)."""

    carried: list[tuple[Slot, Atom, Var]] = field(default_factory=list)
