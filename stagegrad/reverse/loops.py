"""The reversal of a loop: run the trips again, last first; restore what a trip began with, run its body, undo its body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    binds,
    bound,
    clone,
    free,
    read,
    substitute,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.names import Words
from stagegrad.ops import Builder, literal
from stagegrad.reverse.carried import ZERO, gradient_carries, hand_on
from stagegrad.reverse.joined import joined
from stagegrad.reverse.records import NEVER, RECORD, Step, price_of_record, sizes_before, to_record, work

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep

ONE = literal(1)


class LoopReversal:
    """The reversal of one loop; an object because its parts share what the loop is."""

    def __init__(self, sweep: Sweep, loop: For | While) -> None:
        self.sweep, self.loop, self.fresh = sweep, loop, sweep.fresh
        again = replace(loop, body=without_raises(loop.body))
        copied, mapping = clone(Block((again,)), self.fresh)
        self.original = {new: old for old, new in mapping.items()}
        for facts in (sweep.active, sweep.conditional, sweep.reshaped):
            facts |= {new for old, new in mapping.items() if old in facts}
        sweep.unbounded |= {new for old, new in mapping.items() if old in sweep.unbounded}
        for known in (sweep.shapes, sweep.certain):
            known.update({new: known[old] for old, new in mapping.items() if old in known})
        sweep.made.update({stmt.out: stmt for stmt in walk(copied) if isinstance(stmt, Stage)})
        copy = copied.stmts[0]
        assert isinstance(copy, (For, While))
        self.copy: For | While = copy
        self.trip_stmts, self.results = _completed_trip(self.copy, sweep.active)
        self.partial_trips_vanish = self.results is not self.copy.body.results

    def run(self, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        before = Builder(self.fresh)
        carries, inner = gradient_carries(self.sweep, self.copy, [carry.out for carry in self.loop.carries], gradients, before)
        again, undo, kept = self._undo(inner, carries)
        after = Builder(self.fresh)
        records = self._choose(again, undo)
        core = needed(substitute(Block((*again, *undo.stmts), undo.results), {r.value: r.found for r in records}))
        wanted = free(core)
        records = [record for record in records if record.found in wanted]
        restores = sorted({*self._restores(core), *(r.carry for r in records if r.carry is not None)})
        recorded = self._record(restores, records)
        loop = self._backward_loop(core, kept, restores, records, recorded, before)
        owned = {carry.var: original for carry, original in zip(self.copy.carries, self.loop.carries, strict=True)}
        hand_on(self.sweep, kept, owned, gradients, after)
        return recorded.forward, [*before.stmts, *loop, *after.stmts]

    # -- one trip, undone

    def _undo(self, inner: Gradients, carries: list[tuple[Var, Carry]]) -> tuple[list[Stmt], Block, list[tuple[Var, Carry]]]:
        """The body of the reverse loop: the trip again, then the trip undone (what of it is needed)."""
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
        return again, needed(Block((*seeds.stmts, *undo, *ends.stmts), tuple(results))), kept

    def _arrived(self, var: Var, inner: Gradients, ends: Builder) -> Atom:
        """The gradient that a trip leaves for a value: nothing, where the trip does not read it."""
        return self.sweep.whole(inner.get(var, ZERO), var, ends)

    # -- what is recorded, and what is computed again

    def _choose(self, again: list[Stmt], undo: Block) -> list[Record]:
        """What the trip undone finds on tapes, because to compute it again would take longer."""
        stmts = needed(Block(tuple(again), tuple(free(undo)))).stmts
        nexts = self._dear_nexts(stmts)
        steps = []
        for stmt in stmts:
            stays = [var for var in binds(stmt) if var in nexts]
            reads, effort = ({self.copy.carries[nexts[stays[0]]].var}, RECORD // 2) if stays else (free(Block((stmt,))), work(stmt))
            steps.append(Step(binds(stmt), tuple(sorted(reads, key=lambda v: (v.name, v.version))), effort))
        sources = {var: source for stmt in stmts for var in binds(stmt) if (source := self._source(var, stmt)) is not None}
        made = [var for step in steps for var in step.outs]
        prices = {var: self._price(var) if var in sources else NEVER for var in made} | self._prices_of_starts()
        recorded = to_record(steps, sorted(free(undo), key=lambda v: (v.name, v.version)), lambda var: prices.get(var, 0))
        on_tape = [Record(var, self._same(var), sources[var], None) for var in made if var in recorded]
        return on_tape + [Record(var, self._same(var), var, nexts[var]) for var in made if var in nexts and var not in recorded]

    def _source(self, var: Var, stmt: Stmt) -> Var | None:
        """What a value of the copied trip is in the forward trip; what one arm of a branch exports is a value in that arm."""
        if var in self.original:
            return self.original[var]
        if not isinstance(stmt, If) or isinstance(self.loop, While):
            return None
        place = stmt.outs.index(var)
        for arm, other in ((stmt.then, stmt.orelse), (stmt.orelse, stmt.then)):
            value, nothing = arm.results[place], other.results[place]
            if isinstance(nothing, Lit) and nothing.value is None and isinstance(value, Var):
                maker = next((inner for inner in arm.stmts if value in binds(inner)), stmt)
                return self._source(value, maker) if maker is not stmt else None
        return None

    def _same(self, var: Var) -> Var:
        """The same value where the backward trip finds it."""
        found = self.fresh.like(var)
        for facts in (self.sweep.active, self.sweep.unbounded):
            if var in facts:
                facts.add(found)
        return found

    def _dear_nexts(self, stmts: Sequence[Stmt]) -> dict[Var, int]:
        """The values that are dear to make, and that the trip yields for a carry: the trip behind it began with them, and restored them."""
        if self.loop.until is not None and self.partial_trips_vanish:
            known = [k for k, carry in enumerate(self.copy.carries) if carry.var in self.sweep.active]
        else:
            known = list(range(len(self.results)))
        dear = {stmt.out for stmt in stmts if isinstance(stmt, Stage) and work(stmt) > price_of_record(stmt.out) // 2}
        found: dict[Var, int] = {}
        for k in known:
            result = self.results[k]
            if isinstance(result, Var) and result in dear and self._stride(k) is None:
                found.setdefault(result, k)
        return found

    def _price(self, var: Var) -> int:
        return price_of_record(var) if not var.type.rank or self.sizes(var, Builder(self.fresh)) else NEVER

    def _prices_of_starts(self) -> dict[Var, int]:
        """What it takes to know a carry's value at the start of a trip; a tape of them is preferred to one of what is made of them."""
        changing = (c.var for k, c in enumerate(self.copy.carries) if self._stride(k) is None and not self._unchanging(k))
        return {var: price_of_record(var) for var in changing}

    def sizes(self, var: Var, before: Builder) -> list[Atom] | None:
        """The sizes of an array that every trip makes, where they are known before the loop."""
        sweep, outside = self.sweep, self.sweep.outside_of(self.loop)
        if var in sweep.conditional:
            return None
        return sizes_before(var, sweep.certain, (array for array in sweep.scopes if array in outside), before)

    def _restores(self, body: Block) -> list[int]:
        """The positions of the carries whose value at the start of a trip the reverse body reads."""
        reading = free(body)
        return [k for k, carry in enumerate(self.copy.carries) if carry.var in reading]

    def _stride(self, k: int) -> Lit | None:
        """The constant that an int carry grows by on every trip, if that is all that happens to it."""
        carry, result = self.copy.carries[k], self.results[k]
        made = next((s for s in self.trip_stmts if isinstance(s, Stage) and s.out == result), None)
        if carry.var.type == INT and made and made.op == "add" and made.args[0] == carry.var and isinstance(made.args[1], Lit):
            return made.args[1]
        return None

    def _record(self, restores: list[int], records: list[Record]) -> Recorded:
        """The forward loop with a tape for each value that is recorded, and a count of trips where it cannot be foretold."""
        loop = self.loop
        counted = isinstance(loop, While) or loop.until is not None
        taped = [k for k in restores if self._stride(k) is None and not self._unchanging(k)]
        kept = [record for record in records if record.carry is None]
        if not taped and not kept and not counted:
            return Recorded([loop], {}, {}, None)
        return _Recorder(self, taped, kept, counted).run()

    def _unchanging(self, k: int) -> bool:
        return self.results[k] == self.copy.carries[k].var

    # -- the loop itself

    def _backward_loop(self, core: Block, kept: list[tuple[Var, Carry]], restores: list[int], records: list[Record],
                       recorded: Recorded, before: Builder) -> list[Stmt]:  # fmt: skip
        loop = self.loop
        inside = Builder(self.fresh)
        backwards = _Range(self.fresh, self.sweep.words, loop, recorded.trips, before, inside)
        mapping: dict[Var, Atom] = {}
        if isinstance(self.copy, For):
            mapping[self.copy.index] = backwards.user_index
        for k in restores:
            mapping[self.copy.carries[k].var] = self._restored(k, recorded.tapes, backwards.position, inside)
        extra: list[tuple[Carry, Atom]] = []
        for record in records:
            if record.carry is None:
                place: dict[str, Attr] = {"rank": record.value.type.rank} if record.value.type.rank else {}
                tape = recorded.values[record.value]
                mapping[record.found] = inside.stage("load", (tape, backwards.position), place, record.value.name)
            else:
                carry = self.loop.carries[record.carry]
                arriving = Carry(record.found, carry.out, self.fresh.like(record.found))
                extra.append((arriving, mapping[self.copy.carries[record.carry].var]))
        core = substitute(core, mapping)
        whole = needed(joined(Block((*inside.stmts, *core.stmts), (*core.results, *(result for _, result in extra)))))
        carries = (*(c for _, c in kept), *(carry for carry, _ in extra))
        return [replace(backwards.header, carries=carries, body=whole, span=loop.span)]

    def _restored(self, k: int, tapes: dict[int, Var], position: Atom, inside: Builder) -> Atom:
        carry, stride = self.loop.carries[k], self._stride(k)
        if k in tapes:
            return inside.emit("load", tapes[k], position, name=carry.var.name)
        if stride is None:
            return carry.init
        steps = position if stride.value == 1 else inside.emit("mul", position, stride)
        return steps if carry.init == literal(0) else inside.emit("add", carry.init, steps, name=carry.var.name)


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


@dataclass(frozen=True)
class Record:
    """A value of the forward trip that the backward trip does not compute again.

    `value` is what it is called where the trip runs again, `found` where it is found, `original` in the forward loop. It is on a tape
    of its own, or the next value of a carry: the backward trip before this one restored it as what its own trip began with.
    """

    value: Var
    found: Var
    original: Var
    carry: int | None


@dataclass(frozen=True)
class Recorded:
    """The forward statements, the tape of each carry and of each value that is recorded, and the count of trips."""

    forward: list[Stmt]
    tapes: dict[int, Var]
    values: dict[Var, Var]
    trips: Var | None


class _Recorder:
    """The forward loop with its tapes: arrays of the trip count where that is known on entry, growing ones otherwise."""

    def __init__(self, owner: LoopReversal, taped: list[int], kept: list[Record], counted: bool) -> None:
        self.owner, self.sweep, self.fresh, self.loop, self.taped = owner, owner.sweep, owner.fresh, owner.loop, taped
        loop = self.loop
        self.in_full_trips = owner.partial_trips_vanish
        self.before = Builder(self.fresh)
        self.count = self._counter() if counted else None
        room = self._room() if taped or kept else ONE
        self.tapes = [self._tape(loop.carries[k].var, room, self._sizes(loop.carries[k].init)) for k in taped]
        self.kept = {record.original: self._tape(record.original, room, self._made_sizes(record)) for record in kept}
        self.values = {record.value: self.kept[record.original].out for record in kept}
        self.start = Builder(self.fresh)
        self.at = self._position()

    def run(self) -> Recorded:
        """The forward loop that records, and where."""
        loop = self.loop
        if self.kept:
            stored = self._storing(loop.body, {var: carry.var for var, carry in self.kept.items()})
            self.loop = loop = replace(loop, carries=(*loop.carries, *self.kept.values()), body=stored)
        body = self._recording(loop.body) if self.in_full_trips else self._record_first(loop.body)
        body = replace(body, stmts=(*self.start.stmts, *body.stmts))
        forward = replace(loop, carries=(*loop.carries, *self._extra()), body=body)
        tapes = {k: tape.out for k, tape in zip(self.taped, self.tapes, strict=True)}
        return Recorded([*self.before.stmts, forward], tapes, self.values, self.count.out if self.count else None)

    def _extra(self) -> list[Carry]:
        return [*([self.count] if self.count else []), *self.tapes]

    def _counter(self) -> Carry:
        word = self.sweep.words.fresh("trips")
        return Carry(self.fresh.var(word, INT), literal(0), self.fresh.var(word, INT))

    def _room(self) -> Atom:
        if isinstance(self.loop, While):
            return literal(16)
        return self.before.emit("trip_count", self.loop.start, self.loop.stop, self.loop.step)

    def _sizes(self, array: Atom) -> list[Atom]:
        return [self.before.emit("extent", array, axis=axis) for axis in range(array.type.rank)]

    def _made_sizes(self, record: Record) -> list[Atom]:
        return (self.owner.sizes(record.value, self.before) or []) if record.value.type.rank else []

    def _tape(self, var: Var, room: Atom, sizes: Sequence[Atom]) -> Carry:
        word = self.sweep.word("{}_tape", var.name or "it")
        bits: dict[str, Attr] = {"bits": 32} if var.type.bits == 32 else {}
        empty = self.before.stage(f"tape_{var.type.kind}", (room, *sizes), bits, word)
        inside, out = (self.fresh.var(word, empty.type) for _ in range(2))
        if var in self.sweep.active:
            self.sweep.active.update(variables((empty, inside, out)))
        return Carry(inside, empty, out)

    def _store(self, builder: Builder, tape: Var, value: Var) -> Atom:
        """The tape with one more record."""
        roomy: Atom = tape
        if isinstance(self.loop, While):
            roomy = builder.emit("grow", tape, self.at, name=tape.name)
        stored = builder.emit("store", roomy, self.at, value, name=tape.name)
        if tape in self.sweep.active:
            self.sweep.active.update(variables((roomy, stored)))
        return stored

    # -- values of the trip, recorded where they are made

    def _storing(self, body: Block, tapes: dict[Var, Var]) -> Block:
        """The body that also yields the tapes of the values that are made in it; `tapes` are those that it begins with."""
        current: dict[Var, Atom] = dict(tapes)
        stmts: list[Stmt] = []
        for stmt in body.stmts:
            made = bound(stmt.then) | bound(stmt.orelse) if isinstance(stmt, If) else set()
            inner = [var for var in tapes if var in made] if made else []
            stmts.append(self._storing_branch(stmt, inner, current) if inner and isinstance(stmt, If) else stmt)
            builder = Builder(self.fresh)
            for var in binds(stmt):
                tape = current.get(var)
                if isinstance(tape, Var):
                    current[var] = self._store(builder, tape, var)
            stmts += builder.stmts
        return Block(tuple(stmts), (*body.results, *current.values()))

    def _storing_branch(self, stmt: If, inner: list[Var], current: dict[Var, Atom]) -> If:
        """A branch in whose arms some of the values are made; behind it, `current` holds their tapes."""
        entering = {var: tape for var in inner if isinstance(tape := current[var], Var)}
        then, orelse = (self._storing(arm, entering) for arm in (stmt.then, stmt.orelse))
        outs = {var: self.fresh.like(tape) for var, tape in entering.items()}
        self.sweep.active.update(out for var, out in outs.items() if entering[var] in self.sweep.active)
        current.update(outs)
        return replace(stmt, then=then, orelse=orelse, outs=(*stmt.outs, *outs.values()))

    # -- what a trip begins with

    def _record_first(self, body: Block) -> Block:
        stmts, results = self._records()
        counting = stmts[-1:] if self.count else []
        # The count is the place of all of the trip's records: it grows behind the last of them.
        placing = [k for k, stmt in enumerate(body.stmts, 1) if self.count and self.count.var in read(Block((stmt,)))]
        last = max(placing, default=0)
        ordered = (*stmts[: len(stmts) - len(counting)], *body.stmts[:last], *counting, *body.stmts[last:])
        return Block(ordered, (*body.results, *results))

    def _recording(self, body: Block) -> Block:
        """Records behind the last early exit: a trip that ends there changes nothing, so nothing of it is undone."""
        last = body.stmts[-1] if body.stmts else None
        # What a trip that is not counted has put on a tape, the next one overwrites, and nobody reads.
        active = self.sweep.active - {tape.var for tape in self.kept.values()}
        side = _exit_side(last, body, self.loop, active) if isinstance(last, If) else None
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
        results = [self._store(builder, tape.var, self.loop.carries[k].var) for k, tape in zip(self.taped, self.tapes, strict=True)]
        if self.count:
            results.insert(0, builder.emit("add", self.count.var, ONE, name=self.count.var.name))
        return builder.stmts, results

    def _position(self) -> Atom:
        if self.count:
            return self.count.var
        assert isinstance(self.loop, For)
        return position_of(self.start, self.loop.index, self.loop.start, self.loop.step, self.sweep.words)


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
