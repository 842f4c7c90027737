"""Elements of arrays that are written and never read again are not written; what only those writes needed is not computed.

    for i in range(n - 1, -1, -1):           for i in range(n - 1, -1, -1):
        x[i + 1] = x_tape[i]           ->
        dv = dy[i]                               dv = dy[i]
        dy[i] = 0.0
        dx[i] += ...                             dx[i] += ...

That is what a backward loop often does with what a forward loop has written: it puts back elements that no trip before wrote or read,
and clears the gradients of elements that it is done with. Without, such an array stays as it is, which compilers like better, and a
tape that was there to put elements back is not made.

`without_unread_writes` is ``Module -> Module``. Which trip reads what another wrote is told by how far their indices are apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from stagegrad.ir import (
    INT,
    Atom,
    Block,
    Carry,
    For,
    Function,
    Lit,
    Module,
    Stage,
    Stmt,
    Var,
    While,
    blocks,
    substitute,
    uses,
    walk,
    with_blocks,
)
from stagegrad.names import count_reads
from stagegrad.passes.versions import are_apart, versions

#: What does not look at elements.
_SIZES = frozenset({"size", "extent", "count", "zeros_like"})


@dataclass(frozen=True)
class _Moving:
    """An index that is a loop's and so many more, and never less than `least`, which is not negative."""

    loop: int
    by: int
    least: int


#: An index that is followed: a number, one that moves with a loop, or None for any other.
_Index: TypeAlias = "int | _Moving | None"


@dataclass(frozen=True)
class _Access:
    """A stage that reads or writes an element: where, in which loops (from the outermost), and after how many others in the text."""

    stage: Stage
    at: tuple[_Index, ...]
    loops: tuple[For | While, ...]
    order: int


def without_unread_writes(module: Module) -> Module:
    """The module whose loops write no element of an array that nobody reads afterwards."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    if not any(isinstance(stmt, For) and any(carry.var.type.rank for carry in stmt.carries) for stmt in walk(function.body)):
        return function
    unread = _Unread(function).stages()
    return replace(function, body=_without(function.body, unread)) if unread else function


class _Unread:
    """One look at a function."""

    def __init__(self, function: Function) -> None:
        self.of, self.reads = function, count_reads(function.body)
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.loops = {stmt.index: stmt for stmt in walk(function.body) if isinstance(stmt, For)}
        self.readers: dict[Atom, list[Stmt]] = {}
        for stmt in walk(function.body):
            for atom in uses(stmt):
                self.readers.setdefault(atom, []).append(stmt)

    def stages(self) -> dict[Var, Stage]:
        """The writes to elements that nobody reads afterwards, by their results."""
        loops = [stmt for stmt in walk(self.of.body) if isinstance(stmt, For)]
        carries = ((loop, carry) for loop in loops for carry in loop.carries if carry.var.type.rank)
        return {stage.out: stage for loop, carry in carries for stage in self.of_carry(loop, carry)}

    def of_carry(self, loop: For, carry: Carry) -> Iterator[Stage]:
        """Those of an array that a loop carries."""
        if self.looks_at(carry.out) is None:
            return
        found = versions(loop, carry)
        others = [result for result, other in zip(loop.body.results, loop.carries, strict=True) if other != carry]
        own = loop.body.results[loop.carries.index(carry)]
        if own not in found or not found.isdisjoint(others) or not are_apart(loop, found):
            return
        accesses = list(self.accesses(loop, found))
        if any(not self.is_access(access.stage, found) for access in accesses):
            return
        stores = [access for access in accesses if access.stage.op == "store"]
        reads = [access for access in accesses if access.stage.op != "store"]
        later = self.looks_at(carry.out) or []
        for store in stores:
            is_read = any(_reads_later(store, read) for read in reads) or any(not _are_never_one(store.at, at) for at in later)
            if not is_read:
                yield store.stage

    def looks_at(self, array: Var) -> list[tuple[_Index, ...]] | None:
        """Where an array is read; None where anything else is done with it than to read elements, or sections."""
        readers = self.readers.get(array, [])
        stages = [stmt for stmt in readers if isinstance(stmt, Stage) and stmt.op in ("load", *_SIZES) and self.is_access(stmt, {array})]
        if len(stages) < self.reads[array]:
            return None
        return [self.place(stage) for stage in stages if stage.op == "load"]

    def is_access(self, stage: Stage, arrays: set[Atom] | set[Var]) -> bool:
        """Does a stage do no more with some arrays than to read or write an element or a section?"""
        return stage.args[0] in arrays and arrays.isdisjoint(stage.args[1:]) and stage.op in ("load", "store", "accumulate", *_SIZES)

    def accesses(self, loop: For, found: set[Atom]) -> Iterator[_Access]:
        """What a trip does with the versions of an array."""
        count = 0

        def inside(block: Block, loops: tuple[For | While, ...]) -> Iterator[_Access]:
            nonlocal count
            for stmt in block.stmts:
                if isinstance(stmt, Stage) and not found.isdisjoint(stmt.args) and stmt.op not in _SIZES:
                    count += 1
                    yield _Access(stmt, self.place(stmt), loops, count)
                around = (*loops, stmt) if isinstance(stmt, (For, While)) else loops
                for inner in blocks(stmt):
                    yield from inside(inner, around)

        return inside(loop.body, (loop,))

    def place(self, stage: Stage) -> tuple[_Index, ...]:
        """Where a stage reads or writes, as far as that is followed."""
        if stage.op not in ("load", "store", "accumulate"):
            return ()
        attrs = dict(stage.attrs)
        at = str(attrs.get("at", "[{0}]"))
        if attrs.get("gather") or "][" in at or "..." in at or "None" in at:
            return ()
        return tuple(self.index(part.strip(), stage) for part in at[1:-1].split(","))

    def index(self, part: str, stage: Stage) -> _Index:
        """One part of a subscript: ``{0}`` is the stage's own first index."""
        if part.isdecimal():
            return int(part)
        if not part.startswith("{") or not part[1:-1].isdecimal():
            return None
        atom, by = stage.args[1 + int(part[1:-1])], 0
        while isinstance(atom, Var) and atom not in self.loops and atom in self.makers:
            match self.makers[atom]:
                case Stage(op="add" | "sub" as op, args=(before, Lit(int() as number))):
                    atom, by = before, by + (number if op == "add" else -number)
                case Stage(op="copy", args=(before,)) if before.type == INT:
                    atom = before
                case _:
                    return None
        if isinstance(atom, Lit):
            return atom.value + by if isinstance(atom.value, int) and atom.value + by >= 0 else None
        least = _least(self.loops[atom]) if atom in self.loops else None
        return _Moving(id(self.loops[atom]), by, least + by) if least is not None and least + by >= 0 else None


def _least(loop: For) -> int | None:
    """The least that a loop's index can be, as far as that is a fixed number."""
    step = loop.step.value if isinstance(loop.step, Lit) else 0
    last = loop.start if isinstance(step, int) and step > 0 else loop.stop
    if not isinstance(step, int) or not step or not isinstance(last, Lit) or not isinstance(last.value, int):
        return None
    return last.value + (step < 0)


def _are_never_one(first: tuple[_Index, ...], second: tuple[_Index, ...]) -> bool:
    """Do two accesses certainly mean different elements, whichever trips do them?"""
    return any(_is_never(one, other) or _is_never(other, one) for one, other in zip(first, second, strict=False))


def _is_never(one: _Index, other: _Index) -> bool:
    """Is a number certainly not what an index is?"""
    return isinstance(one, int) and ((isinstance(other, int) and one != other) or (isinstance(other, _Moving) and one < other.least))


def _reads_later(write: _Access, read: _Access) -> bool:
    """May what is written be read behind that, in the same trips of the loops around both, or in later ones?"""
    if _are_never_one(write.at, read.at):
        return False
    for loop, other in zip(write.loops, read.loops, strict=False):
        if loop is not other:
            break
        pairs = zip(write.at, read.at, strict=False)
        ahead = [
            one.by - two.by
            for one, two in pairs
            if isinstance(one, _Moving) and isinstance(two, _Moving) and one.loop == two.loop == id(loop)
        ]
        if not ahead or not isinstance(loop, For) or not isinstance(loop.step, Lit) or not isinstance(loop.step.value, int):
            return True
        if len(set(ahead)) > 1 or ahead[0] % loop.step.value:
            return False
        if ahead[0]:
            return ahead[0] // loop.step.value > 0
    return read.order > write.order


def _without(block: Block, unread: Mapping[Var, Stage]) -> Block:
    """The block without some writes."""
    instead: dict[Var, Atom] = {}
    for out, stage in unread.items():
        before = stage.args[0]
        while isinstance(before, Var) and before in unread:
            before = unread[before].args[0]
        instead[out] = before

    def kept(inner: Block) -> Block:
        stmts = (stmt for stmt in inner.stmts if not (isinstance(stmt, Stage) and stmt.out in unread))
        return replace(inner, stmts=tuple(with_blocks(stmt, kept) for stmt in stmts))

    return substitute(kept(block), instead)


__all__ = ["without_unread_writes"]
