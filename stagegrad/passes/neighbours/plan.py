"""What the loops of a group begin with, how far their terms reach, and which of their results lie where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from stagegrad.ir import Atom, Block, Lit, Var
from stagegrad.names import count_reads
from stagegrad.passes.neighbours.facts import Facts
from stagegrad.passes.neighbours.parts import Offset, Part, Written

#: What makes an array of zeros.
ZEROS = frozenset({"zeros", "zeros_of", "zeros_like"})


class Plan:
    """Which arrays the parts of a group begin with, and which of their results lie where."""

    def __init__(self, parts: Sequence[Part], facts: Facts, reads: Counter[Var]) -> None:
        self.parts, self.facts = parts, facts
        inside = Counter[Var]()
        for one in parts:
            inside.update(count_reads(Block((one.loop,))))
        self.left = {var: count for var, count in reads.items() if count > inside[var]}
        self.outs = {written.out: written for one in parts for written in one.written}

    def margin(self, axis: int) -> tuple[int, int]:
        """How many cells at either end of an axis some term does not reach."""
        reached = [ends(one, by)[axis] for one in self.parts for by in offsets(one)]
        return max(before for before, _ in reached), max(behind for _, behind in reached)

    def is_needed(self, out: Var) -> bool:
        """Is a result read by others?"""
        return out in self.left

    def same(self, array: Atom) -> Atom:
        """The array that an array is a copy of, where nobody else needs the copy."""
        made = self.facts.makers.get(array) if isinstance(array, Var) else None
        if made is None or made.op != "duplicate" or self.is_needed(made.out):
            return array
        return self.same(made.args[0])

    def base(self, written: Written) -> Atom:
        """What a cell was before: an array, or a number for all of them."""
        made = self.facts.makers.get(written.entry) if isinstance(written.entry, Var) else None
        if made is not None and made.op in ZEROS:
            return Lit(0.0, replace(written.out.type, rank=0))
        return self.same(written.entry)

    def in_place(self, written: Written) -> bool:
        """May the cells be written where they were read: does no cell need what others were, nor anybody else?"""
        base = self.base(written)
        if not is_whole(written):
            return True
        if not isinstance(base, Var) or base != written.entry or self.is_needed(base) or base in self.outs:
            return False
        return self.is_read_in_place(written)

    def is_possible(self) -> bool:
        """Can what is written to a part of an array be written to it in place?"""
        return all(is_whole(written) or self.is_read_in_place(written) for written in self.outs.values())

    def is_read_in_place(self, written: Written) -> bool:
        """Does each cell need of an array, as it was before, no other element than its own?"""
        own = (0,) * len(self.parts[0].grid)
        for one in self.parts:
            for load in one.loads():
                if self.same(one.array_of(load)) == self.same(written.entry):
                    seen = one.offset_of(load, written.place)
                    if seen is None or any(tuple(a - b for a, b in zip(seen, by, strict=True)) != own for by in offsets(one)):
                        return False
        return True


def is_whole(written: Written) -> bool:
    """Is it an array with the axes of the grid, and no others?"""
    return all(isinstance(axis, int) for axis in written.place)


def ends(one: Part, by: Offset) -> list[tuple[int, int]]:
    """How many cells at either end are not reached by what trips give to the cells that are so far from their own."""
    return [(before + ahead, behind - ahead) for (before, behind), ahead in zip(one.margins, by, strict=True)]


def offsets(one: Part) -> set[Offset]:
    """How far the cells are from the trip's own to which a part gives something."""
    found = {term.by for written in one.written for term in written.terms}
    return found | {(0,) * len(one.grid)} if one.totals else found
