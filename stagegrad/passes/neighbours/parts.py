"""What a nest of loops does to each cell of a grid, if it is a nest of that kind.

The grid has the axes of an array, and a loop of the nest runs along each of them, but for a fixed number of cells at either end. In a
trip, numbers are computed from the elements of arrays; they are stored at, or added to, cells that are as far from the trip's own in
every trip, or added to a total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from stagegrad.ir import Atom, Block, For, If, Span, Stage, Var, walk
from stagegrad.ops import find
from stagegrad.shapes import Dim

#: How far the cell that is meant is from the trip's own, along each axis of the grid.
Offset: TypeAlias = "tuple[int, ...]"
#: Of each axis of an array the axis of the grid, or a fixed index.
Place: TypeAlias = "tuple[int | Atom, ...]"

#: What costs so much, in nanoseconds, is an instruction.
_ARITHMETIC = 4.0


@dataclass(frozen=True)
class Term:
    """A number that a trip gives to the cell which is `by` cells from its own."""

    value: Atom
    by: Offset
    note: str
    span: Span | None


@dataclass(frozen=True)
class Written:
    """An array that the nest writes to: each trip sets one element, or adds to several."""

    entry: Atom
    out: Var
    place: Place
    terms: tuple[Term, ...]
    adds: bool


@dataclass(frozen=True)
class Total:
    """A number that each trip adds to; of its stages, those that do."""

    entry: Atom
    out: Var
    stages: tuple[tuple[Stage, Atom], ...]


@dataclass(frozen=True)
class Part:
    """What a nest does to each cell; `margins` says how many cells its loops leave out before and behind, along each axis."""

    loop: For
    grid: tuple[Dim, ...]
    sizes: tuple[Stage | Var, ...]  # how many cells there are along each axis: a number, or the stage that asks for it
    margins: tuple[tuple[int, int], ...]
    steps: tuple[int, ...]
    names: tuple[str, ...]
    makers: Mapping[Var, Stage | If]
    counted: Mapping[Var, tuple[int, int]]  # indices: along which axis, and how many cells from the trip's own
    entries: Mapping[Var, Atom]  # the arrays that are written to, as a trip finds them: what they were before the nest
    written: tuple[Written, ...]
    totals: tuple[Total, ...]

    def loads(self) -> Iterator[Stage]:
        """Every reading of an element."""
        for made in {id(made): made for made in self.makers.values()}.values():
            yield from (stmt for stmt in walk(Block((made,))) if isinstance(stmt, Stage) and stmt.op == "load")

    def array_of(self, load: Stage) -> Atom:
        """The array that is read, as it is called outside."""
        array = load.args[0]
        return self.entries.get(array, array) if isinstance(array, Var) else array

    def offset_of(self, load: Stage, place: Place) -> Offset | None:
        """How far from the trip's own is the cell of an array with these axes that is read; None where that is not fixed."""
        found = dict[int, int]()
        for index, axis in zip(load.args[1:], place, strict=True):
            if not isinstance(axis, int):
                if index != axis:
                    return None
                continue
            along, by = self.counted.get(index, (-1, 0)) if isinstance(index, Var) else (-1, 0)
            if along != axis:
                return None
            found[axis] = by
        return tuple(found[axis] for axis in range(len(self.grid)))


def slow(part: Part) -> bool:
    """Is there something in a trip that vector instructions cannot do?"""
    stages = (stmt for made in part.makers.values() for stmt in walk(Block((made,))) if isinstance(stmt, Stage))
    return any(op.cost > _ARITHMETIC and "lanes" not in op.spelling for op in (find(stage.op) for stage in stages))


def work(part: Part, term: Term) -> float:
    """The nanoseconds of what a term's value is made of, if computed anew."""
    seen = set[int]()
    total = 0.0
    pending = [term.value]
    while pending:
        made = part.makers.get(atom) if isinstance(atom := pending.pop(), Var) else None
        if made is None or id(made) in seen:
            continue
        seen.add(id(made))
        for stmt in walk(Block((made,))):
            if isinstance(stmt, Stage):
                total += find(stmt.op).cost if stmt.op not in ("copy", "load") else 0.0
                pending += stmt.args
            elif isinstance(stmt, If):
                pending += [stmt.test, *stmt.then.results, *stmt.orelse.results]
    return total
