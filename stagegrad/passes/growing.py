"""IR whose loops make room for a record in each trip -> IR whose loops run while there is room, in a loop that makes it.

    while test:                                  more = True
        if trips == len(x_tape):                 while more:
            x_tape = grown(x_tape)                   while test and trips < len(x_tape):
        x_tape[trips] = x               ->               x_tape[trips] = x
        ...                                              ...
        trips += 1                                       trips += 1
                                                     more = test
                                                     if trips == len(x_tape):
                                                         x_tape = grown(x_tape)

An array that may be another one in the next trip is looked up in every trip, and its references are counted: without, compiled code is
up to twice as fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stagegrad.ir import (
    BOOL,
    INT,
    Atom,
    Block,
    Call,
    Carry,
    Fresh,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Stage,
    Stmt,
    Var,
    While,
    clone,
    literal_is,
    substitute,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.names import Words, reserved
from stagegrad.ops import literal

_TAPES = frozenset({"tape_float", "tape_int", "tape_bool"})


def room_before_trips(module: Module) -> Module:
    """The module whose loops ask for room for all of their tapes at once, outside of the trips."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    if not any(isinstance(stmt, While) and _grown(stmt) for stmt in walk(function.body)):
        return function
    return replace(function, body=_Loops(function).block(function.body))


def _grown(loop: While) -> list[Stage]:
    """What makes room for a record in each trip, inner loops aside."""
    inside = (stmt for stmt in walk(loop.body) if isinstance(stmt, Stage) and stmt.op == "grow")
    return [stage for stage in inside if any(stage.args[0] == carry.var for carry in loop.carries)]


class _Loops:
    """One walk through a function."""

    def __init__(self, function: Function) -> None:
        self.fresh, self.words = Fresh(function), Words(reserved(function))
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}

    def block(self, block: Block) -> Block:
        """A block with the loops in it changed."""
        return replace(block, stmts=tuple(map(self.stmt, block.stmts)))

    def stmt(self, stmt: Stmt) -> Stmt:
        """A statement with the loops in it changed."""
        stmt = with_blocks(stmt, self.block)
        tapes = self.tapes(stmt) if isinstance(stmt, While) else {}
        return self.around(stmt, tapes) if tapes and isinstance(stmt, While) else stmt

    def tapes(self, loop: While) -> dict[Var, Stage]:
        """The tapes of a loop, by the carry of each, with what makes room for this trip's record; none where they are not alike."""
        grown = _grown(loop)
        tapes = {stage.args[0]: stage for stage in grown if isinstance(stage.args[0], Var)}
        begin = [self.first_size(carry.init) for carry in loop.carries if carry.var in tapes]
        alike = len({stage.args[1] for stage in grown}) == 1 == len(set(begin)) and None not in begin
        counted = alike and any(grown[0].args[1] == carry.var for carry in loop.carries)
        # The test is asked once more behind the last trip, which must not matter.
        simple = not any(isinstance(inner, (Call, Raise)) for inner in walk(loop.test))
        return tapes if counted and simple and len(tapes) == len(grown) else {}

    def first_size(self, tape: Atom) -> Atom | None:
        """The size that a tape begins with."""
        made = self.makers.get(tape) if isinstance(tape, Var) else None
        return made.args[0] if made is not None and made.op in _TAPES and isinstance(made.args[0], Lit) else None

    def around(self, loop: While, tapes: Mapping[Var, Stage]) -> While:
        """A loop that makes room around one that runs while there is some."""
        arriving = [self.fresh.like(carry.var) for carry in loop.carries]
        leaving = [self.fresh.like(carry.out) for carry in loop.carries]
        known = {carry.var: left for carry, left in zip(loop.carries, leaving, strict=True)}
        inner = self.while_room(loop, tapes, [Carry(c.var, a, b) for c, a, b in zip(loop.carries, arriving, leaving, strict=True)])
        count = next(known[var] for stage in tapes.values() for var in variables(stage.args[1:]))
        word = self.words.fresh("more")
        more, asked, end = (self.fresh.var(word, BOOL) for _ in range(3))
        grown = {tape: Stage(self.fresh.like(tape), "grow", (known[tape], count)) for tape in tapes}
        ends = [grown[carry.var].out if carry.var in grown else known[carry.var] for carry in loop.carries]
        asking, more_trips = self.asked(loop, known, asked)
        body = Block((inner, *asking, *grown.values()), (*ends, more_trips))
        carries = [Carry(a, carry.init, carry.out) for a, carry in zip(arriving, loop.carries, strict=True)]
        return While((*carries, Carry(more, literal(True), end)), Block((), (more,)), body, None, loop.span)

    def while_room(self, loop: While, tapes: Mapping[Var, Stage], carries: list[Carry]) -> While:
        """The loop itself, which ends when its tapes are full."""
        first, stage = next(iter(tapes.items()))
        size, fits, both = self.fresh.var("", INT), self.fresh.var("", BOOL), self.fresh.var("", BOOL)
        room = (Stage(size, "size", (first,)), Stage(fits, "lt", (stage.args[1], size)))
        (test,) = loop.test.results
        asked = If(test, Block(room, (fits,)), Block((), (literal(False),)), (both,))
        body = _without(loop.body, {stage.out: tape for tape, stage in tapes.items()})
        whole = Block((*loop.test.stmts, asked), (both,))
        if literal_is(test, True):
            whole = Block((*loop.test.stmts, *room), (fits,))
        return replace(loop, carries=tuple(carries), test=whole, body=body)

    def asked(self, loop: While, known: Mapping[Var, Var], out: Var) -> tuple[tuple[Stmt, ...], Atom]:
        """What asks if there is another trip, and the answer; a loop that was left by its `until` is not asked."""
        again, _ = clone(substitute(loop.test, known), self.fresh)
        if loop.until is None:
            return again.stmts, again.results[0]
        return (If(known[loop.until], Block((), (literal(False),)), again, (out,)),), out


def _without(block: Block, tapes: Mapping[Var, Var]) -> Block:
    """The block without what made room; what it gave is the tape itself."""

    def kept(inner: Block) -> Block:
        stmts = (stmt for stmt in inner.stmts if not (isinstance(stmt, Stage) and stmt.out in tapes))
        return replace(inner, stmts=tuple(with_blocks(stmt, kept) for stmt in stmts))

    return substitute(kept(block), tapes)
