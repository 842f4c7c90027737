"""An element that a loop computes in place, trip by trip, is a number while the loop runs.

    for k in range(j):                    ->    aij = a[i, j]
        a[i, j] -= a[i, k] * a[j, k]            for k in range(j):
                                                    aij -= a[i, k] * a[j, k]
                                                a[i, j] = aij

The backward pass then has one write to undo, not one for each trip. This takes a proof that nothing else that the loop reads is that
element: here, that k is less than j. And the element must be asked for beside the loop too, or be there for certain: a loop without
trips asks for nothing. Several elements of one array, ``f[i, 0] += ...; f[i, 1] += ...``, are as many numbers.

What is written to an element that is written again, ``a[i, j] = s; a[i, j] = a[i, j] / d``, is not written the first time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stagegrad.bounds import uncertain
from stagegrad.ir import (
    INT,
    Atom,
    Block,
    Carry,
    For,
    Fresh,
    Function,
    Lit,
    Module,
    Stage,
    Stmt,
    Var,
    binds,
    bound,
    read,
    rename,
    substitute,
    variables,
    walk,
    with_blocks,
)
from stagegrad.names import count_reads

#: What may stand between a loop and what asks for its element: it raises nothing before that does.
_QUIET = frozenset({"add", "sub", "mul", "neg", "copy", "load", "store"})


def elements_as_numbers(module: Module) -> Module:
    """The module with a number in place of each element that a loop computes in place."""
    return Module(tuple(_Elements(function).done() for function in module.functions))


@dataclass(frozen=True)
class _InPlace:
    """What a trip does to an array: it reads some `elements`, writes each behind that, and reads others that lie apart from them."""

    elements: tuple[Stage, ...]
    writes: tuple[Stage, ...]  # the last one of each element
    versions: frozenset[Var]  # of the array


class _Elements:
    """One walk through a function, innermost loops first."""

    def __init__(self, function: Function) -> None:
        self.function, self.fresh = function, Fresh(function)
        self.indices = _Indices(function)

    def done(self) -> Function:
        loops = [stmt for stmt in walk(self.function.body) if isinstance(stmt, For)]
        if not any(isinstance(stmt, Stage) and stmt.op == "store" for loop in loops for stmt in loop.body.stmts):
            return self.function
        stages = {id(stmt) for stmt in walk(self.function.body) if isinstance(stmt, Stage)}
        self.certain = stages - set(map(id, uncertain(self.function, beside_loops=True)))  # what these ask for is there
        return replace(self.function, body=self.block(self.function.body))

    def block(self, block: Block) -> Block:
        stmts: list[Stmt] = []
        for position, stmt in enumerate(block.stmts, 1):
            stmt = with_blocks(stmt, self.block)
            if isinstance(stmt, For) and stmt.until is None:
                stmts += self.loop(stmt, stmts, block.stmts[position:])
            else:
                stmts.append(stmt)
        return self.written_once(replace(block, stmts=tuple(stmts)))

    def written_once(self, block: Block) -> Block:
        """The block without the writes to elements that it writes again, and reads in between only from them."""
        shorter = self.shorter(block)
        while shorter is not None:
            block, shorter = shorter, self.shorter(shorter)
        return block

    def shorter(self, block: Block) -> Block | None:
        """The block without such writes, those whose readers stay as they are; None where there are no such writes."""
        writes = [stmt for stmt in block.stmts if isinstance(stmt, Stage) and stmt.op == "store"]
        if len(writes) < 2:
            return None
        counts = count_reads(block)
        users: dict[Atom, list[Stage]] = {}
        for stage in (stmt for stmt in block.stmts if isinstance(stmt, Stage)):
            for atom in dict.fromkeys(stage.args):
                users.setdefault(atom, []).append(stage)
        mapping: dict[Var, Atom] = {}
        gone: set[int] = set()
        changed: set[int] = set()
        for first in writes:
            readers = [stmt for stmt in users.get(first.out, ()) if stmt.args[0] == first.out]
            if counts[first.out] != len(readers) or not changed.isdisjoint(map(id, (first, *readers))):
                continue
            same = self.overwritten(first, readers)
            if same is not None:
                mapping |= {first.out: first.args[0], **{stmt.out: first.args[-1] for stmt in same}}
                gone.update(map(id, (first, *same)))
                changed.update(id(user) for var in (first.out, *(stmt.out for stmt in same)) for user in users.get(var, ()))
        kept = tuple(stmt for stmt in block.stmts if id(stmt) not in gone)
        return substitute(Block(kept, block.results), mapping) if mapping else None

    def overwritten(self, first: Stage, readers: Sequence[Stage]) -> list[Stage] | None:
        """What reads an element that is written, if the last of its array's readers writes it again and the others lie apart."""
        *reads, second = readers or [first]
        where, type_ = _axes(first), first.args[-1].type
        if second.op != "store" or _axes(second) != where or where is None:
            return None
        same = [stmt for stmt in reads if _axes(stmt) == where and stmt.out.type == type_]
        others = [axes for stmt in reads if stmt not in same and (axes := _axes(stmt)) is not None]
        apart = len(same) + len(others) == len(reads) and all(self.indices.differ(axes, where) for axes in others)
        return same if apart and second.args[-1].type == type_ else None

    def loop(self, loop: For, before: Sequence[Stmt], after: Sequence[Stmt]) -> list[Stmt]:
        """The loop with a number for the element of each array that it computes in place; around it, what reads and writes them."""
        first: list[Stmt] = []
        last: list[Stage] = []
        for carry in loop.carries:
            place = loop.carries.index(carry)
            found = self.in_place(loop, place)
            if found is None or not isinstance(carry.init, Var):
                continue
            if all(self.is_asked(before, after, carry, element) for element in found.elements):
                numbers = [Carry(*(self.fresh.like(element.out) for _ in range(3))) for element in found.elements]
                now = carry.init
                for element, write, number in zip(found.elements, found.writes, numbers, strict=True):
                    index = element.args[1:]
                    assert isinstance(number.init, Var)
                    first.insert(0, replace(element, out=number.init, args=(carry.init, *index)))  # what is read last is written first
                    last.append(replace(write, out=self.fresh.like(carry.out), args=(now, *index, number.out)))
                    now = last[-1].out
                last[-1] = replace(last[-1], out=carry.out)
                loop = self.as_numbers(loop, place, found, numbers)
        return [*first, loop, *last]

    def is_asked(self, before: Sequence[Stmt], after: Sequence[Stmt], carry: Carry, element: Stage) -> bool:
        """Is an element there for certain, or asked for beside the loop?"""
        assert isinstance(carry.init, Var)
        certain = id(element) in self.certain or _asked(before, carry.init, element)
        return certain or _asked_first(after, carry.out, element)

    def in_place(self, loop: For, place: int) -> _InPlace | None:
        """What a loop does to an array that it carries, if that is to compute some elements in place."""
        array = loop.carries[place].var
        inside = {*bound(loop.body), loop.index, *(carry.var for carry in loop.carries)}
        versions, accesses = [array], list[Stage]()
        for stmt in loop.body.stmts if array.type.rank else ():
            if read(Block((stmt,))).isdisjoint(versions):
                continue
            if not isinstance(stmt, Stage) or _axes(stmt) is None or stmt.args[0] != versions[-1] or stmt.args[-1] in versions:
                return None
            accesses.append(stmt)
            if stmt.op == "store":
                versions.append(stmt.out)
        ends = [result for result in loop.body.results if result in versions]
        if len(versions) == 1 or ends != versions[-1:] or loop.body.results[place] != versions[-1]:
            return None
        writes = {where: stage for stage in accesses if stage.op == "store" and (where := _axes(stage)) is not None}
        elements = [next(stage for stage in accesses if _axes(stage) == where) for where in writes]
        if any(stage.op != "load" or not inside.isdisjoint(variables(where)) for where, stage in zip(writes, elements, strict=True)):
            return None
        types = {where: stage.out.type for where, stage in zip(writes, elements, strict=True)}
        same = all(stage.args[-1].type == types[where] for stage in accesses if stage.op == "store" and (where := _axes(stage)) is not None)
        places = [*writes, *dict.fromkeys(where for stage in accesses if (where := _axes(stage)) is not None and where not in writes)]
        apart = all(self.indices.differ(one, other) for k, one in enumerate(places[: len(writes)]) for other in places[k + 1 :])
        return _InPlace(tuple(elements), tuple(writes.values()), frozenset(versions)) if same and apart else None

    def as_numbers(self, loop: For, place: int, found: _InPlace, numbers: Sequence[Carry]) -> For:
        """The loop that carries numbers for the elements, and reads the others of the array that it began with."""
        array = loop.carries[place]
        mapping: dict[Var, Atom] = {}
        now: dict[tuple[Atom, ...] | None, Atom] = {_axes(one): number.var for one, number in zip(found.elements, numbers, strict=True)}
        stmts: list[Stmt] = []
        for stmt in loop.body.stmts:
            if not isinstance(stmt, Stage) or found.versions.isdisjoint(variables(stmt.args[:1])):
                stmts.append(stmt)
            elif stmt.op == "store":
                now[_axes(stmt)] = _as_it_is(stmt.args[-1], mapping)
            elif _axes(stmt) in now:
                mapping[stmt.out] = now[_axes(stmt)]
            else:
                stmts.append(replace(stmt, args=(array.init, *stmt.args[1:])))
        results = (*loop.body.results[:place], *now.values(), *loop.body.results[place + 1 :])
        body = substitute(Block(tuple(stmts), results), mapping)
        for k, number in enumerate(numbers):
            body = self.named(body, place + k, number.var)
        return replace(loop, carries=(*loop.carries[:place], *numbers, *loop.carries[place + 1 :]), body=body)

    def named(self, body: Block, place: int, number: Var) -> Block:
        """The body in which what becomes of the number has its name, unless it is read under a name of its own."""
        end = body.results[place]
        makes = any(isinstance(stmt, Stage) and end in binds(stmt) for stmt in body.stmts)
        if not isinstance(end, Var) or not makes or count_reads(body)[end] != 1:
            return body
        return rename(body, {end: self.fresh.like(number)})


def _as_it_is(atom: Atom, mapping: dict[Var, Atom]) -> Atom:
    return mapping.get(atom, atom) if isinstance(atom, Var) else atom


def _axes(stage: Stage) -> tuple[Atom, ...] | None:
    """The indices of the one element that a stage reads or writes, an atom for each axis; None for any other stage."""
    if stage.op not in ("load", "store"):
        return None
    indices = stage.args[1:] if stage.op == "load" else stage.args[1:-1]
    attrs = dict(stage.attrs)
    parts = str(attrs.get("at", "[{0}]"))[1:-1].split(", ")
    if attrs.get("gather") or len(parts) != stage.args[0].type.rank or any(atom.type != INT for atom in indices):
        return None
    if not all(re.fullmatch(r"\{\d+\}|-?\d+", part) for part in parts):
        return None
    return tuple(indices[int(part[1:-1])] if part[0] == "{" else Lit(int(part), INT) for part in parts)


# ---------------------------------------------------------------------------------------------- is the element there?


def _asked(before: Sequence[Stmt], array: Var, element: Stage) -> bool:
    """Has one of these statements, no branch around it, asked for the element already?"""
    for stmt in reversed(before):
        if isinstance(stmt, Stage) and array in (stmt.out, stmt.args[0] if stmt.args else None):
            if _axes(stmt) is not None and _axes(stmt) == _axes(element):
                return True
            if stmt.op == "store" and stmt.out == array and isinstance(stmt.args[0], Var):
                array = stmt.args[0]
    return False


def _asked_first(after: Sequence[Stmt], array: Var, element: Stage) -> bool:
    """Do these statements ask for the element before they do anything that raises?"""
    for stmt in after:
        if not isinstance(stmt, Stage) or stmt.op not in _QUIET:
            return False
        if stmt.op in ("load", "store") and stmt.args[0] == array:
            return _axes(stmt) is not None and _axes(stmt) == _axes(element)
    return False


# ---------------------------------------------------------------------------------------------- are they two elements?


class _Indices:
    """What is known of the ints of a function: sums with constants, and the ends of ranges."""

    def __init__(self, function: Function) -> None:
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage) and stmt.out.type == INT}
        self.loops = {stmt.index: stmt for stmt in walk(function.body) if isinstance(stmt, For)}

    def differ(self, some: Sequence[Atom], others: Sequence[Atom]) -> bool:
        """Are these certainly the indices of two elements?"""
        return any(self.apart(a, b) for a, b in zip(some, others, strict=True))

    def apart(self, a: Atom, b: Atom) -> bool:
        """Are two indices of one axis, neither of them counted from the end, certainly not the same?"""
        return self.least(a) >= 0 and self.least(b) >= 0 and (self.below(a, b) or self.below(b, a))

    def below(self, a: Atom, b: Atom) -> bool:
        """Is one index certainly less than the other?"""
        (base, more), (other, further) = self.as_sum(a), self.as_sum(b)
        if base == other:
            return more < further
        most, least = self.ends(base)[1], self.ends(other)[0]
        return (most is not None and most[0] == other and most[1] + more < further) or (
            least is not None and least[0] == base and more < least[1] + further
        )

    def as_sum(self, atom: Atom) -> tuple[Var | None, int]:
        """``n + 2`` -> (n, 2); a constant is so much more than None."""
        if isinstance(atom, Lit):
            return None, int(atom.value or 0)
        made = self.makers.get(atom)
        if made is not None and made.op in ("add", "sub"):
            first, second = made.args
            if isinstance(second, Lit):
                base, more = self.as_sum(first)
                return base, more + int(second.value or 0) * (1 if made.op == "add" else -1)
            if isinstance(first, Lit) and made.op == "add":
                base, more = self.as_sum(second)
                return base, more + int(first.value or 0)
        return atom, 0

    def ends(self, index: Var | None) -> tuple[tuple[Var | None, int] | None, tuple[Var | None, int] | None]:
        """The least and the largest value of a loop's index, as sums; None where it is not one, or its step is not known."""
        loop = self.loops.get(index) if index is not None else None
        step = loop.step.value if loop is not None and isinstance(loop.step, Lit) else None
        if loop is None or not isinstance(step, int) or step == 0:
            return None, None
        start, stop = self.as_sum(loop.start), self.as_sum(loop.stop)
        return (start, (stop[0], stop[1] - 1)) if step > 0 else ((stop[0], stop[1] + 1), start)

    def least(self, atom: Atom) -> int:
        """What an index is certainly not less than; far below zero where nothing is known."""
        base, more = self.as_sum(atom)
        if base is None:
            return more
        low = self.ends(base)[0]
        if low is not None:
            return more + (self.least(low[0]) if low[0] is not None else 0) + low[1]
        made = self.makers.get(base)
        return more if made is not None and made.op in ("extent", "size", "count") else -(2**62)
