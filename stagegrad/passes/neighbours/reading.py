"""Reads a nest of loops as what it does to each cell of a grid; what is not certainly such a nest is none.

An element that a trip reads and writes at one place is a number there: it is followed through the trip as a variable would be. What a
branch adds is the number itself or nothing, as its test says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from stagegrad.ir import INT, Atom, Block, Carry, For, If, Lit, Remark, Stage, Stmt, Type, Var, bound, free, literal_is
from stagegrad.names import count_reads
from stagegrad.passes.neighbours.facts import Facts
from stagegrad.passes.neighbours.parts import Offset, Part, Place, Term, Total, Written
from stagegrad.shapes import Dim

#: The tests that a statement inside branches stands behind, and whether they hold there.
Guards: TypeAlias = "tuple[tuple[Atom, bool], ...]"

#: What a loop runs over: a dimension, how many cells it has, and how many of them are left out at either end.
_Range: TypeAlias = "tuple[Dim, Stage | Var, tuple[int, int]]"

_WRITES = ("store", "accumulate")
_SIZES = frozenset({"extent", "size"})


def part(loop: For, facts: Facts) -> Part | None:
    """What a nest does to each cell; None for one that is not of that kind."""
    return _Reading(loop, facts).part()


@dataclass
class _Array:
    """What a trip does with an array that it writes to: where it reads and writes, what it adds, and what it makes of one element."""

    places: list[tuple[Atom, ...]] = field(default_factory=list)
    added: list[tuple[Stage, Guards]] = field(default_factory=list)
    last: Stage | None = None
    only_adds: bool = True
    stages: list[Var] = field(default_factory=list)  # what follows the element through the trip


@dataclass
class _Reading:
    """The reading of one nest, from the outermost loop to what is in the innermost."""

    loop: For
    facts: Facts
    levels: dict[int, list[For]] = field(default_factory=dict)  # the loops along each axis
    leaves: list[int] = field(default_factory=list)  # how deep the innermost loops are
    ends: dict[int, Atom] = field(default_factory=dict)  # what a trip leaves of each carry of the outermost loop
    roots: dict[Var, int] = field(default_factory=dict)  # which carry of the outermost loop a carried value belongs to
    versions: dict[Var, int] = field(default_factory=dict)  # arrays as the writes of a trip leave them
    values: dict[Var, Atom] = field(default_factory=dict)  # of these, the element that is read and written
    arrays: dict[int, _Array] = field(default_factory=dict)
    makers: dict[Var, Stage | If] = field(default_factory=dict)
    counted: dict[Var, tuple[int, int]] = field(default_factory=dict)

    def part(self) -> Part | None:
        """The nest, if all of it is understood."""
        self.inside = bound(self.loop.body) | {carry.var for carry in self.loop.carries} | {self.loop.index}
        self.roots = {carry.var: k for k, carry in enumerate(self.loop.carries)}
        stmts = self.collect(self.loop, 0)
        if stmts is None or len({*self.leaves}) > 1 or not all(self.statement(stmt, ()) for stmt in stmts):
            return None
        ranges = [found for depth, loops in self.levels.items() if (found := self.common(loops, self.wanted(depth))) is not None]
        sizes = [size for _, found, _ in ranges if (size := self.outside(found)) is not None]
        if len(sizes) < len(self.levels):
            return None
        self.grid, self.margins = tuple(dim for dim, _, _ in ranges), tuple(margin for _, _, margin in ranges)
        left = self.left()
        if left is None:
            return None
        entries = {var: self.loop.carries[k].init for var, k in self.roots.items() if var.type.rank}
        steps = tuple(map(self.step, self.levels))
        names = tuple(loops[0].index.name or "ijklm"[axis] for axis, loops in self.levels.items())
        return Part(self.loop, self.grid, tuple(sizes), self.margins, steps, names, self.makers, self.counted, entries, *left)

    # ------------------------------------------------------------------------------------------ loops

    def collect(self, loop: For, depth: int) -> list[Stmt] | None:
        """The statements of a trip of a loop, with those of the loops in it; None where these are not loops side by side."""
        if loop.until is not None or loop.parallel or not any(literal_is(loop.step, step) for step in (1, -1)):
            return None
        self.counted[loop.index] = (depth, 0)
        self.levels.setdefault(depth, []).append(loop)
        stmts = list[Stmt]()
        inner = [stmt for stmt in loop.body.stmts if isinstance(stmt, For)]
        if not inner:
            self.ends.update((self.roots[carry.var], result) for carry, result in zip(loop.carries, loop.body.results, strict=True))
            self.leaves.append(depth)
            return list(loop.body.stmts)
        if not self.threads(loop, inner):
            return None
        for stmt in loop.body.stmts:
            found = self.collect(stmt, depth + 1) if isinstance(stmt, For) else [stmt]
            if found is None:
                return None
            stmts += found
        return stmts

    def threads(self, loop: For, inner: Sequence[For]) -> bool:
        """Do the loops in another carry on just what that one carries, each a share of its own, and need nothing else of each other?"""
        carries = {carry.init: carry for one in inner for carry in one.carries}
        if len(carries) < sum(len(one.carries) for one in inner) or {*carries} != {carry.var for carry in loop.carries}:
            return False
        self.roots.update((carry.var, self.roots[init]) for init, carry in carries.items() if isinstance(init, Var))
        outs = {carry.out for carry in carries.values()}
        if any(not outs.isdisjoint(free(Block((stmt,)))) for stmt in loop.body.stmts):
            return False
        return all(carries[carry.var].out == result for carry, result in zip(loop.carries, loop.body.results, strict=True))

    def step(self, depth: int) -> int:
        """Which way the trips go along an axis: those that write to arrays."""
        writing = [loop for loop in self.levels[depth] if any(carry.var.type.rank for carry in loop.carries)]
        return 1 if literal_is((writing or self.levels[depth])[0].step, 1) else -1

    def wanted(self, depth: int) -> set[Dim]:
        """The dimensions that arrays have along the axis of a loop in which they are written to."""
        return {
            self.facts.of(self.loop.carries[k].var)[axis]
            for k, known in self.arrays.items()
            for axis, index in enumerate(known.places[0] if known.last is not None else ())
            if isinstance(index, Var) and self.counted.get(index, (-1, 0))[0] == depth
        }

    def common(self, loops: Sequence[For], wanted: set[Dim]) -> _Range | None:
        """What all loops along an axis run over."""
        found = [self.range(loop, wanted) for loop in loops]
        first = found[0]
        alike = first is not None and all(other is not None and (other[0], other[2]) == (first[0], first[2]) for other in found)
        return first if alike else None

    def range(self, level: For, wanted: set[Dim]) -> _Range | None:
        """The axis that a loop runs along, and how many cells it leaves out at either end.

        What is written to may be longer than what the loop counts: ``u = zeros(n + 2)`` and ``for i in range(1, n + 1)``.
        """
        first, last, more = (level.start, level.stop, 0) if literal_is(level.step, 1) else (level.stop, level.start, 1)
        size = self.facts.size(last)
        if size is None or not isinstance(first, Lit) or not isinstance(first.value, int):
            return None
        count, dim, ahead = size
        whole: Stage | Var = count
        other = next(iter(wanted)) if len(wanted) == 1 else dim
        if other != dim and (dim, other) in self.facts.longer:
            by = self.facts.longer[dim, other]
            whole = Stage(self.facts.fresh.var("", INT), "add", (count, Lit(by, INT)))
            dim, ahead = other, ahead - by
        before, behind = first.value + more, -(ahead + more)
        return (dim, whole, (before, behind)) if before >= 0 and behind >= 0 else None

    def outside(self, size: Stage | Var) -> Stage | Var | None:
        """A size as it is known outside of the nest."""
        if isinstance(size, Stage):
            return size if self.inside.isdisjoint(size.args) else None
        if size not in self.inside:
            return size
        made = self.facts.makers[size]
        args = tuple(self.loop.carries[self.roots[arg]].init if isinstance(arg, Var) and arg in self.roots else arg for arg in made.args)
        return None if not self.inside.isdisjoint(args) else replace(made, args=args)

    # ------------------------------------------------------------------------------------------ statements

    def statement(self, stmt: Stmt, guards: Guards) -> bool:
        """Takes note of a statement of a trip; is it one that may be there?"""
        match stmt:
            case Remark():
                return True
            case Stage(op=op) if op in _WRITES:
                return self.write(stmt, guards)
            case Stage():
                self.makers[stmt.out] = stmt
                self.count(stmt)
                return not stmt.out.type.rank and self.is_number(stmt)
            case If():
                return self.branch(stmt, guards)
            case _:
                return False

    def count(self, stage: Stage) -> None:
        """Notes an index that is another and so many cells."""
        match stage:
            case Stage(op="add" | "sub" as op, args=(Var() as first, Lit(int() as number))) if first in self.counted:
                axis, by = self.counted[first]
                self.counted[stage.out] = axis, by + (number if op == "add" else -number)
            case Stage(op="add", args=(Lit(int() as number), Var() as second)) if second in self.counted:
                axis, by = self.counted[second]
                self.counted[stage.out] = axis, by + number
            case _:
                pass

    def is_number(self, stage: Stage) -> bool:
        """Does a stage read nothing of arrays but elements and sizes?"""
        arrays = [arg for arg in stage.args if isinstance(arg, Var) and arg.type.rank]
        if not arrays:
            return True
        array = arrays[0]
        if stage.op in _SIZES:
            return array not in self.inside
        if stage.op != "load" or not _is_element(stage):
            return False
        root = self.root(array)
        if root is not None:
            known = self.arrays.setdefault(root, _Array())
            known.only_adds = False
            known.places.append(stage.args[1:])
            if array in self.values:
                self.makers[stage.out] = replace(stage, op="copy", args=(self.values[array],), attrs=())
        return True

    def root(self, array: Atom) -> int | None:
        """Which of the arrays that the nest carries it is."""
        return self.versions.get(array, self.roots.get(array)) if isinstance(array, Var) else None

    def write(self, stage: Stage, guards: Guards) -> bool:
        """Takes note of a write."""
        array, *indices, value = stage.args
        root = self.root(array)
        if root is None or not _is_element(stage) or value.type != replace(array.type, rank=0) or array.type.kind != "float":
            return False
        known = self.arrays.setdefault(root, _Array())
        known.places.append(tuple(indices))
        known.last = stage
        self.versions[stage.out] = root
        if stage.op == "accumulate":
            known.added.append((stage, guards))
            value = self.follow(
                known, Stage(self.number(value.type), "add", (self.element(array, known), value), (), stage.note, stage.span)
            )
        else:
            known.only_adds = False
        self.values[stage.out] = value
        return True

    def element(self, array: Atom, known: _Array) -> Atom:
        """The element of an array that the trip reads and writes, as it is there."""
        if isinstance(array, Var) and array in self.values:
            return self.values[array]
        indices = known.places[0]
        at = f"[{', '.join(f'{{{k}}}' for k in range(len(indices)))}]"
        out = self.number(replace(array.type, rank=0))
        return self.follow(known, Stage(out, "load", (array, *indices), (("at", at), ("rank", 0))))

    def follow(self, known: _Array, made: Stage | If) -> Var:
        """Takes note of a number that the trip computes where the text speaks of an element."""
        out = made.out if isinstance(made, Stage) else made.outs[0]
        self.makers[out] = made
        known.stages.append(out)
        return out

    def number(self, type_: Type) -> Var:
        return self.facts.fresh.var("", type_)

    def branch(self, stmt: If, guards: Guards) -> bool:
        """Takes note of a branch, and of what its arms write."""
        for arm, holds in ((stmt.then, True), (stmt.orelse, False)):
            if not all(self.statement(inner, (*guards, (stmt.test, holds))) for inner in arm.stmts):
                return False
        for out, then, orelse in zip(stmt.outs, stmt.then.results, stmt.orelse.results, strict=True):
            if not out.type.rank:
                self.makers[out] = stmt
                known = [result for result in (then, orelse) if not (isinstance(result, Lit) and result.value is None)]
                if len(known) == 1 and isinstance(known[0], Var) and known[0] in self.counted:
                    self.counted[out] = self.counted[known[0]]  # an index that only one arm knows: only where it does is it read
                continue
            root = self.root(then)
            if root is None or root != self.root(orelse) or root not in self.arrays:
                return False
            array = self.arrays[root]
            arms = [Block((), (self.element(result, array),)) for result in (then, orelse)]
            self.versions[out] = root
            self.values[out] = self.follow(
                array, If(stmt.test, arms[0], arms[1], (self.number(replace(out.type, rank=0)),), span=stmt.span)
            )
        return True

    # ------------------------------------------------------------------------------------------ what it leaves

    def left(self) -> tuple[tuple[Written, ...], tuple[Total, ...]] | None:
        """What the nest leaves of all that it carries."""
        written, totals = list[Written](), list[Total]()
        for k, carry in enumerate(self.loop.carries):
            result = self.ends[k]
            found = self.written(k, carry, result) if carry.var.type.rank else self.total(k, carry, result)
            if found is None:
                return None
            if isinstance(found, Written):
                written.append(found)
            else:
                totals.append(found)
        return tuple(written), tuple(totals)

    def written(self, k: int, carry: Carry, result: Atom) -> Written | None:
        """An array that the nest writes to; None where a cell might need what another has left there."""
        known = self.arrays.get(k)
        if known is None or known.last is None or self.root(result) != k or not isinstance(result, Var):
            return None
        places = [found for indices in known.places if (found := self.place(indices)) is not None]
        if len(places) < len(known.places) or len({place for place, _ in places}) > 1:
            return None
        place, by = places[0]
        if known.only_adds:
            for out in known.stages:
                del self.makers[out]
            events = zip(known.added, places, strict=True)
            terms = [Term(self.guarded(stage.args[-1], guards), by, stage.note, stage.span) for (stage, guards), (_, by) in events]
        else:
            if len(set(places)) > 1:
                return None
            terms = [Term(self.values[result], by, known.last.note, known.last.span)]
        made = Written(carry.init, carry.out, place, tuple(terms), known.only_adds)
        return made if self.are_there(carry.var, made) else None

    def guarded(self, value: Atom, guards: Guards) -> Atom:
        """The value where these tests hold, or not, as they say; nothing elsewhere."""
        for test, holds in reversed(guards):
            arms = [Block((), (value,)), Block((), (Lit(0.0, value.type),))]
            out = self.number(value.type)
            self.makers[out] = If(test, arms[not holds], arms[holds], (out,))
            value = out
        return value

    def place(self, indices: Sequence[Atom]) -> tuple[Place, Offset] | None:
        """Where an element lies: the axes of the grid, each of them once, and fixed indices."""
        axes, by = list[int | Atom](), dict[int, int]()
        for index in indices:
            if isinstance(index, Var) and index in self.counted:
                axis, ahead = self.counted[index]
                if axis in by:
                    return None
                by[axis] = ahead
                axes.append(axis)
            elif index in self.inside:
                return None
            else:
                axes.append(index)
        return (tuple(axes), tuple(by[axis] for axis in sorted(by))) if len(by) == len(self.levels) else None

    def are_there(self, array: Var, written: Written) -> bool:
        """Are all cells that it writes to certainly on the grid, counted from the front, and is the array as large as the grid?"""
        dims = self.facts.of(array)
        if any(isinstance(axis, int) and dims[k] != self.grid[axis] for k, axis in enumerate(written.place)):
            return False
        ahead = [(before + by, behind - by) for term in written.terms for (before, behind), by in zip(self.margins, term.by, strict=True)]
        return all(before >= 0 and behind >= 0 for before, behind in ahead)

    # ------------------------------------------------------------------------------------------ totals

    def total(self, k: int, carry: Carry, result: Atom) -> Total | None:
        """A number that trips do nothing with but add to it; None where they do more."""
        start = next(var for var, root in reversed(self.roots.items()) if root == k)
        self.carrying: set[Atom] = {start}
        for out, made in self.makers.items():
            if self.carrying.intersection(made.args if isinstance(made, Stage) and made.op in ("add", "sub") else _results(made, out)):
                self.carrying.add(out)
        self.used = Counter[Atom]({result: 1})
        found = self.chain(result, set(self.makers), ())
        if found is None or not found[0] or found[1] != start or carry.var.type.kind != "float":
            return None
        reads = sum((count_reads(loop.body) for loop in self.levels[self.leaves[0]]), Counter[Var]())
        alone = all(reads[var] == count for var, count in self.used.items() if isinstance(var, Var))
        return Total(carry.init, carry.out, tuple(found[0])) if alone else None

    def chain(self, now: Atom, inside: set[Var], guards: Guards) -> tuple[list[tuple[Stage, Atom]], Atom] | None:
        """What is added to a total on its way to `now`, and where the way begins: at a value that is not one of these."""
        found = list[tuple[Stage, Atom]]()
        while isinstance(now, Var) and now in inside:
            made = self.makers.get(now)
            if isinstance(made, If):
                before = self.through(made, now, guards)
                if before is None:
                    return None
                found[:0], now = before
            elif isinstance(made, Stage) and made.op in ("add", "sub"):
                first, second = made.args
                if (first in self.carrying) == (second in self.carrying) or (made.op == "sub" and second in self.carrying):
                    return None
                total, value = (first, second) if first in self.carrying else (second, first)
                found.insert(0, (made, self.guarded(value, guards)))
                self.used[total] += 1
                now = total
            else:
                return None
        return found, now

    def through(self, stmt: If, out: Var, guards: Guards) -> tuple[list[tuple[Stage, Atom]], Atom] | None:
        """What the arms of a branch add to a total, and what it was before."""
        found, begins = list[tuple[Stage, Atom]](), set[Atom]()
        for arm, holds in ((stmt.then, True), (stmt.orelse, False)):
            result = arm.results[stmt.outs.index(out)]
            self.used[result] += 1
            added = self.chain(result, bound(arm), (*guards, (stmt.test, holds)))
            if added is None:
                return None
            found += added[0]
            begins.add(added[1])
        return (found, begins.pop()) if len(begins) == 1 else None


def _results(made: Stage | If, out: Var) -> tuple[Atom, ...]:
    """What a value may be that a branch chooses."""
    if isinstance(made, Stage):
        return ()
    k = made.outs.index(out)
    return made.then.results[k], made.orelse.results[k]


def _is_element(stage: Stage) -> bool:
    """Does a stage read or write one element, at an index for each axis?"""
    attrs = dict(stage.attrs)
    indices = stage.args[1:] if stage.op == "load" else stage.args[1:-1]
    at = str(attrs.get("at", "[{0}]"))
    every = f"[{', '.join(f'{{{k}}}' for k in range(stage.args[0].type.rank))}]"
    return at == every and len(indices) == stage.args[0].type.rank and all(index.type == INT for index in indices)
