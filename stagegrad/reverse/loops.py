"""The reversal of a loop: run the trips again, last first; restore what a trip began with, run its body, undo its body."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from stagegrad.analysis import needed
from stagegrad.ir import (
    INT,
    Atom,
    Attr,
    Block,
    Carry,
    For,
    Fresh,
    If,
    Lit,
    Raise,
    Remark,
    Stage,
    Stmt,
    Var,
    While,
    clone,
    free,
    substitute,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.names import Words
from stagegrad.ops import Builder, literal

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep

ZERO = literal(0.0)
ONE = literal(1)


class LoopReversal:
    """The reversal of one loop; an object because its parts share what the loop is."""

    def __init__(self, sweep: Sweep, loop: For | While) -> None:
        self.sweep, self.loop, self.fresh = sweep, loop, sweep.fresh
        again = replace(loop, body=without_raises(loop.body))
        copied, mapping = clone(Block((again,)), self.fresh)
        for facts in (sweep.active, sweep.conditional):
            facts |= {new for old, new in mapping.items() if old in facts}
        sweep.unbounded |= {new for old, new in mapping.items() if old in sweep.unbounded}
        sweep.shapes.update({new: sweep.shapes[old] for old, new in mapping.items() if old in sweep.shapes})
        sweep.made.update({stmt.out: stmt for stmt in walk(copied) if isinstance(stmt, Stage)})
        copy = copied.stmts[0]
        assert isinstance(copy, (For, While))
        self.copy: For | While = copy
        self.trip_stmts, self.results = _completed_trip(self.copy, sweep.active)
        self.partial_trips_vanish = self.results is not self.copy.body.results

    def run(self, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        before = Builder(self.fresh)
        carries, inner = self._gradient_carries(gradients, before)
        body, results, kept = self._undo(inner, carries)
        after = Builder(self.fresh)
        restores = self._restores(body)
        forward, tapes, trips = self._record(restores)
        loop = self._backward_loop(body, results, kept, restores, tapes, trips, before)
        self._hand_on(kept, gradients, after)
        return forward, [*before.stmts, *loop, *after.stmts]

    # -- the gradients that travel from trip to trip

    def _gradient_carries(self, gradients: Gradients, before: Builder) -> tuple[list[tuple[Var, Carry]], Gradients]:
        """For each active carry, and each active value from outside that the body reads: (value, its gradient's carry)."""
        sweep, loop = self.sweep, self.copy
        found: list[tuple[Var, Carry]] = []
        inner: Gradients = {}
        for carry, original in zip(loop.carries, self.loop.carries, strict=True):
            if carry.var in sweep.active:
                start = gradients.pop(original.out, None)
                start = self._zero(original.out, before) if start is None else sweep.whole(start, original.out, before)
                found.append((carry.var, self._carry(carry.var, start)))
        outside = sorted(free(loop.body), key=lambda v: (v.name, v.version))
        for var in outside:
            if var in sweep.active and var not in [c.var for c in loop.carries]:
                start = gradients.get(var)
                start = self._zero(var, before) if start is None else sweep.whole(start, var, before)
                found.append((var, self._carry(var, start)))
                inner[var] = found[-1][1].var
        return found, inner

    def _zero(self, var: Var, before: Builder) -> Atom:
        """Nothing has reached it yet: 0.0, or an array of zeros."""
        return before.emit("zeros_like", self.sweep.shaped_like(var), name=self.sweep.gradient_word(var)) if var.type.rank else ZERO

    def _carry(self, var: Var, start: Atom) -> Carry:
        word = self.sweep.gradient_word(var)
        carry = Carry(self.fresh.var(word, var.type), start, self.fresh.var(word, var.type))
        if self.sweep.may_stop(start):
            self.sweep.routed.add(carry.var)
        return carry

    def _undo(self, inner: Gradients, carries: list[tuple[Var, Carry]]) -> tuple[list[Stmt], list[Atom], list[tuple[Var, Carry]]]:
        """The body of the reverse loop: the trip again (what of it is needed), then the trip undone."""
        sweep = self.sweep
        seeds = Builder(self.fresh)
        arriving = {var: carry.var for var, carry in carries}
        for carry, result in zip(self.copy.carries, self.results, strict=True):
            if carry.var in arriving:
                sweep.add(inner, result, arriving[carry.var], seeds)
        again, undo = sweep.block(self.trip_stmts, inner)
        owned = {c.var for c in self.copy.carries}
        kept = [(var, c) for var, c in carries if var in owned or inner.get(var) != c.var]
        ends = Builder(self.fresh)
        results = [self._arrived(var, inner, ends) for var, _ in kept]
        body = needed(Block((*again, *seeds.stmts, *undo, *ends.stmts), tuple(results)))
        return list(body.stmts), results, kept

    def _arrived(self, var: Var, inner: Gradients, ends: Builder) -> Atom:
        """The gradient that a trip leaves for a value: nothing, where the trip does not read it."""
        return self.sweep.whole(inner.get(var, ZERO), var, ends)

    # -- what must be known again at the start of each trip

    def _restores(self, body: list[Stmt]) -> list[int]:
        """The positions of the carries whose value at the start of a trip the reverse body reads."""
        reading = free(Block(tuple(body)))
        return [k for k, carry in enumerate(self.copy.carries) if carry.var in reading]

    def _stride(self, k: int) -> Lit | None:
        """The constant that an int carry grows by on every trip, if that is all that happens to it."""
        carry, result = self.copy.carries[k], self.results[k]
        made = next((s for s in self.trip_stmts if isinstance(s, Stage) and s.out == result), None)
        if carry.var.type == INT and made and made.op == "add" and made.args[0] == carry.var and isinstance(made.args[1], Lit):
            return made.args[1]
        return None

    def _record(self, restores: list[int]) -> tuple[list[Stmt], dict[int, Var], Var | None]:
        """The forward loop with a tape for each carry that is recorded, and a count of trips where it cannot be foretold."""
        loop = self.loop
        counted = isinstance(loop, While) or loop.until is not None
        taped = [k for k in restores if self._stride(k) is None and not self._unchanging(k)]
        if not taped and not counted:
            return [loop], {}, None
        return _Recorder(self.sweep, loop, taped, counted, self.partial_trips_vanish).run()

    def _unchanging(self, k: int) -> bool:
        return self.results[k] == self.copy.carries[k].var

    # -- the loop itself

    def _backward_loop(self, body: list[Stmt], results: list[Atom], kept: list[tuple[Var, Carry]], restores: list[int],
                       tapes: dict[int, Var], trips: Var | None, before: Builder) -> list[Stmt]:  # fmt: skip
        loop = self.loop
        inside = Builder(self.fresh)
        backwards = _Range(self.fresh, self.sweep.words, loop, trips, before, inside)
        mapping: dict[Var, Atom] = {}
        if isinstance(self.copy, For):
            mapping[self.copy.index] = backwards.user_index
        for k in restores:
            mapping[self.copy.carries[k].var] = self._restored(k, tapes, backwards.position, inside)
        core = substitute(Block(tuple(body), tuple(results)), mapping)
        whole = needed(Block((*inside.stmts, *core.stmts), core.results))
        return [replace(backwards.header, carries=tuple(c for _, c in kept), body=whole, span=loop.span)]

    def _restored(self, k: int, tapes: dict[int, Var], position: Atom, inside: Builder) -> Atom:
        carry, stride = self.loop.carries[k], self._stride(k)
        if k in tapes:
            return inside.emit("load", tapes[k], position, name=carry.var.name)
        if stride is None:
            return carry.init
        steps = position if stride.value == 1 else inside.emit("mul", position, stride)
        return steps if carry.init == literal(0) else inside.emit("add", carry.init, steps, name=carry.var.name)

    def _hand_on(self, kept: list[tuple[Var, Carry]], gradients: Gradients, after: Builder) -> None:
        """After the loop: outside values keep what reached them, and each carry's initial value receives its gradient."""
        owned = {c.var: original for c, original in zip(self.copy.carries, self.loop.carries, strict=True)}
        for var, carry in kept:
            if self.sweep.may_stop(carry.var):
                self.sweep.routed.add(carry.out)
            if var not in owned:
                gradients[var] = carry.out
        for var, carry in kept:
            if var in owned:
                self.sweep.add(gradients, owned[var].init, carry.out, after)


class _Range:
    """``range`` backwards: the header of the reverse loop, the user's index and the position on the tape in terms of it."""

    def __init__(self, fresh: Fresh, words: Words, loop: For | While, trips: Var | None, before: Builder, inside: Builder) -> None:
        minus: Atom = literal(-1)
        back: Atom
        if isinstance(loop, While):
            assert trips is not None
            index = fresh.var("trip", INT)
            self.header = For(index, before.emit("sub", trips, ONE), minus, minus, (), Block(()))
            self.user_index: Atom = index
            self.position: Atom = index
            return
        index = fresh.like(loop.index)
        start, stop, step = loop.start, loop.stop, loop.step
        if step == ONE and trips is None:
            last, end, back = _minus(before, stop, ONE), _minus(before, start, ONE), minus
        elif step == minus and trips is None:
            last, end, back = _plus(before, stop, ONE), _plus(before, start, ONE), ONE
        else:
            count = trips if trips is not None else before.emit("trip_count", start, stop, step)
            last, end, back = _last(before, start, count, step), _minus(before, start, step), _negated(before, step)
        self.header = For(index, last, end, back, (), Block(()))
        self.user_index = index
        self.position = position_of(inside, index, start, step, words)


def _last(builder: Builder, start: Atom, count: Atom, step: Atom) -> Atom:
    """The last index of a range: ``start + (count - 1) * step``."""
    if step == ONE:
        return _plus(builder, count, _minus(builder, start, ONE))
    before = _minus(builder, count, ONE)
    if isinstance(step, Lit) and isinstance(step.value, int) and step.value < 0:
        return builder.emit("sub", start, builder.emit("mul", before, literal(-step.value)))
    return _plus(builder, builder.emit("mul", before, step), start)


def _negated(builder: Builder, x: Atom) -> Atom:
    return literal(-x.value) if isinstance(x, Lit) and isinstance(x.value, int) else builder.emit("neg", x)


def _minus(builder: Builder, x: Atom, y: Atom) -> Atom:
    return _plus(builder, x, literal(-y.value)) if isinstance(y, Lit) and isinstance(y.value, int) else builder.emit("sub", x, y)


def _plus(builder: Builder, x: Atom, y: Atom) -> Atom:
    if not (isinstance(y, Lit) and isinstance(y.value, int)):
        return builder.emit("add", x, y)
    if isinstance(x, Lit) and isinstance(x.value, int):
        return literal(x.value + y.value)
    if y.value == 0:
        return x
    return builder.emit("add", x, y) if y.value > 0 else builder.emit("sub", x, literal(-y.value))


def position_of(builder: Builder, index: Atom, start: Atom, step: Atom, words: Words) -> Atom:
    """How many trips came before the one with this index: ``trip = (index - start) // step``."""
    if step == ONE and start == literal(0):
        return index
    backwards = isinstance(step, Lit) and isinstance(step.value, int) and step.value < 0
    offset = (start, index) if backwards else (index, start)
    stride = _negated(builder, step) if backwards else step
    word = words.fresh("trip")
    if stride == ONE:
        return builder.emit("sub", *offset, name=word)
    return builder.emit("floordiv", _minus(builder, *offset), stride, name=word)


class _Recorder:
    """The forward loop with its tapes: arrays of the trip count where that is known on entry, growing ones otherwise."""

    def __init__(self, sweep: Sweep, loop: For | While, taped: list[int], counted: bool, in_full_trips: bool) -> None:
        self.sweep, self.fresh, self.loop, self.taped = sweep, sweep.fresh, loop, taped
        self.in_full_trips = in_full_trips
        self.before = Builder(self.fresh)
        self.count = self._counter() if counted else None
        room = self._room() if taped else ONE
        self.tapes = [self._tape(loop.carries[k].var, loop.carries[k].init, room) for k in taped]

    def run(self) -> tuple[list[Stmt], dict[int, Var], Var | None]:
        """The forward statements, the tape of each carry that is recorded, and the count of trips."""
        body = self._recording(self.loop.body) if self.in_full_trips else self._record_first(self.loop.body)
        forward = replace(self.loop, carries=(*self.loop.carries, *self._extra()), body=body)
        tapes = {k: tape.out for k, tape in zip(self.taped, self.tapes, strict=True)}
        return [*self.before.stmts, forward], tapes, self.count.out if self.count else None

    def _extra(self) -> list[Carry]:
        return [*([self.count] if self.count else []), *self.tapes]

    def _counter(self) -> Carry:
        word = self.sweep.words.fresh("trips")
        return Carry(self.fresh.var(word, INT), literal(0), self.fresh.var(word, INT))

    def _room(self) -> Atom:
        if isinstance(self.loop, While):
            return literal(16)
        return self.before.emit("trip_count", self.loop.start, self.loop.stop, self.loop.step)

    def _tape(self, var: Var, init: Atom, room: Atom) -> Carry:
        word = self.sweep.word("{}_tape", var.name or "it")
        sizes = [self.before.emit("extent", init, axis=axis) for axis in range(var.type.rank)]
        bits: dict[str, Attr] = {"bits": 32} if var.type.bits == 32 else {}
        empty = self.before.stage(f"tape_{var.type.kind}", (room, *sizes), bits, word)
        inside, out = (self.fresh.var(word, empty.type) for _ in range(2))
        if var in self.sweep.active:
            self.sweep.active.update(variables((empty, inside, out)))
        return Carry(inside, empty, out)

    def _record_first(self, body: Block) -> Block:
        stmts, results = self._records()
        return Block((*stmts, *body.stmts), (*body.results, *results))

    def _recording(self, body: Block) -> Block:
        """Records behind the last early exit: a trip that ends there changes nothing, so nothing of it is undone."""
        last = body.stmts[-1] if body.stmts else None
        side = _exit_side(last, body, self.loop, self.sweep.active) if isinstance(last, If) else None
        if side is None or not isinstance(last, If):
            return self._record_first(body)
        leaving, arm = (last.then, last.orelse) if side == 0 else (last.orelse, last.then)
        staying = self._recording(_arm_as_body(arm, last, body))
        outs = tuple(self.fresh.like(carry.var) for carry in self._extra())
        grown = Block(staying.stmts, (*arm.results, *staying.results[len(body.results) :]))
        left = Block(leaving.stmts, (*leaving.results, *(carry.var for carry in self._extra())))
        arms = (left, grown) if side == 0 else (grown, left)
        branch = If(last.test, *arms, (*last.outs, *outs), last.note, last.span)
        return Block((*body.stmts[:-1], branch), (*body.results, *outs))

    def _records(self) -> tuple[list[Stmt], list[Atom]]:
        """The statements that write a record, and the next values of the count and the tapes."""
        builder = Builder(self.fresh)
        position = self._position(builder)
        results: list[Atom] = []
        for k, tape in zip(self.taped, self.tapes, strict=True):
            roomy: Atom = tape.var
            if isinstance(self.loop, While):
                roomy = builder.emit("grow", tape.var, position, name=tape.var.name)
            results.append(builder.emit("store", roomy, position, self.loop.carries[k].var, name=tape.var.name))
            if tape.var in self.sweep.active:
                self.sweep.active.update(variables((roomy, results[-1])))
        if self.count:
            results.insert(0, builder.emit("add", self.count.var, ONE, name=self.count.var.name))
        return builder.stmts, results

    def _position(self, builder: Builder) -> Atom:
        if self.count:
            return self.count.var
        assert isinstance(self.loop, For)
        return position_of(builder, self.loop.index, self.loop.start, self.loop.step, self.sweep.words)


# ---------------------------------------------------------------------------------------------- trips that end early


def _completed_trip(loop: For | While, active_vars: set[Var]) -> tuple[tuple[Stmt, ...], tuple[Atom, ...]]:
    """The statements and results of a trip that ran to its end, if trips that do not are of no consequence.

    ``...; if test: break; rest`` -> ``...; rest``, where nothing that a gradient passes through was changed before the exit.
    """
    body = loop.body
    while loop.until is not None and body.stmts and isinstance(body.stmts[-1], If):
        branch = body.stmts[-1]
        side = _exit_side(branch, body, loop, active_vars)
        if side is None:
            break
        staying = _arm_as_body((branch.then, branch.orelse)[1 - side], branch, body)
        body = Block((*body.stmts[:-1], *staying.stmts), staying.results)
    if body is loop.body:
        return body.stmts, body.results
    until = next(r for c, r in zip(loop.carries, body.results, strict=True) if c.var == loop.until)
    return (body.stmts, body.results) if until == literal(False) else (loop.body.stmts, loop.body.results)


def _exit_side(branch: If, body: Block, loop: For | While, active: set[Var]) -> int | None:
    """Which arm of a trip's last branch leaves the loop without having changed anything active: 0, 1 or None."""
    for side, arm in enumerate((branch.then, branch.orelse)):
        ends = list(zip(loop.carries, _arm_as_body(arm, branch, body).results, strict=True))
        leaves = any(carry.var == loop.until and end == literal(True) for carry, end in ends)
        if leaves and all(end == carry.var or carry.var not in active for carry, end in ends):
            return side
    return None


def _arm_as_body(arm: Block, branch: If, body: Block) -> Block:
    """An arm of a block's last branch, yielding what the block yields when that arm runs."""
    final = dict(zip(branch.outs, arm.results, strict=True))
    return Block(arm.stmts, tuple(final.get(r, r) if isinstance(r, Var) else r for r in body.results))


def without_raises(block: Block) -> Block:
    """A block that runs for the second time: what could raise has not."""
    kept = (stmt for stmt in block.stmts if not isinstance(stmt, (Raise, Remark)))
    return replace(block, stmts=tuple(with_blocks(stmt, without_raises) for stmt in kept))
