"""Makes it true in the text, where arrays are written in place, that arrays are values.

`owned` inserts copies where a write would change something that is still to be read, or that belongs to the caller:

    b = store(a, 0, 1.0)            a2 = duplicate(a)
    c = add(a, b)             ->    b = store(a2, 0, 1.0)
                                    c = add(a, b)

Copies stand where they are cheap: before a loop rather than in it, of a section rather than of the whole. What follows the rules of
ownership by itself (buffers that a loop swaps, arrays that are filled element by element) gets none.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from stagegrad.emit.newest import sized_by_newest
from stagegrad.emit.sharing import ARITHMETIC, IN_PLACE, Cut, Routes, Sharing, Write, arrays, lowest
from stagegrad.ir import (
    Atom,
    Attr,
    Block,
    Call,
    Carry,
    For,
    Fresh,
    Function,
    If,
    Raise,
    Remark,
    Span,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    inner_binds,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.ops import APART
from stagegrad.shapes import shapes


def owned(function: Function, *, fresh_results: bool = False, apart: Container[str] = ()) -> Function:
    """The function with a copy wherever a write would be seen by what it must not be seen by; arithmetic that may write is marked.

    With `fresh_results`, no array that it returns shares memory with an argument or with another result; `apart` names the
    functions of which that is known.
    """
    if not any(True for _ in _every_array(function)):
        return function
    function = sized_by_newest(function)
    while True:
        sharing = Sharing(function, apart)
        cuts = _needed(sharing, fresh_results)
        if not cuts:
            return _marked(function, sharing)
        function = _Copying(function, cuts).function()


def _every_array(function: Function) -> Iterator[Var]:
    yield from arrays(function.params)
    for stmt in walk(function.body):
        yield from arrays((*inner_binds(stmt), *binds(stmt)))


# ---------------------------------------------------------------------------------------------- where copies are needed


def _needed(sharing: Sharing, fresh_results: bool) -> set[Cut]:
    """Cuts that settle conflicts; one that another's cut may have settled already is left to the next round."""
    found = _Conflicts(sharing)
    for write in sharing.writes:
        found.of_write(write)
    if fresh_results:
        results = [(k, var) for k, var in enumerate(sharing.function.body.results) if isinstance(var, Var) and var.type.rank]
        for position, (k, var) in enumerate(results):
            found.of_results(Cut("answer", var, k), [Cut("answer", other, j) for j, other in results[:position]])
    return found.chosen


class _Conflicts:
    """Chooses the cheapest cut for each conflict; `settled` are the values that one was chosen for, or left for the next round."""

    def __init__(self, sharing: Sharing) -> None:
        self.sharing = sharing
        self.chosen: set[Cut] = set()
        self.settled: set[Var] = set()

    @cached_property
    def routes(self) -> Routes:
        """Made only where there is a conflict, which is rare."""
        return Routes(self.sharing)

    def of_write(self, write: Write) -> None:
        """A statement writes to what is not the function's own, or is still to be read under another name."""
        mask, before = self.sharing.of(write.into), Cut("written", write.out)
        foreign = mask & self.sharing.foreign
        if foreign:
            self.choose(self._ahead(write, self.routes.back((write.out, lowest(foreign)), self.settled)))
            self.settled.add(write.out)
            return
        for victim in self.sharing.victims(write, self.settled):
            bit = lowest(mask & self.sharing.of(victim))
            self.choose(self._ahead(write, self.routes.apart((write.out, bit), (victim, bit))) or [before])
            self.settled.add(victim)

    def _ahead(self, write: Write, cuts: Sequence[Cut]) -> list[Cut]:
        """The cuts ahead of a write: what a function wrote to an argument is written already where its result is copied."""
        return [replace(cut, kind="written") if cut == Cut("made", write.out) else cut for cut in cuts]

    def of_results(self, answer: Cut, others: Sequence[Cut]) -> None:
        """A result lies in the memory of an argument, or of another result."""
        mask = self.sharing.of(answer.var)
        foreign = mask & self.sharing.foreign
        if foreign:
            self.choose([answer, *self.routes.back((answer.var, lowest(foreign)), ())])
        for other in others:
            bit = lowest(mask & self.sharing.of(other.var))
            if bit:
                self.choose([answer, other, *self.routes.apart((answer.var, bit), (other.var, bit))])

    def choose(self, cuts: Sequence[Cut]) -> None:
        """Takes the cheapest of some cuts, the first of equals, unless one of them is chosen already."""
        if cuts and self.chosen.isdisjoint(cuts):
            self.chosen.add(min(cuts, key=self.routes.cost))


# ---------------------------------------------------------------------------------------------- putting them in


class _Copying:
    """Rebuilds a function with a copy at each of some cuts."""

    def __init__(self, function: Function, cuts: set[Cut]) -> None:
        self.of, self.cuts, self.fresh = function, cuts, Fresh(function)

    def function(self) -> Function:
        stmts = list(self.block(self.of.body).stmts)
        results = [self.copied("answer", r, r, stmts, self.of.span, k) for k, r in enumerate(self.of.body.results)]
        return replace(self.of, body=Block(tuple(stmts), tuple(results)))

    def block(self, block: Block) -> Block:
        stmts: list[Stmt] = []
        for stmt in block.stmts:
            self.stmt(stmt, stmts)
        return Block(tuple(stmts), block.results)

    def stmt(self, stmt: Stmt, into: list[Stmt]) -> None:
        match stmt:
            case Stage():
                self.stage(stmt, into)
            case Call():
                self.call(stmt, into)
            case If():
                then, orelse = self.arm("then", stmt.then, stmt), self.arm("orelse", stmt.orelse, stmt)
                into.append(replace(stmt, then=then, orelse=orelse))
            case For():
                carries = self.entering(stmt, into)
                into.append(replace(stmt, carries=carries, body=self.trip(stmt)))
            case While():
                carries = self.entering(stmt, into)
                into.append(replace(stmt, carries=carries, test=self.block(stmt.test), body=self.trip(stmt)))
            case Raise() | Remark():
                into.append(stmt)
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def stage(self, stage: Stage, into: list[Stmt]) -> None:
        if Cut("made", stage.out) not in self.cuts:
            if Cut("written", stage.out) in self.cuts:
                first = self.copied("written", stage.out, stage.args[0], into, stage.span)
                stage = replace(stage, args=(first, *stage.args[1:]))
            into.append(stage)
        elif stage.op == "copy":
            into.append(replace(stage, op="duplicate"))
        else:
            shared = self.fresh.var("", stage.out.type)
            # A comment at the end of the line belongs to the line that binds the name.
            into.append(replace(stage, out=shared, note="" if stage.note.startswith(">") else stage.note))
            into.append(Stage(stage.out, "duplicate", (shared,), (), stage.note, stage.span))

    def call(self, call: Call, into: list[Stmt]) -> None:
        shared = {out: self.fresh.var("", out.type) for out in call.outs if Cut("made", out) in self.cuts}
        args = list(call.args)
        for result, argument in call.onto:
            args[argument] = self.copied("written", call.outs[result], args[argument], into, call.span)
        into.append(replace(call, args=tuple(args), outs=tuple(shared.get(out, out) for out in call.outs)))
        into += [Stage(out, "duplicate", (from_call,), (), call.note, call.span) for out, from_call in shared.items()]

    def arm(self, kind: str, arm: Block, stmt: If) -> Block:
        return self.ending(arm, kind, stmt.outs, stmt.span)

    def trip(self, loop: For | While) -> Block:
        return self.ending(loop.body, "trip", [carry.var for carry in loop.carries], loop.span)

    def ending(self, block: Block, kind: str, vars: Sequence[Var], span: Span | None) -> Block:
        stmts = list(self.block(block).stmts)
        results = [self.copied(kind, var, result, stmts, span) for var, result in zip(vars, block.results, strict=True)]
        return Block(tuple(stmts), tuple(results))

    def entering(self, loop: For | While, into: list[Stmt]) -> tuple[Carry, ...]:
        return tuple(replace(c, init=self.copied("enters", c.var, c.init, into, loop.span)) for c in loop.carries)

    def copied(self, kind: str, var: Atom, value: Atom, into: list[Stmt], span: Span | None, position: int = 0) -> Atom:
        """What a value comes on as: itself, or a copy that is made here."""
        if not isinstance(var, Var) or Cut(kind, var, position) not in self.cuts:
            return value
        out = self.fresh.var("", value.type)
        into.append(Stage(out, "duplicate", (value,), span=span))
        return out


# ---------------------------------------------------------------------------------------------- what may be written how


def _marked(function: Function, sharing: Sharing) -> Function:
    """Marks the arithmetic on arrays that may be written into its first operand's memory, and writes of arrays that lie elsewhere."""
    stages = [stmt for stmt in walk(function.body) if isinstance(stmt, Stage)]
    marks = {stage.out: APART for stage in stages if stage.op == "store" and _lies_apart(stage, sharing)}
    sums = [stage for stage in stages if stage.op in ARITHMETIC and _may_write(stage, sharing)]
    if sums:
        shape = shapes(function)
        # Where the second operand is wider than the first, the result does not fit into the first one's memory.
        marks |= {stage.out: IN_PLACE for stage in sums for first in arrays(stage.args[:1]) if shape[stage.out] == shape[first]}
    return replace(function, body=_with_marks(function.body, marks)) if marks else function


def _lies_apart(store: Stage, sharing: Sharing) -> bool:
    """Is what a store writes an array in other memory than the one that is written to?"""
    into, value = store.args[0], store.args[-1]
    return value.type.rank > 0 and isinstance(into, Var) and isinstance(value, Var) and not sharing.of(into) & sharing.of(value)


def _may_write(stage: Stage, sharing: Sharing) -> bool:
    first, second = stage.args
    if not first.type.rank or first.type != stage.out.type or not isinstance(first, Var):
        return False
    mask = sharing.of(first)
    # Numba adds element by element, so an overlapping operand would be read after it was written to.
    return not mask & (sharing.foreign | sharing.of(second)) and not sharing.victims(Write(stage.out, first, stage))


def _with_marks(block: Block, marks: Mapping[Var, tuple[str, Attr]]) -> Block:
    def change(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Stage):
            return replace(stmt, attrs=(*stmt.attrs, marks[stmt.out])) if stmt.out in marks else stmt
        return with_blocks(stmt, lambda inner: _with_marks(inner, marks))

    return Block(tuple(map(change, block.stmts)), block.results)
