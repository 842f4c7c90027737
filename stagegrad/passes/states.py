"""IR whose loops record the array that they carry -> IR whose loops carry it in the rows of its tape: it is written once, not twice.

    u_tape = room(n, ...)                        u_tape = room(n + 1, ...)
    u = start                                    u_tape[0] = start
    for k in range(n):                           for k in range(n):
        u_tape[k] = u                   ->           u = u_tape[k]
        v = f(u)                                     v = f(u)
        u = v                                        u_tape[k + 1] = v
    z = g(u)                                     z = g(u_tape[n])

Where loops make v, they write it to the tape at once: `fuse` and `neighbours` see to that. A carry that a trip changes in place stays
as it is, for it would be copied twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from stagegrad.analysis import memory_of
from stagegrad.ir import (
    INT,
    Atom,
    Block,
    Carry,
    For,
    Fresh,
    Function,
    Module,
    Stage,
    Stmt,
    Var,
    blocks,
    literal_is,
    read,
    uses,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.names import count_reads
from stagegrad.ops import find, literal
from stagegrad.shapes import Dimensions, dimensions


def states_in_tapes(module: Module) -> Module:
    """The module whose loops have each array that they carry and record in the rows of its tape alone."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    if not any(isinstance(stmt, Stage) and stmt.op == "tape_float" and stmt.out.type.rank > 1 for stmt in walk(function.body)):
        return function
    return replace(function, body=_Rows(function).block(function.body))


@dataclass(frozen=True)
class _State:
    """An array that a loop carries, by the position of its carry, and the tape that it is recorded on."""

    position: int
    tape_position: int
    record: Stage  # what writes this trip's row
    made: Stage  # what makes room for the tape


class _Rows:
    """One walk through a function."""

    def __init__(self, function: Function) -> None:
        self.function, self.fresh, self.reads = function, Fresh(function), count_reads(function.body)
        self.dims: Dimensions = dimensions(function)
        self.home = memory_of(function.body)
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.tapes = _elements_alone(function, _reads_a_row)
        self.looked_at = _elements_alone(function, _looks_at)

    def block(self, block: Block) -> Block:
        """A block with the loops in it, and those in the blocks inside it, changed."""
        stmts = list[Stmt]()
        for old in block.stmts:
            stmt = with_blocks(old, self.block)
            states = self.states(old, stmts) if isinstance(old, For) else []
            stmts = self.rewritten(stmt, states, stmts) if states and isinstance(stmt, For) else [*stmts, stmt]
        return replace(block, stmts=tuple(stmts))

    # ------------------------------------------------------------------------------------------ which arrays

    def states(self, loop: For, before: list[Stmt]) -> list[_State]:
        """The arrays that a loop carries and can as well have in their tapes."""
        if loop.until is not None or loop.parallel or not literal_is(loop.step, 1):
            return []
        found = [state for k, carry in enumerate(loop.carries) if (state := self.state(loop, k, carry, before)) is not None]
        while True:
            taken = {loop.carries[state.position].var for state in found}
            others = set(range(len(loop.carries))) - {state.position for state in found}
            handed = {self.home(loop.body.results[k]) for k in others}  # what another carry goes on with
            kept = [state for state in found if loop.carries[state.position].var not in handed & taken]
            if len(kept) == len(found):
                return found
            found = kept

    def state(self, loop: For, position: int, carry: Carry, above: list[Stmt]) -> _State | None:
        """The array of a carry with its tape; None where it has none of its own, or is written in place."""
        result = loop.body.results[position]
        if not carry.var.type.rank or not isinstance(result, Var) or self.home(result) == carry.var:
            return None
        sizes = zip(self.dims.shape(carry.init), self.dims.shape(carry.out), strict=True)
        if any(self.dims.equal(before) != self.dims.equal(behind) for before, behind in sizes):
            return None
        record = next((stmt for stmt in loop.body.stmts if carry.var in read(Block((stmt,)))), None)
        match record:
            case Stage(op="store", args=(tape, place, value)) if value == carry.var and self.is_position(loop, place):
                at = next((k for k, other in enumerate(loop.carries) if other.var == tape), None)
                made = None if at is None else self.tape(loop, at, record, above)
                return _State(position, at, record, made) if at is not None and made is not None else None
            case _:
                return None

    def tape(self, loop: For, position: int, record: Stage, before: list[Stmt]) -> Stage | None:
        """What makes a tape with a row for each trip; None for one that others write to, or that is not read row by row."""
        carry = loop.carries[position]
        made = self.makers.get(carry.init) if isinstance(carry.init, Var) else None
        if made is None or made.op != "tape_float" or made not in before or dict(record.attrs).get("at", "[{0}]") != "[{0}]":
            return None
        once = self.reads[made.out] == self.reads[carry.var] == self.reads[record.out] == 1 and loop.body.results[position] == record.out
        return made if once and carry.out in self.tapes and self.counts(loop, made.args[0]) else None

    def counts(self, loop: For, rooms: Atom) -> bool:
        """Is a number that of the trips of a loop?"""
        made = self.makers.get(rooms) if isinstance(rooms, Var) else None
        if made is not None:
            return made.op == "trip_count" and made.args == (loop.start, loop.stop, loop.step)
        return literal_is(loop.start, 0) and rooms == loop.stop

    def is_position(self, loop: For, place: Atom) -> bool:
        """Is a number how many trips came before this one?"""
        if place == loop.index:
            return literal_is(loop.start, 0)
        made = self.makers.get(place) if isinstance(place, Var) else None
        return made is not None and made.op == "sub" and made.args == (loop.index, loop.start)

    # ------------------------------------------------------------------------------------------ rewriting

    def rewritten(self, loop: For, states: list[_State], before: list[Stmt]) -> list[Stmt]:
        """What stands before a loop, and the loop, whose states lie in their tapes, and what is read of them behind it."""
        makers = {state.made.out for state in states}
        stmts, behind = list[Stmt](), list[Stmt]()
        for stmt in before:
            if isinstance(stmt, Stage) and stmt.out in makers:
                more = self.emit(stmts, "add", stmt.args[0], literal(1))
                stmt = replace(stmt, args=(more, *stmt.args[1:]))
            stmts.append(stmt)
        carries = list(loop.carries)
        for state in states:
            carry, tape = loop.carries[state.position], loop.carries[state.tape_position]
            first = self.stored(stmts, tape.init, literal(0), carry.init, state.record)
            carries[state.tape_position] = replace(tape, init=first)
            if self.reads[carry.out]:
                self.last(behind, carry.out, tape.out, state.made.args[0])
        body = self.trip(loop, states)
        kept = [k for k in range(len(carries)) if k not in {state.position for state in states}]
        changed = replace(loop, carries=tuple(carries[k] for k in kept), body=replace(body, results=tuple(body.results[k] for k in kept)))
        return [*stmts, changed, *behind]

    def trip(self, loop: For, states: list[_State]) -> Block:
        """A trip that reads this row of each tape, and at its end writes the next one; it yields what it did, and the tapes."""
        records = {state.record.out for state in states}
        stmts, ends = list[Stmt](), list(loop.body.results)
        for stmt in loop.body.stmts:
            if isinstance(stmt, Stage) and stmt.out in records:
                tape, place, value = stmt.args
                assert isinstance(value, Var)
                stmt = Stage(value, "load", (tape, place))
            stmts.append(stmt)
        for state in states:
            tape, place, _ = state.record.args
            after = loop.index if literal_is(loop.start, 1) else self.emit(stmts, "add", place, literal(1))
            ends[state.tape_position] = self.stored(stmts, tape, after, ends[state.position], state.record)
        return Block(tuple(stmts), tuple(ends))

    def last(self, stmts: list[Stmt], out: Var, tape: Var, rows: Atom) -> None:
        """What the loop leaves of an array: the last row, or a copy, which does not keep the tape in memory where it goes elsewhere."""
        row = out if out in self.looked_at else self.fresh.like(out)
        stmts.append(Stage(row, "load", (tape, rows)))
        if row != out:
            stmts.append(Stage(out, "duplicate", (row,)))

    def stored(self, stmts: list[Stmt], tape: Atom, place: Atom, value: Atom, record: Stage) -> Var:
        """The tape with another row."""
        out = self.fresh.like(record.out)
        stmts.append(replace(record, out=out, args=(tape, place, value)))
        return out

    def emit(self, stmts: list[Stmt], op: str, *args: Atom) -> Var:
        out = self.fresh.var("", INT)
        stmts.append(Stage(out, op, args))
        return out


def _elements_alone(function: Function, accepted: Callable[[Stage, Var], bool]) -> set[Var]:
    """The arrays that nothing is done with but what is accepted: by a stage that takes it as an operand."""
    refused = {result for block in _every_block(function.body) for result in variables(block.results)}
    read = set[Var]()
    for stmt in walk(function.body):
        for var in variables(uses(stmt)):
            read.add(var)
            if not isinstance(stmt, Stage) or not accepted(stmt, var):
                refused.add(var)
    return read - refused


def _reads_a_row(stage: Stage, tape: Var) -> bool:
    """Does a stage read a record?"""
    return stage.op == "load" and stage.args[0] == tape and len(stage.args) == 2 and dict(stage.attrs).get("at", "[{0}]") == "[{0}]"


def _looks_at(stage: Stage, array: Var) -> bool:
    """Does a stage read elements of an array, and leave nothing in its memory and none of its memory to others?"""
    if stage.op in ("store", "accumulate"):
        return stage.args[0] != array
    return not stage.out.type.rank or not (find(stage.op).view or stage.op in ("load", "copy", "grow"))


def _every_block(block: Block) -> Iterator[Block]:
    yield block
    for stmt in walk(block):
        yield from blocks(stmt)
