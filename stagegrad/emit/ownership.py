"""Makes it true in the text, where arrays are written in place, that arrays are values.

`owned` inserts copies where a write would change something that is still to be read, or that belongs to the caller:

    b = store(a, 0, 1.0)            a2 = duplicate(a)
    c = add(a, b)             ->    b = store(a2, 0, 1.0)
                                    c = add(a, b)

Copies stand where they are cheap: before a loop rather than in it, of a section rather than of the whole. What follows the rules of
ownership by itself (buffers that a loop swaps, arrays that are filled element by element) gets none.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

from stagegrad.emit.sharing import ARITHMETIC, Cut, Routes, Sharing, arrays, lowest
from stagegrad.ir import (
    Atom,
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
from stagegrad.shapes import shapes

#: How many steps back one round follows the arrays that meet; the conflicts left over are looked at again in the next.
_MOST_STEPS = 20_000

#: The attribute of arithmetic that the writer may print ``x += y``: x is nobody else's, is not read again, and keeps its shape.
IN_PLACE = ("in_place", True)


def owned(function: Function, *, fresh_results: bool = False, apart: Container[str] = ()) -> Function:
    """The function with a copy wherever a write would be seen by what it must not be seen by; arithmetic that may write is marked.

    With `fresh_results`, no array that it returns shares memory with an argument or with another result; `apart` names the
    functions of which that is known.
    """
    if not any(True for _ in _every_array(function)):
        return function
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
    """Cuts that settle conflicts; one that a chosen cut may have settled already is left to the next round."""
    chosen: set[Cut] = set()
    routes: Routes | None = None
    for meeting in _meetings(sharing, fresh_results):
        routes = routes or Routes(sharing)
        first, second = (dict.fromkeys([*begin, *(routes.trace(var, bit) if var else ())]) for begin, var, bit in meeting)
        if chosen.isdisjoint(first) and chosen.isdisjoint(second):
            # A copy before the ways part would keep nothing apart.
            apart = [cut for cut in first if cut not in second] + [cut for cut in second if cut not in first]
            chosen.add(min(apart, key=routes.cost) if apart else next(iter(first)))
        if routes.steps > _MOST_STEPS:
            break
    return chosen


#: The cuts that one side of a conflict begins with, the value whose way is to be followed from there, and the memory where they meet.
_Side = tuple[list[Cut], Var | None, int]


def _meetings(sharing: Sharing, fresh_results: bool) -> Iterator[tuple[_Side, _Side]]:
    """The two sides of every conflict: what is written to, or returned, and who else has its memory (None: somebody outside)."""
    for out, stage in sharing.writes.items():
        mask = sharing.of(out)
        if mask & sharing.foreign:
            yield ([], out, lowest(mask & sharing.foreign)), ([], None, 0)
        for victim in sharing.victims(stage):
            bit = lowest(mask & sharing.of(victim))
            yield ([], out, bit), ([], victim, bit)
    if fresh_results:
        yield from _shared_results(sharing)


def _shared_results(sharing: Sharing) -> Iterator[tuple[_Side, _Side]]:
    results = [(k, var) for k, var in enumerate(sharing.function.body.results) if isinstance(var, Var) and var.type.rank]
    answers = {k: [Cut("answer", var, k)] for k, var in results}
    for position, (k, var) in enumerate(results):
        foreign = sharing.of(var) & sharing.foreign
        if foreign:
            yield (answers[k], var, lowest(foreign)), ([], None, 0)
        for j, other in results[:position]:
            common = sharing.of(var) & sharing.of(other)
            if common:
                yield (answers[k], var, lowest(common)), (answers[j], other, lowest(common))


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
        into.append(replace(call, outs=tuple(shared.get(out, out) for out in call.outs)))
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


# ---------------------------------------------------------------------------------------------- arithmetic in place


def _marked(function: Function, sharing: Sharing) -> Function:
    """Marks the arithmetic on arrays that may be written into its first operand's memory."""
    sums = [stmt for stmt in walk(function.body) if isinstance(stmt, Stage) and stmt.op in ARITHMETIC and _may_write(stmt, sharing)]
    if not sums:
        return function
    shape = shapes(function)
    # Where the second operand is wider than the first, the result does not fit into the first one's memory.
    marks = {stage.out for stage in sums for first in arrays(stage.args[:1]) if shape[stage.out] == shape[first]}
    return replace(function, body=_with_marks(function.body, marks)) if marks else function


def _may_write(stage: Stage, sharing: Sharing) -> bool:
    first, second = stage.args
    if not first.type.rank or first.type != stage.out.type or not isinstance(first, Var):
        return False
    mask = sharing.of(first)
    # Numba adds element by element, so an overlapping operand would be read after it was written to.
    return not mask & (sharing.foreign | sharing.of(second)) and not sharing.victims(stage)


def _with_marks(block: Block, marks: set[Var]) -> Block:
    def change(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Stage):
            return replace(stmt, attrs=(*stmt.attrs, IN_PLACE)) if stmt.out in marks else stmt
        return with_blocks(stmt, lambda inner: _with_marks(inner, marks))

    return Block(tuple(map(change, block.stmts)), block.results)
