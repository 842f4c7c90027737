"""Which nests of a block become one, and whether it is worth it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property

from stagegrad.analysis import needed
from stagegrad.emit.rounding import Roundings
from stagegrad.ir import Atom, Block, For, Function, Stage, Stmt, Var, free, substitute, variables, walk, with_blocks
from stagegrad.names import count_reads
from stagegrad.ops import find
from stagegrad.passes.neighbours.facts import Facts
from stagegrad.passes.neighbours.parts import Part, Written, slow, work
from stagegrad.passes.neighbours.plan import ZEROS, Plan
from stagegrad.passes.neighbours.reading import part
from stagegrad.passes.neighbours.write import Writing

#: What may be computed anew for a cell in any case, in nanoseconds.
_AGAIN = 40.0
#: So many times what is computed once, in vector instructions, costs no more than once in others.
_LANES = 6.0


class Gathering:
    """One walk through a function, with what stands for the results of nests that were rewritten."""

    def __init__(self, function: Function) -> None:
        self.of = function
        self.now: dict[Var, Atom] = {}

    def function(self) -> Function:
        """The function with those nests rewritten for which it is worth it."""
        if not any(isinstance(stmt, For) for stmt in walk(self.of.body)):
            return self.of
        body = self.block(self.of.body)
        return replace(self.of, body=needed(body, keep_effects=True)) if self.now else self.of

    @cached_property
    def facts(self) -> Facts:
        return Facts(self.of)

    @cached_property
    def reads(self) -> Counter[Var]:
        """How often each value is read in the function."""
        return count_reads(self.of.body)

    @cached_property
    def roundings(self) -> Roundings:
        return Roundings(self.of)

    def block(self, block: Block) -> Block:
        """A block with its nests, and those of the blocks inside it, rewritten."""
        stmts = list[Stmt]()
        group = _Group()
        for stmt in block.stmts:
            found = part(stmt, self.facts) if isinstance(stmt, For) else None
            if found is not None and group.takes(found, self.facts):
                group.add(stmt, found)
            elif found is None and group.parts and group.lets_by(stmt):
                group.stmts.append(stmt)
            else:
                stmts += self.closed(group)
                group = _Group()
                if found is not None:
                    group.add(stmt, found)
                else:
                    stmts.append(self.other(stmt))
        stmts += self.closed(group)
        return Block(tuple(stmts), tuple(self.now.get(atom, atom) if isinstance(atom, Var) else atom for atom in block.results))

    def other(self, stmt: Stmt) -> Stmt:
        """A statement that is no nest of this kind."""
        changed = with_blocks(stmt, self.block)
        return substitute(Block((changed,)), self.now).stmts[0] if self.now else changed

    def closed(self, group: _Group) -> list[Stmt]:
        """What becomes of a group when nothing more joins it."""
        if not group.parts or not self.is_worth_it(group):
            return list(map(self.other, group.stmts))
        between = [self.other(stmt) for stmt in group.stmts if not isinstance(stmt, For)]
        writing = Writing(Plan(group.parts, self.facts, self.reads), self.facts.fresh, self.now)
        return between + writing.run()

    def is_worth_it(self, group: _Group) -> bool:
        """Is there something to gather, or a copy that need not be made? Then nothing may be lost by another order of sums."""
        if not any(map(_gathers, group.parts)) and not any(self.replaces(one, w) for one in group.parts for w in one.written):
            return False
        if not Plan(group.parts, self.facts, self.reads).is_possible():
            return False
        sums = {stage.out for one in group.parts for total in one.totals for stage, _ in total.stages}
        return not any(map(_is_dear, group.parts)) and (not sums or self.roundings.harmless(sums))

    def replaces(self, one: Part, written: Written) -> bool:
        """Does a nest replace the inner cells of a copy of the grid?"""
        made = self.facts.makers.get(written.entry) if isinstance(written.entry, Var) else None
        return made is not None and made.op == "duplicate" and self.reads[made.out] == 1 and any(map(any, one.margins))


@dataclass
class _Group:
    """Nests over one grid that may become one, and what stands between them."""

    stmts: list[Stmt] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    outs: dict[Var, Written | None] = field(default_factory=dict)

    def add(self, stmt: Stmt, found: Part) -> None:
        """Takes one more nest."""
        self.stmts.append(stmt)
        self.parts.append(found)
        self.outs |= {written.out: written for written in found.written} | {total.out: None for total in found.totals}

    def takes(self, found: Part, facts: Facts) -> bool:
        """Can a nest do its work for each cell behind that of the others, with what they leave of that cell alone?"""
        if not self.parts or found.grid != self.parts[0].grid:
            return False
        named = free(found.loop.body) & self.outs.keys()
        known = set[Var]()
        for load in found.loads():
            array = found.array_of(load)
            if isinstance(array, Var) and array in named:
                written = self.outs[array]
                if written is None or found.offset_of(load, written.place) != (0,) * len(found.grid) or any(map(any, _offsets(found))):
                    return False
                known.add(array)
        return named == known and all(self.goes_on(found, written) for written in found.written)

    def goes_on(self, found: Part, written: Written) -> bool:
        """May a nest write to an array as the group leaves it?"""
        if not isinstance(written.entry, Var) or written.entry not in self.outs:
            return True
        before = self.outs[written.entry]
        whole = all(isinstance(axis, int) for axis in written.place)
        return whole and before is not None and before.place == written.place and written.entry not in map(found.array_of, found.loads())

    def lets_by(self, stmt: Stmt) -> bool:
        """May a statement as well stand before the group: does it need nothing of it, and change nothing?"""
        if not isinstance(stmt, Stage) or stmt.op in ("store", "accumulate") or not self.outs.keys().isdisjoint(variables(stmt.args)):
            return False
        return not stmt.out.type.rank or stmt.op in _ROOM or find(stmt.op).view


_ROOM = ZEROS | {"empty_of", "duplicate", "copy"}


def _offsets(found: Part) -> list[tuple[int, ...]]:
    return [term.by for written in found.written for term in written.terms]


def _gathers(found: Part) -> bool:
    """Do several trips of a nest add to one cell?"""
    return any(written.adds and len({term.by for term in written.terms}) > 1 for written in found.written)


def _is_dear(found: Part) -> bool:
    """Would gathering cost too much, or is there what vector instructions cannot do, which it would repeat?"""
    if not _gathers(found):
        return False
    costs = [work(found, term) for written in found.written if written.adds for term in written.terms]
    return sum(costs) > _LANES * max(costs) + _AGAIN or slow(found)
