"""What a nest of loops does to each cell of a grid, if it is a nest of that kind.

The grid has the axes of an array, and a loop of the nest runs along each of them, but for a fixed number of cells at either end. In a
trip, numbers are computed from the elements of arrays; they are stored at, or added to, cells that are as far from the trip's own in
every trip, or added to a total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TypeAlias

from stagegrad.ir import (
    BOOL,
    INT,
    Atom,
    Block,
    Carry,
    For,
    Function,
    If,
    Lit,
    Raise,
    Remark,
    Span,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    bound,
    literal_is,
    walk,
)
from stagegrad.names import count_reads
from stagegrad.ops import find
from stagegrad.shapes import Dim, dimensions

#: How far the cell that is meant is from the trip's own, along each axis of the grid.
Offset: TypeAlias = "tuple[int, ...]"
#: Of each axis of an array the axis of the grid, or a fixed index.
Place: TypeAlias = "tuple[int | Atom, ...]"

_WRITES = ("store", "accumulate")
_SIZES = frozenset({"extent", "size"})
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


class Facts:
    """What is known of the sizes of a function's arrays."""

    def __init__(self, function: Function) -> None:
        self.dims = dimensions(function)
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.choices = {out: stmt for stmt in walk(function.body) if isinstance(stmt, If) for out in stmt.outs}
        for stmt in takewhile(lambda stmt: not isinstance(stmt, (For, While)), function.body.stmts):
            if isinstance(stmt, Raise):
                self.learn(stmt.test)

    def learn(self, test: Atom) -> None:
        """Sizes that are compared before all loops, ``if len(x) != len(y): raise``, are equal in these."""
        made = self.makers.get(test) if isinstance(test, Var) else None
        match made or (self.choices.get(test) if isinstance(test, Var) else None):
            case Stage(op="ne", args=(first, second)):
                self.learn_equal(first, second)
            case Stage(op="or", args=(first, second)):
                self.learn(first)
                self.learn(second)
            case Stage(op="not", args=(Var() as inner,)) if inner in self.makers and self.makers[inner].op == "eq":
                self.learn_equal(*self.makers[inner].args)
            case If(test=first, then=then, orelse=Block(results=(second,))) if then.results == (Lit(True, BOOL),):  # ``first or second``
                self.learn(first)
                self.learn(second)
            case _:
                pass

    def learn_equal(self, first: Atom, second: Atom) -> None:
        """Two sizes that are equal."""
        one, other = self.size(first), self.size(second)
        if one and other and one[2] == other[2] and one[1] != other[1]:
            self.dims.unite(one[1], other[1])

    def of(self, array: Var) -> tuple[Dim, ...]:
        """The dimensions of an array; those of the same name are equal in every run."""
        return tuple(map(self.dims.equal, self.dims.shape(array)))

    def size(self, atom: Atom) -> tuple[Var, Dim, int] | None:
        """A number that is the size of an array, and so many more: (that size, its dimension, how many)."""
        if not isinstance(atom, Var):
            return None
        match self.makers.get(atom):
            case Stage(op="add" | "sub" as op, args=(first, Lit(int() as number))):
                found = self.size(first)
                return found and (found[0], found[1], found[2] + (number if op == "add" else -number))
            case Stage(op="copy", args=(first,)):
                return self.size(first)
            case _:
                return (atom, self.dims.equal(self.dims.sizes[atom]), 0) if atom in self.dims.sizes else None


def part(loop: For, facts: Facts) -> Part | None:
    """What a nest does to each cell; None for one that is not of that kind."""
    return _Reading(loop, facts).part()


@dataclass
class _Reading:
    """The reading of one nest, from the outermost loop to what is in the innermost."""

    loop: For
    facts: Facts
    levels: list[For] = field(default_factory=list)
    roots: dict[Var, int] = field(default_factory=dict)  # which carry of the outermost loop a carried value belongs to
    versions: dict[Var, int] = field(default_factory=dict)  # arrays as the writes of a trip leave them
    makers: dict[Var, Stage | If] = field(default_factory=dict)
    counted: dict[Var, tuple[int, int]] = field(default_factory=dict)
    writes: dict[int, list[Stage]] = field(default_factory=dict)
    reads: dict[int, list[Stage]] = field(default_factory=dict)

    def part(self) -> Part | None:
        """The nest, if all of it is understood."""
        self.inside = bound(self.loop.body) | {carry.var for carry in self.loop.carries} | {self.loop.index}
        stmts = self.straight()
        if stmts is None or not all(map(self.statement, stmts)):
            return None
        ranges = [self.range(level) for level in self.levels]
        self.grid = tuple(found[0] for found in ranges if found is not None)
        sizes = [size for found in ranges if found is not None and (size := self.outside(found[1])) is not None]
        self.margins = tuple(found[2] for found in ranges if found is not None)
        if len(sizes) < len(ranges):
            return None
        written, totals = list[Written](), list[Total]()
        for k, (carry, result) in enumerate(zip(self.loop.carries, self.ends(), strict=True)):
            if carry.var.type.rank:
                found = self.written(k, carry, result)
                if found is None:
                    return None
                written.append(found)
            else:
                total = self.total(k, carry, result)
                if total is None:
                    return None
                totals.append(total)
        entries = {var: self.loop.carries[k].init for var, k in self.roots.items() if var.type.rank}
        steps = tuple(1 if literal_is(level.step, 1) else -1 for level in self.levels)
        names = tuple(level.index.name or "ijklm"[axis] for axis, level in enumerate(self.levels))
        return Part(self.loop, self.grid, tuple(sizes), self.margins, steps, names, self.makers, self.counted, entries,
                    tuple(written), tuple(totals))  # fmt: skip

    # ------------------------------------------------------------------------------------------ loops

    def straight(self) -> list[Stmt] | None:
        """The statements of a trip, those of the outer loops before those inside; None where they are more than one loop in another."""
        level, stmts = self.loop, list[Stmt]()
        self.roots = {carry.var: k for k, carry in enumerate(level.carries)}
        while True:
            if level.until is not None or level.parallel or not any(literal_is(level.step, step) for step in (1, -1)):
                return None
            self.counted[level.index] = (len(self.levels), 0)
            self.levels.append(level)
            *before, last = level.body.stmts or (Remark(""),)
            if any(isinstance(stmt, For) for stmt in before):
                return None
            stmts += before
            if not isinstance(last, For):
                return [*stmts, last]
            if not self.threads(level, last):
                return None
            level = last

    def threads(self, level: For, inner: For) -> bool:
        """Does an inner loop carry on just what the one around it carries?"""
        inits = {carry.init: carry for carry in inner.carries}
        if len(inits) < len(inner.carries) or {*inits} != {carry.var for carry in level.carries}:
            return False
        self.roots.update((carry.var, self.roots[init]) for init, carry in inits.items() if isinstance(init, Var))
        return all(inits[carry.var].out == result for carry, result in zip(level.carries, level.body.results, strict=True))

    def ends(self) -> list[Atom]:
        """What a trip leaves of each carry of the outermost loop."""
        last = self.levels[-1]
        found = {self.roots[carry.var]: result for carry, result in zip(last.carries, last.body.results, strict=True)}
        return [found[k] for k in range(len(self.loop.carries))]

    def range(self, level: For) -> tuple[Dim, Var, tuple[int, int]] | None:
        """The axis that a loop runs along, and how many cells it leaves out at either end."""
        first, last, more = (level.start, level.stop, 0) if literal_is(level.step, 1) else (level.stop, level.start, 1)
        size = self.facts.size(last)
        if size is None or not isinstance(first, Lit) or not isinstance(first.value, int):
            return None
        before, behind = first.value + more, -(size[2] + more)
        return (size[1], size[0], (before, behind)) if before >= 0 and behind >= 0 else None

    def outside(self, size: Var) -> Stage | Var | None:
        """A size as it is known outside of the nest."""
        if size not in self.inside:
            return size
        made = self.facts.makers[size]
        args = tuple(self.loop.carries[self.roots[arg]].init if isinstance(arg, Var) and arg in self.roots else arg for arg in made.args)
        return None if not self.inside.isdisjoint(args) else replace(made, args=args)

    # ------------------------------------------------------------------------------------------ statements

    def statement(self, stmt: Stmt) -> bool:
        """Takes note of a statement of a trip; is it one that may be there?"""
        match stmt:
            case Remark():
                return True
            case Stage(op=op, args=(Var() as array, *_)) if op in _WRITES:
                root = self.root(array)
                if root is None:
                    return False
                self.writes.setdefault(root, []).append(stmt)
                self.versions[stmt.out] = root
                return True
            case Stage() | If():
                return all(map(self.is_pure, walk(Block((stmt,)))))
            case _:
                return False

    def root(self, array: Atom) -> int | None:
        if not isinstance(array, Var):
            return None
        return self.versions.get(array, self.roots.get(array))

    def count(self, stmt: Stage | If) -> None:
        """Notes an index that is another and so many cells."""
        match stmt:
            case Stage(op="add" | "sub" as op, args=(Var() as first, Lit(int() as number))) if first in self.counted:
                axis, by = self.counted[first]
                self.counted[stmt.out] = axis, by + (number if op == "add" else -number)
            case Stage(op="add", args=(Lit(int() as number), Var() as second)) if second in self.counted:
                axis, by = self.counted[second]
                self.counted[stmt.out] = axis, by + number
            case _:
                pass

    def is_pure(self, stmt: Stmt) -> bool:
        """Does a statement only compute numbers, of arrays as the trip finds them?"""
        if isinstance(stmt, Remark):
            return True
        if not isinstance(stmt, (Stage, If)) or any(out.type.rank for out in binds(stmt)):
            return False
        self.makers.update(dict.fromkeys(binds(stmt), stmt))
        self.count(stmt)
        return isinstance(stmt, If) or self.reads_elements(stmt)

    def reads_elements(self, stmt: Stage) -> bool:
        """Does a stage read nothing of arrays but elements that are as the trip finds them, and sizes?"""
        arrays = [arg for arg in stmt.args if arg.type.rank]
        if not arrays:
            return True
        if stmt.op in _SIZES:
            return arrays[0] not in self.inside
        array = arrays[0]
        if stmt.op != "load" or not isinstance(array, Var) or array in self.versions or not _is_element(stmt):
            return False
        if array in self.roots:
            self.reads.setdefault(self.roots[array], []).append(stmt)
        return True

    # ------------------------------------------------------------------------------------------ what it leaves

    def written(self, k: int, carry: Carry, result: Atom) -> Written | None:
        """An array that the nest writes to; None where a cell might need what another has left there."""
        writes, reads = self.writes.get(k, []), self.reads.get(k, [])
        if carry.var.type.kind != "float" or not writes or result != writes[-1].out or not all(map(_is_element, writes)):
            return None
        places = [self.place(stage.args[1:-1]) for stage in writes]
        if any(found is None for found in places) or len({found[0] for found in places if found}) > 1:
            return None
        terms = tuple(
            Term(stage.args[-1], found[1], stage.note, stage.span) for stage, found in zip(writes, places, strict=True) if found is not None
        )
        adds = all(stage.op == "accumulate" for stage in writes)
        same = all(read.args[1:] == writes[0].args[1:-1] for read in reads)
        if not (adds and not reads) and not (len(writes) == 1 and not adds and same):
            return None
        element = carry.var.type.kind, carry.var.type.bits
        if any((term.value.type.kind, term.value.type.bits) != element for term in terms):
            return None
        place = places[0][0] if places[0] else ()
        return Written(carry.init, carry.out, place, terms, adds) if self.are_there(carry.var, place, terms) else None

    def place(self, indices: tuple[Atom, ...]) -> tuple[Place, Offset] | None:
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

    def are_there(self, array: Var, place: Place, terms: tuple[Term, ...]) -> bool:
        """Are all cells that it writes to certainly on the grid, counted from the front, and is the array as large as the grid?"""
        dims = self.facts.of(array)
        if any(isinstance(axis, int) and dims[k] != self.grid[axis] for k, axis in enumerate(place)):
            return False
        ahead = [(before + by, behind - by) for term in terms for (before, behind), by in zip(self.margins, term.by, strict=True)]
        return all(before >= 0 and behind >= 0 for before, behind in ahead)

    def total(self, k: int, carry: Carry, result: Atom) -> Total | None:
        """A number that trips do nothing with but add to it; None where they do more."""
        start = next(var for var, root in reversed(self.roots.items()) if root == k)
        reads = count_reads(self.levels[-1].body)
        found = list[tuple[Stage, Atom]]()
        now = result
        while now != start:
            stage = self.makers.get(now) if isinstance(now, Var) else None
            if not isinstance(stage, Stage) or stage.op not in ("add", "sub") or stage.out.type.kind != "float" or reads[stage.out] != 1:
                return None
            first, second = stage.args
            ahead = stage.op == "add" and (second == start or self.leads(second, start))
            found.append((stage, first if ahead else second))
            now = second if ahead else first
        return Total(carry.init, carry.out, tuple(reversed(found))) if found and reads[start] == 1 else None

    def leads(self, atom: Atom, start: Var) -> bool:
        """Is an operand the sum so far?"""
        stage = self.makers.get(atom) if isinstance(atom, Var) else None
        return isinstance(stage, Stage) and stage.op in ("add", "sub") and any(arg == start or self.leads(arg, start) for arg in stage.args)


def _is_element(stage: Stage) -> bool:
    """Does a stage read or write one element, at an index for each axis?"""
    attrs = dict(stage.attrs)
    indices = stage.args[1:] if stage.op == "load" else stage.args[1:-1]
    at = str(attrs.get("at", "[{0}]"))
    every = f"[{', '.join(f'{{{k}}}' for k in range(stage.args[0].type.rank))}]"
    return at == every and len(indices) == stage.args[0].type.rank and all(index.type == INT for index in indices)


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
