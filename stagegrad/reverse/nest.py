"""The reversal of loops that write to arrays in place, one inside another.

A trip is not run again: the arrays that it began with are gone. Instead the backward pass restores them, write by write, from the
elements that were overwritten, and so meets every array as the statement that it undoes had met it:

    for i in range(n):                    for i in range(n):                 for i in range(n - 1, -1, -1):
        v = sin(a[i]) * a[i - 1]              was_tape[i] = a[i]                 a[i] = was_tape[i]
        a[i] = v                              v = sin(a[i]) * a[i - 1]           ai = a[i]  ...
                                              a[i] = v

What the backward trip reads of the forward trip is, in this order: read again from a restored array, where that array is as it was;
computed again from what is known at the start of the trip; recorded. Records of a whole nest lie one behind another on one tape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    If,
    Stage,
    Stmt,
    Type,
    Var,
    While,
    binds,
    clone,
    free,
    substitute,
    variables,
)  # fmt: skip
from stagegrad.names import Words
from stagegrad.ops import Builder, literal
from stagegrad.reverse.carried import ZERO, gradient_carries, hand_on, in_order
from stagegrad.reverse.joined import joined
from stagegrad.reverse.loops import ONE, _Range, position_of
from stagegrad.reverse.records import sizes_before
from stagegrad.reverse.rooms import hoisted, room_for
from stagegrad.reverse.threads import Level, Nest, Thread, Use, makers_of, needed_with, same_facts

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep

#: Tapes have an axis for each of so many loops at most; of a longer nest the records lie one behind another.
_MOST_AXES = 3
#: So many places may stay empty before those of a loop that does not begin at 0.
_MOST_EMPTY = 2


class NestReversal:
    """The reversal of one loop of a nest; the outermost one begins and ends the nest."""

    def __init__(self, sweep: Sweep, loop: For | While) -> None:
        self.sweep, self.loop, self.fresh = sweep, loop, sweep.fresh
        self.outermost = sweep.nest is None

    def run(self, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        """The loop with what it records, and the loop that undoes it."""
        sweep = self.sweep
        if self.outermost:
            sweep.nest = Nest(sweep.outside_of(self.loop) - sweep.undefined, Builder(self.fresh))
        try:
            return self._run(gradients)
        finally:
            if self.outermost:
                sweep.nest = None

    @property
    def nest(self) -> Nest:
        assert self.sweep.nest is not None
        return self.sweep.nest

    def _run(self, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        sweep, loop = self.sweep, self.loop
        before, after = Builder(self.fresh), Builder(self.fresh)
        kept, inner = gradient_carries(sweep, loop, [carry.out for carry in loop.carries], gradients, before)
        outside = dict(sweep.current)
        restored = self._restored_carries()
        levels, mark = sweep.levels, len(self.nest.uses)
        self.nest.loops.append(loop)
        sweep.levels = [*levels, Level(makers_of(loop.body), sweep.lineages.written_in(loop.body))]
        core, forward = self._undone(kept, inner, restored, mark)
        sweep.levels = levels
        uses = self.nest.uses[mark:]
        del self.nest.uses[mark:]
        sweep.current = outside  # what a trip has restored is not bound behind the loop
        for position, carry in restored:
            init = loop.carries[position].init
            if isinstance(init, Var):
                sweep.current[init] = carry.out
        forward_stmts, backward_stmts = _Trips(self, forward, core, [c for _, c in kept] + [c for _, c in restored], uses, before).run()
        self.nest.loops.pop()
        hand_on(sweep, kept, {carry.var: carry for carry in loop.carries}, gradients, after)
        if self.outermost:
            forward_stmts = [*self.nest.before.stmts, *forward_stmts]
        return forward_stmts, [*before.stmts, *backward_stmts, *after.stmts]

    # -- arrays

    def _restored_carries(self) -> list[tuple[int, Carry]]:
        """For each carried array that is written to: the array as the backward loop restores it, trip by trip."""
        sweep, found = self.sweep, []
        for position, (carry, result) in enumerate(zip(self.loop.carries, self.loop.body.results, strict=True)):
            if sweep.lineages.changing(carry.var) and isinstance(result, Var):
                start = sweep.current.get(carry.out, carry.out)
                var, out = self.fresh.like(carry.var), self.fresh.like(carry.var)
                same_facts(sweep, {carry.var: var, carry.out: out})
                found.append((position, Carry(var, start, out)))
        for position, carry in found:
            result = self.loop.body.results[position]
            assert isinstance(result, Var)
            sweep.current[result] = carry.var
        return found

    def _undone(
        self, kept: list[tuple[Var, Carry]], inner: Gradients, restored: list[tuple[int, Carry]], mark: int
    ) -> tuple[Block, list[Stmt]]:
        """The trip undone, which yields the gradients and the restored arrays of the trip before it; and the trip with its records."""
        sweep, loop = self.sweep, self.loop
        seeds, ends = Builder(self.fresh), Builder(self.fresh)
        arriving = {var: carry.var for var, carry in kept}
        for carry, result in zip(loop.carries, loop.body.results, strict=True):
            if carry.var in arriving:
                sweep.add(inner, result, arriving[carry.var], seeds)
        forward, undo = sweep.block(loop.body.stmts, inner)
        results = [sweep.whole(inner.get(var, ZERO), var, ends) for var, _ in kept]
        vars = [loop.carries[position].var for position, _ in restored]
        results += [sweep.current.get(var, var) for var in vars]
        return needed_with((*seeds.stmts, *undo, *ends.stmts), results, self.nest.uses[mark:]), forward


@dataclass(frozen=True)
class _Even:
    """What a loop runs over each time that it is entered."""

    start: Atom
    stop: Atom
    step: Atom

    @property
    def is_direct(self) -> bool:
        """Does its own index say where the record of a trip is, but for a few places that stay empty?"""
        upward = self.step == ONE and self.start in [literal(number) for number in range(_MOST_EMPTY + 1)]
        return upward or (self.step == self.stop == literal(-1))

    def place(self, index: Atom, builder: Builder, words: Words) -> Atom:
        return index if self.is_direct else position_of(builder, index, self.start, self.step, words)

    def length(self, before: Builder) -> Atom:
        """How many places there are for records."""
        trips = before.emit("trip_count", self.start, self.stop, self.step)
        return before.emit("add", trips, self.start) if self.is_direct and self.step == ONE and self.start != literal(0) else trips


class _Trips:
    """The two loops put together: what the backward trip needs to know is recorded by the forward trip, or computed again."""

    def __init__(self, owner: NestReversal, forward: list[Stmt], core: Block, carries: list[Carry], uses: list[Use],
                 before: Builder) -> None:  # fmt: skip
        self.owner, self.sweep, self.fresh, self.loop = owner, owner.sweep, owner.fresh, owner.loop
        self.forward, self.core, self.carries, self.uses, self.before = forward, core, carries, uses, before
        self.inside = Builder(self.fresh)  # the first statements of the backward trip
        self.changed = self.sweep.lineages.written_in(self.loop.body)
        self.extra: list[tuple[Carry, Atom]] = []  # of the forward loop: the carry and what a trip yields for it
        self.back_extra: list[tuple[Carry, Atom]] = []
        self.mine: list[Use] = []
        self.at_start: list[Stmt] = []
        self.behind: dict[Var, list[Stmt]] = {}  # records, behind what makes the recorded value
        self.at_end: list[Stmt] = []
        self.mapping: dict[Var, Atom] = {}
        self.recorded: set[Var] = set()
        self._place: tuple[tuple[Atom, ...], tuple[Atom, ...]] | None = None
        self._lengths: list[Atom] = []  # of the axes of tapes that have one for each loop of the nest
        self.entry = Builder(self.fresh)  # right before the forward loop
        self._first_record: Var | None = None

    def run(self) -> tuple[list[Stmt], list[Stmt]]:
        trips = self._counted()
        self.range = _Range(self.fresh, self.sweep.words, self.loop, trips, self.before, self.inside)
        again = self._recover()
        for use in self.uses:
            self._pass_on(use)
        forward = self._forward_loop()
        body = substitute(Block((*again, *self.core.stmts), self.core.results), self.mapping)
        back = tuple(result for _, result in self.back_extra)
        whole = joined(Block((*self.inside.stmts, *body.stmts), (*body.results, *back)))
        carries = (*self.carries, *(carry for carry, _ in self.back_extra))
        backward = replace(self.range.header, carries=carries, body=whole, span=self.loop.span)
        self.owner.nest.uses += self.mine
        return [*self.entry.stmts, forward], [backward]

    def _forward_loop(self) -> For | While:
        stmts: list[Stmt] = list(self.at_start)
        for stmt in self.forward:
            stmts.append(stmt)
            for var in binds(stmt):
                stmts += self.behind.get(var, [])
        stmts += self.at_end
        loop = self.loop
        body = Block(tuple(stmts), (*loop.body.results, *(result for _, result in self.extra)))
        return replace(loop, carries=(*loop.carries, *(carry for carry, _ in self.extra)), body=body)

    def _counted(self) -> Var | None:
        """The number of trips, where it cannot be foretold: counted from 0 each time that the loop is entered."""
        if isinstance(self.loop, For) and self.loop.until is None:
            return None
        word = self.sweep.words.fresh("trips")
        carry = Carry(self.fresh.var(word, INT), literal(0), self.fresh.var(word, INT))
        more = Builder(self.fresh)
        result = more.emit("add", carry.var, ONE, name=word)
        self.at_end += more.stmts
        self.extra.append((carry, result))
        return carry.out

    # -- threads

    def _pass_on(self, use: Use) -> None:
        """A thread of an inner statement passes through this loop as well."""
        self._carry(use.thread, use.enters, use.leaves, use.back_enters, use.back_leaves)

    def _carry(self, thread: Thread, var: Var, result: Atom, back: Var | None, back_result: Atom | None) -> Var | None:
        """Leads a thread through both loops; what it is when it enters the forward loop, where that is not the outermost one."""
        outermost = self.owner.outermost
        init = thread.start(self.owner.nest.before) if outermost else self.fresh.var(thread.word, thread.type)
        out = thread.final if outermost else self.fresh.var(thread.word, thread.type)
        self.extra.append((Carry(var, init, out), result))
        back_init: Atom | None = None
        back_out: Var | None = None
        if back is not None and back_result is not None:
            back_init = thread.final if outermost else self.fresh.var(thread.word, thread.type)
            back_out = self.fresh.var(thread.word, thread.type)
            self.back_extra.append((Carry(back, back_init, back_out), back_result))
        if not outermost:
            assert isinstance(init, Var) and (back_init is None or isinstance(back_init, Var))
            self.mine.append(Use(thread, init, out, back_init, back_out))
            return init
        return None

    def _room_on_entry(self, tape: Var, enters: Var) -> None:
        """Makes room for the records of all trips of an inner loop before its first one."""
        assert isinstance(self.loop, For) and self._first_record is not None
        trips = self.entry.emit("trip_count", self.loop.start, self.loop.stop, self.loop.step)
        end = self.entry.emit("add", self._first_record, trips)
        roomy = self.entry.emit("reserve", enters, end, name=enters.name)
        if enters in self.sweep.active or tape in self.sweep.active:
            self.sweep.active.update(variables((enters, roomy)))
        self.extra = [(replace(carry, init=roomy) if carry.var == tape else carry, result) for carry, result in self.extra]

    def place(self) -> tuple[tuple[Atom, ...], tuple[Atom, ...]]:
        """The position of this trip's records on their tapes, in the forward and in the backward trip."""
        if self._place is None:
            self._place = self._own_place()
        return self._place

    def _own_place(self) -> tuple[tuple[Atom, ...], tuple[Atom, ...]]:
        loop, start = self.loop, Builder(self.fresh)
        if self.owner.outermost and isinstance(loop, For):
            here = position_of(start, loop.index, loop.start, loop.step, self.sweep.words)
            self.at_start[:0] = start.stmts
            return (here,), (self.range.position,)
        if (ranges := self._even_ranges()) is not None:
            forward = tuple(one.place(loop.index, start, self.sweep.words) for loop, one in ranges)
            self.at_start[:0] = start.stmts
            around = tuple(one.place(loop.index, self.inside, self.sweep.words) for loop, one in ranges[:-1])
            self._lengths = [one.length(self.owner.nest.before) for _, one in ranges]
            return forward, (*around, self.range.user_index if ranges[-1][1].is_direct else self.range.position)
        thread = self._thread("record", INT, lambda builder: literal(0), returns=True)
        var, back = (self.fresh.var(thread.word, INT) for _ in range(2))
        more = Builder(self.fresh)
        result = more.emit("add", var, ONE, name=thread.word)
        self.at_end += more.stmts
        at = self.inside.emit("sub", back, ONE, name=thread.word)
        self._first_record = self._carry(thread, var, result, back, at)
        return (var,), (at,)

    def _even_ranges(self) -> list[tuple[For, _Even]] | None:
        """The loops of the nest with what they run over, where that is the same each time: a tape has an axis for each of them then."""
        nest, found = self.owner.nest, list[tuple[For, _Even]]()
        for loop in nest.loops:
            if not isinstance(loop, For) or loop.until is not None:
                return None
            known = [hoisted(self.sweep, nest, atom) for atom in (loop.start, loop.stop, loop.step)]
            start, stop, step = known
            if start is None or stop is None or step is None:
                return None
            found.append((loop, _Even(start, stop, step)))
        return found if len(found) <= _MOST_AXES else None

    # -- what the backward trip reads of the forward trip

    def _recover(self) -> list[Stmt]:
        """Fills `mapping` with what is known in the backward trip; returns what is computed again, in the order of the trip."""
        here = {var for stmt in self.forward for var in binds(stmt)}
        if isinstance(self.loop, For):
            here.add(self.loop.index)
        owned = {carry.var: k for k, carry in enumerate(self.loop.carries)}
        makers = {var: stmt for stmt in self.forward for var in binds(stmt)}
        threads = {use.leaves for use in self.uses}
        again: dict[Var, Stmt] = {}
        seen: set[Var] = set()
        pending = in_order(free(self.core))
        while pending:
            var = pending.pop(0)
            if var in seen or var in threads or not (var in here or var in owned):
                continue
            seen.add(var)
            if isinstance(self.loop, For) and var == self.loop.index:
                self.mapping[var] = self.range.user_index
            elif var in owned:
                self._known_at_start(var, owned[var])
            elif var.type == INT and (known := hoisted(self.sweep, self.owner.nest, var)) is not None:
                self.mapping[var] = known
            elif self._repeatable(part := _part_for(makers[var], [var])):
                again[var] = makers[var]
                pending += in_order(free(Block((part,))))
            else:
                self._recorded(var)
        parts = (_part_for(stmt, vars) for stmt in self.forward if (vars := [var for var in binds(stmt) if again.get(var) is stmt]))
        copied, mapping = clone(Block(tuple(parts)), self.fresh)
        same_facts(self.sweep, mapping)
        self.mapping.update(mapping)
        return list(copied.stmts)

    def _repeatable(self, stmt: Stmt) -> bool:
        """May a statement run again in the backward trip: is every array that it reads unchanged or recorded there, and is it quick?"""
        match stmt:
            case Stage(op="store" | "accumulate" | "grow" | "reserve"):
                return False
            case Stage():
                arrays = {arg for arg in stmt.args if isinstance(arg, Var) and self.sweep.lineages.root.get(arg) in self.changed}
                return arrays <= self.recorded
            case If():
                return all(self._repeatable(inner) for arm in (stmt.then, stmt.orelse) for inner in arm.stmts)
            case _:
                return False

    def _known_at_start(self, var: Var, position: int) -> None:
        """A carried value at the start of the trip: what never changes is known, anything else is recorded."""
        if self.loop.body.results[position] == var:
            self.mapping[var] = self.loop.carries[position].init
        else:
            self._recorded(var)

    # -- records

    def _recorded(self, var: Var) -> None:
        """A value that nothing else tells: written to a tape where it is made, read when the backward trip begins."""
        records = Builder(self.fresh)
        self.recorded.add(var)
        if not var.type.rank:
            self.mapping[var] = self._on_tape(var, var.name, records)
        elif var not in self.sweep.conditional and (sizes := self._sizes_before(var)) is not None:
            self.mapping[var] = self._on_tape(var, var.name, records, sizes)
        else:
            self.mapping[var] = self._array_on_tape(var, records)
        if any(var == carry.var for carry in self.loop.carries):
            self.at_start += records.stmts
        else:
            self.behind.setdefault(var, []).extend(records.stmts)

    def _on_tape(self, value: Var, name: str, records: Builder, sizes: Sequence[Atom] = ()) -> Atom:
        """One record a trip, of a number or of an array of sizes known before the nest; what it is when it is read again."""
        here, there = self.place()
        room = room_for(self.sweep, self.owner.nest) if len(here) == 1 else here[0]

        def start(builder: Builder) -> Atom:
            lengths = self._lengths if len(here) > 1 else [literal(16) if room is None else room]
            return self._tape(value, builder, *lengths, *sizes)

        word = name or self.sweep.tape_words.get(value, "it")
        thread = self._thread(f"{word}_tape", replace(value.type, rank=value.type.rank + len(here)), start)
        tape = self.fresh.var(thread.word, thread.type)
        counted = isinstance(self.loop, For) and self.loop.until is None and not self.owner.outermost
        roomy = records.emit("grow", tape, *here, name=thread.word) if room is None and not counted else tape
        place: dict[str, Attr] = {"rank": value.type.rank} if value.type.rank else {}
        if len(here) > 1:
            place = {"at": f"[{', '.join(f'{{{k}}}' for k in range(len(here)))}]", "rank": value.type.rank}
        result = records.stage("store", (roomy, *here, value), place, thread.word)
        self._activate(value, thread.final, tape, roomy, result)
        enters = self._carry(thread, tape, result, None, None)
        if room is None and counted and enters is not None:
            self._room_on_entry(tape, enters)
        return self.inside.stage("load", (thread.final, *there), place, name)

    def _array_on_tape(self, array: Var, records: Builder) -> Atom:
        """Arrays whose shape may change from trip to trip lie element behind element on one tape."""
        name = array.name or self.sweep.tape_words.get(array, "array")
        values = self._thread(f"{name}_tape", replace(array.type, rank=1), lambda builder: self._tape(array, builder, literal(16)))
        ends = self._thread(f"{name}_end", INT, lambda builder: literal(0), returns=True)
        tape, begin, end_again = (self.fresh.var(t.word, t.type) for t in (values, ends, ends))
        sizes = [records.emit("extent", array, axis=axis) for axis in range(array.type.rank)]
        known = [self._on_tape(size, "", records) if isinstance(size, Var) else size for size in sizes]
        end = records.emit("add", begin, _product(records, sizes), name=ends.word)
        roomy = records.emit("reserve", tape, end, name=values.word)
        at, shaped = _shaped_section(array.type.rank)
        place: dict[str, Attr] = {"at": at + (f"[{', '.join(':' * array.type.rank)}]" if shaped else ""), "rank": array.type.rank}
        result = records.stage("store", (roomy, begin, end, *(sizes if shaped else ()), array), place, values.word)
        self._activate(array, values.final, tape, roomy, result)
        begin_again = self.inside.emit("sub", end_again, _product(self.inside, known), name=ends.word)
        self._carry(values, tape, result, None, None)
        self._carry(ends, begin, end, end_again, begin_again)
        section = (begin_again, end_again, *(known if shaped else ()))
        return self.inside.emit("load", values.final, *section, name=array.name, at=at, rank=array.type.rank)

    def _thread(self, base: str, type: Type, start: Callable[[Builder], Atom], returns: bool = False) -> Thread:
        word = self.sweep.words.fresh(base)
        return Thread(word, type, start, self.fresh.var(word, type), returns)

    def _tape(self, value: Var, builder: Builder, *sizes: Atom) -> Atom:
        bits: dict[str, Attr] = {"bits": 32} if value.type.bits == 32 else {}
        empty = builder.stage(f"tape_{value.type.kind}", sizes, bits)
        self._activate(value, empty)
        return empty

    def _activate(self, value: Var, *tapes: Atom) -> None:
        if value in self.sweep.active:
            self.sweep.active.update(variables(tapes))

    def _sizes_before(self, array: Var) -> list[Atom] | None:
        """The sizes of an array, computed before the nest; None where they may change from trip to trip."""
        nest, sweep = self.owner.nest, self.sweep
        return sizes_before(array, sweep.certain, (var for var in sweep.scopes if var in nest.outside), nest.before)


def _part_for(stmt: Stmt, vars: Sequence[Var]) -> Stmt:
    """What of a statement makes these values: of a branch, which may write to arrays besides, what they depend on."""
    return needed(Block((stmt,), tuple(vars))).stmts[0] if isinstance(stmt, If) else stmt


def _product(builder: Builder, sizes: Sequence[Atom]) -> Atom:
    total = sizes[0]
    for size in sizes[1:]:
        total = builder.emit("mul", total, size)
    return total


def _shaped_section(rank: int) -> tuple[str, bool]:
    """The section of a tape that holds an array, and whether it must be given the array's shape."""
    if rank == 1:
        return "[{0}:{1}]", False
    return f"[{{0}}:{{1}}].reshape({', '.join(f'{{{k + 2}}}' for k in range(rank))})", True
