"""Loops that are counted at run time: what they carry from trip to trip, found by lowering the body until it is settled.

What the body changes is carried: local variables, the versions of buffers (`memory`), and the flags of leaving early. A variable
that holds another buffer at the end of a trip than at its beginning holds a buffer of the loop's own, so that ``u, v = v, u`` is
two buffers that change places.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from itertools import chain, count, repeat
from typing import TYPE_CHECKING, TypeAlias

from stagegrad.frontend.emitter import RESULT, RETURNED, Arm, Flow
from stagegrad.frontend.growth import appended, appended_deeper, rekeyed
from stagegrad.frontend.lists import OtherNumbers
from stagegrad.frontend.memory import KEPT, Memory, buffers_in, key_of
from stagegrad.frontend.scope import Loop, assigned, has_exit
from stagegrad.frontend.stages import Origin, Strength
from stagegrad.frontend.values import (
    FALSE,
    GONE,
    POISON,
    TRUE,
    Closure,
    Key,
    Many,
    Numbers,
    Range,
    Record,
    Ref,
    Slot,
    Unfit,
    Value,
    alike,
    exactness,
    fill,
    idents,
    join,
    leaves,
    named_anew,
    refs,
    undefined,
    unfit_in,
    with_refs,
)  # fmt: skip
from stagegrad.ir import BOOL, FLOAT, INT, Atom, Block, Carry, For, Lit, Type, Var, While

if TYPE_CHECKING:
    from stagegrad.frontend.control import Statements

#: So many lists that a loop makes are told apart from one another in the trips behind.
_EARLIER = 8
TEST: Key = (0, "$test")
#: What a loop takes at a position.
Item: TypeAlias = Callable[[Atom], Value]


@dataclass
class _Carried:
    """A variable that a loop changes: its skeleton (None while nothing is known), and whether it may be unbound."""

    key: Key
    word: str
    skeleton: Value | None
    flagged: bool
    vars: list[Var]
    bound: Atom = TRUE
    either: bool = False  # whether its numbers are NumPy's on some trips only
    origins: frozenset[Origin] = frozenset()  # what made the arrays without axes that its numbers lie in at the end of a trip


class LoopLowering:
    """Lowers one `for` over a range, or over what `item` gives at each position of it, or one `while`."""

    def __init__(self, lowering: Statements, stmt: Loop, over: Range | None, item: Item | None = None) -> None:
        self.low, self.stmt, self.over, self.item = lowering, stmt, over, item
        self.start = dict(lowering.env), len(lowering.stmts)
        self.mark = len(lowering.compilation.problems), len(lowering.compilation.made)
        self.earlier = [lowering.new_ident() for _ in range(_EARLIER)]  # what lists of earlier trips go by
        self.lists = lowering.lists_now()
        self.roomy, self.full = lowering.make_room(stmt, over)
        frame, scope = lowering.frame, lowering.frame.scope
        header: ast.expr = stmt.target if isinstance(stmt, ast.For) else stmt.test
        self.walrus = isinstance(stmt, ast.While) and bool(assigned([stmt.test]))
        self.endless = False
        self.region = lowering.new_region(scope.head[stmt] | scope.captured)
        slots = {name: lowering.env.get((frame.number, name)) for name in appended(stmt.body)}
        grown = [name for name, slot in slots.items() if slot is not None and isinstance(slot.value, Numbers)]
        slots = {name: lowering.env.get((frame.number, name)) for name in rekeyed(stmt.body)}
        several = (slot.value for slot in slots.values() if slot is not None)
        self.changing = {value.ident for value in several if isinstance(value, Many) and lowering.may_be_placed(value)}
        grown += [name for name, slot in slots.items() if slot is not None and isinstance(slot.value, Many | Numbers | Record)]
        held = {key: lowering.env[key].value for name in appended(stmt.body) if (key := (frame.number, name)) in lowering.env}
        deeper = appended_deeper(stmt.body)  # what inner loops append to has no room left behind them
        self.growing = {key: value.ident for key, value in held.items() if isinstance(value, Numbers) and key[1] not in deeper}
        changed = [(frame.number, name) for name in dict.fromkeys([*assigned([header, *stmt.body]), *grown])]
        live = scope.head[stmt] | scope.captured
        self.lost = [key for key in changed if key[1] not in live]
        self.visible = scope.body[stmt] | scope.captured
        self.carried = [self._carried(key) for key in changed if key[1] in live]
        self.heads: set[int] = set()  # the buffers of the loop's own
        memory = lowering.memory
        self.kept = {buffer for buffer in memory.entangled(KEPT) if key_of(buffer) in lowering.env} if memory else set()

    def _carried(self, key: Key) -> _Carried:
        slot = self.low.env.get(key)
        word = self.low.word(self.low.frame, key[1]) if key[0] == self.low.frame.number else self.low.word_of(key)
        skeleton = None if slot is None else undefined(slot.value)
        return _Carried(key, word, skeleton, slot is None or slot.bound != TRUE, [])

    def run(self) -> Flow:
        """Lowers the loop and what its `else` holds."""
        low, outer = self.low, self.low.region
        while True:
            low.forget_lists(self.lists)  # so that what the body makes goes by the same bits in each attempt
            mark = len(low.compilation.problems), len(low.compilation.made)
            low.region = self.region
            low.growing.append(self.growing)
            low.changing.append(self.changing)
            others = False
            try:
                index, test, body = self._trip()
            except OtherNumbers as other:
                outer_ones = any(other.ident in lists for lists in low.changing[:-1])
                others = other.ident in self.roomy.values() or (other.ident in self.changing and not outer_ones)
                if not others:
                    raise
            finally:
                low.region = outer
                low.growing.pop()
                low.changing.pop()
            if others:
                low.compilation.forget(*mark)
                return self._again()
            if not self._more_changed(body) and self._agreed(body) and self._settled(body) and not self._more_names(body):
                break
            low.compilation.forget(*mark)
        returned, broke = self._finish(index, test, body)
        if len(low.compilation.problems) == self.mark[0] and self._sizes_found():
            low.compilation.forget(*self.mark)
            return self._again()
        flow = low.came_back(returned, self.endless and broke == FALSE)
        return low.otherwise(self.stmt, flow, broke)

    def _sizes_found(self) -> bool:
        """Whether it is known now what sizes the arrays have that the loop appends to lists, so that it is to be lowered again."""
        env, stmts = self.start
        found = [self.low.require_rows(ident, stmts, env, self.stmt) for ident in self.roomy.values()]
        return any(found)

    def _again(self) -> Flow:
        """Lowers the loop from the beginning, the room for lists included."""
        low, (env, stmts) = self.low, self.start
        low.env, low.stmts[stmts:] = env, []
        low.forget_lists(self.lists)
        return LoopLowering(low, self.stmt, self.over, self.item).run()

    # ------------------------------------------------------------------------------------------ one attempt

    def _trip(self) -> tuple[Var, Arm, Arm]:
        """The test and the body, as one trip sees them."""
        low = self.low
        env = dict(low.env)
        for key in self.lost:
            env[key] = Slot(GONE)
        for carried in self.carried:
            self._enter(carried, env)
        for flag in (self.region.exit, self.region.until, self.region.broke, RETURNED):
            env[flag] = Slot(FALSE)
        env.pop(RESULT, None)
        if isinstance(self.stmt, ast.For):
            return self._counted_trip(self.stmt, env)
        return self._tested_trip(self.stmt, env)

    def _enter(self, carried: _Carried, env: dict[Key, Slot]) -> None:
        if carried.skeleton is None:
            env.pop(carried.key, None)
            return
        entry = self.low.env.get(carried.key)
        low, many = self.low, isinstance(carried.skeleton, Many | Record | Range | Closure | Ref)
        types = [leaf.type for leaf in leaves(carried.skeleton)]
        words = chain(["" if many else carried.word], repeat(""))  # of a list in arrays, the first is what it is called
        carried.vars = [low.fresh.var(word, type) for word, type in zip(words, types, strict=False)]
        for var, init in zip(carried.vars, leaves(entry.value) if entry else (), strict=False):
            guess = low.guess_of(init)
            if var.type == FLOAT and guess is not None:
                low.guessed[var] = guess
            strength = Strength.EITHER if carried.either else low.strength(init)
            if strength is not Strength.WEAK:
                low.strengths[var] = strength
            low.same_origins(var, init)
        if carried.origins:
            low.origins.update({var: low.origins.get(var, frozenset()) | carried.origins for var in carried.vars})
        carried.bound = low.fresh.var("", BOOL) if carried.flagged else TRUE
        env[carried.key] = Slot(fill(carried.skeleton, iter(carried.vars)), carried.bound, entry.span if entry else None)

    def _counted_trip(self, stmt: ast.For, env: dict[Key, Slot]) -> tuple[Var, Arm, Arm]:
        low = self.low
        if self.item is not None:
            index = low.fresh.var(self._index_name(stmt.target), INT)
            return index, Arm([], env), low.arm(lambda: self._item_first(stmt, index), Arm([], env))
        assert isinstance(stmt.target, ast.Name)
        index = low.fresh.var(low.word(low.frame, stmt.target.id), INT)
        env[low.frame.number, stmt.target.id] = Slot(index, TRUE, low.span(stmt.target))
        return index, Arm([], env), low.arm(self._body, Arm([], env))

    def _tested_trip(self, stmt: ast.While, env: dict[Key, Slot]) -> tuple[Var, Arm, Arm]:
        low, unused = self.low, Var("", INT, -1)
        if self.walrus:
            always = Arm([], {TEST: Slot(TRUE)})
            return unused, always, low.arm(lambda: self._tested_inside(stmt), Arm([], env))
        test = low.arm(lambda: low.hold_test(stmt.test), Arm([], dict(env)))
        self.endless = test.env[TEST].value == TRUE
        changed = self._changed(env, test.env)
        if changed:
            message = f"the test of this loop changes `{changed[0][1]}`"
            raise low.refusal(stmt.test, message, "`while True`, and the test with a `break` at the beginning of the body")
        return unused, test, low.arm(self._body, Arm([], env))

    def _index_name(self, target: ast.expr) -> str:
        """The name of a position: the user's, for ``for i, x in enumerate(a)``; else the first letter that nobody uses."""
        low, free = self.low, chain("ijklmnpqrst", (f"at{k}" for k in count()))
        return next(name for name in free if name not in low.frame.scope.locals and low.words.setdefault(name, target) is target)

    def _item_first(self, stmt: ast.For, index: Var) -> Flow:
        assert self.item is not None
        self.low.assign(stmt.target, self.item(index), stmt.target)
        return self._body()

    def _body(self) -> Flow:
        return self.low.ending(self.region.keep, lambda: self.low.body(self.stmt.body))

    def _tested_inside(self, stmt: ast.While) -> Flow:
        """A test that assigns (``while (d := f(x)) > 0``) moves into the body of an endless loop, and ends it."""
        low, region = self.low, self.region
        test = low.truth(low.expr(stmt.test), stmt.test)

        def end() -> Flow:
            low.raise_flag(region.exit)
            low.raise_flag(region.until)
            return Flow.EXIT

        return low.merge(test, low.arm(self._body), low.arm(end), region.keep, stmt)

    def _settled(self, body: Arm) -> bool:
        """Are the types at the end of the body those that its beginning assumed? If not, they are widened."""
        settled = True
        for carried in self.carried:
            settled = self._same_strength(carried, body) and self._same_origins(carried, body) and settled
            end = body.env.get(carried.key)
            if end is None or body.flow is Flow.DEAD or end.value == POISON:
                continue
            if carried.skeleton is None:
                carried.skeleton = undefined(self._of_earlier_trips(end.value))
                settled = settled and carried.key[1] not in self.visible
                if settled:
                    self._enter(carried, {})
                continue
            joined = join(carried.skeleton, self._of_earlier_trips(end.value))
            if joined is None:
                entry = self.low.env.get(carried.key) or Slot(carried.skeleton)
                joined = self.low.conflict(carried.key[1], entry, end)
            joined = unfit_in(joined) or joined
            if _kind(joined) != _kind(carried.skeleton):
                carried.skeleton, settled = joined, False
        return settled

    def _of_earlier_trips(self, value: Value) -> Value:
        """What a trip leaves behind, as the next one sees it: the lists that it made are not those that the next one makes."""
        first = self.lists[0] + 1
        for bit in {k for ident in idents(value) for k in range(first, ident.bit_length()) if ident >> k & 1}:
            value = named_anew(value, 1 << bit, self.earlier[bit % _EARLIER])
        return value

    def _more_names(self, body: Arm) -> bool:
        """Has a trip given more names to a list that it does not change, by putting it into another list?"""
        low, carried, news = self.low, {carried.key for carried in self.carried}, False
        for key, slot in [*low.env.items()]:
            end = body.env.get(key)
            if key in carried or key in self.lost or end is None or [*idents(end.value)] == [*idents(slot.value)]:
                continue
            together = join(slot.value, self._of_earlier_trips(end.value))
            if together is not None and [*idents(together)] != [*idents(slot.value)]:
                low.env[key], news = replace(slot, value=fill(together, leaves(slot.value))), True
        return news

    def _same_strength(self, carried: _Carried, body: Arm) -> bool:
        """Are the numbers of a variable NumPy's at the end of a trip where they are at its beginning?"""
        low, end = self.low, body.env.get(carried.key)
        if carried.either or end is None or body.flow is Flow.DEAD or carried.skeleton is None:
            return True
        pairs = zip(carried.vars, leaves(end.value), strict=False)
        carried.either = any(var.type == FLOAT == atom.type and low.strength(var) is not low.strength(atom) for var, atom in pairs)
        return not carried.either

    def _same_origins(self, carried: _Carried, body: Arm) -> bool:
        """Are the arrays without axes of a variable at the end of a trip among those at its beginning?"""
        low, end = self.low, body.env.get(carried.key)
        if end is None or body.flow is Flow.DEAD:
            return True
        found = carried.origins.union(*(low.origins.get(atom, frozenset()) for atom in leaves(end.value)))
        new, carried.origins = found != carried.origins, found
        return not new

    # ------------------------------------------------------------------------------------------ buffers

    def _agreed(self, body: Arm) -> bool:
        """Whether every variable holds the same buffers at both ends of a trip; one that does not gets a buffer of the loop's own."""
        memory = self.low.memory
        if memory is None or body.flow is Flow.DEAD:
            return True
        if self._more_versions(body) or self._more_kept(memory):
            return False
        ends: dict[int, dict[int, None]] = {}
        moved: list[tuple[_Carried, list[Ref | None], list[Ref]]] = []
        for carried, begins, finals in self._held(body):
            finals = [self._like_its_head(body, begin, final) for begin, final in zip(begins, finals, strict=True)]
            moved.append((carried, begins, finals))
            for begin, final in zip(begins, finals, strict=True):
                ends.setdefault(begin.buffer if begin else 0, {})[final.buffer] = None
        own = self.heads
        wrong = {buffer for buffer, found in ends.items() if buffer == 0 or len(found) > 1 or (buffer not in own and buffer not in found)}
        if any(self._head_needed(wrong, *pair) for _, begins, finals in moved for pair in zip(begins, finals, strict=True)):
            self._new_heads(memory, wrong, moved, body)
            return False
        last = {buffer: next(iter(found)) for buffer, found in ends.items() if buffer in self.heads}
        others = {buffer: buffer for buffer in buffers_in(self.low.env) | {*memory.held} if buffer not in last}
        if memory.join([(buffer, (end,)) for buffer, end in (last | others).items()]):
            return False
        versions = {key_of(buffer): body.env[key_of(end)] for buffer, end in last.items()}
        for carried, begins, finals in moved:
            named = (replace(final, buffer=begin.buffer) for begin, final in zip(begins, finals, strict=True) if begin)
            slot = body.env[carried.key]
            body.env[carried.key] = replace(slot, value=with_refs(slot.value, iter([*named])))
        body.env.update(versions)
        return True

    @staticmethod
    def _changed(before: dict[Key, Slot], behind: dict[Key, Slot]) -> list[Key]:
        """The variables, flags and buffers apart, that hold something else behind some statements."""
        return [key for key, slot in before.items()
                if key[1].isidentifier() and key in behind and behind[key] is not slot and behind[key].value != slot.value]  # fmt: skip

    def _more_changed(self, body: Arm) -> bool:
        """Carries the variables that functions change that the body calls (`nonlocal`); were there any?"""
        known = {carried.key for carried in self.carried} | {*self.lost}
        found = [key for key in self._changed(self.low.env, body.env) if key not in known and body.flow is not Flow.DEAD]
        self.carried += [self._carried(key) for key in found]
        return bool(found)

    def _more_versions(self, body: Arm) -> bool:
        """Carries the buffers of which the body has made new versions; were there any that are not carried yet?"""
        known = {carried.key for carried in self.carried}
        env = self.low.env
        found = [key for key in env if key[1].startswith("@") and key not in known and body.env[key].value != env[key].value]
        self.carried += [self._buffer(key, env[key].value, body.env[key].value) for key in found]
        return bool(found)

    def _more_kept(self, memory: Memory) -> bool:
        """Does a list hold arrays from before the trip that it was not known to hold?"""
        found = {buffer for buffer in memory.entangled(KEPT) if key_of(buffer) in self.low.env}
        new, self.kept = not found <= self.kept, self.kept | found
        return new

    def _buffer(self, key: Key, begin: Value, end: Value) -> _Carried:
        skeleton = end if isinstance(end, Unfit) else undefined(begin)
        return _Carried(key, self.low.word_of(key), skeleton, False, [])

    def _held(self, body: Arm) -> list[tuple[_Carried, list[Ref | None], list[Ref]]]:
        """The variables that hold buffers: those at the beginning of a trip (None: unbound before the loop), and those at its end."""
        found: list[tuple[_Carried, list[Ref | None], list[Ref]]] = []
        for carried in self.carried:
            end = body.env.get(carried.key)
            finals = [] if end is None else list(refs(end.value))
            begins: list[Ref | None] = [None] * len(finals) if carried.skeleton is None else list(refs(carried.skeleton))
            same = all(begin is None or begin.type == final.type for begin, final in zip(begins, finals, strict=False))
            if finals and len(begins) == len(finals) and same:
                found.append((carried, begins, finals))
        return found

    def _like_its_head(self, body: Arm, begin: Ref | None, final: Ref) -> Ref:
        """The array that a variable ends a trip with, whole where it is a whole array at the beginning."""
        if begin is None or begin.steps or begin.buffer not in self.heads:
            return final
        return self.low.flattened(body, final, self.stmt)

    @staticmethod
    def _head_needed(wrong: set[int], begin: Ref | None, final: Ref) -> bool:
        return begin is None or (begin.buffer in wrong and begin.buffer != final.buffer) or not alike(begin, final)

    def _new_heads(
        self, memory: Memory, wrong: set[int], moved: list[tuple[_Carried, list[Ref | None], list[Ref]]], body: Arm
    ) -> None:  # fmt: skip
        """Gives each variable whose buffer changes one of the loop's own; those that go the same way together share one."""
        groups: dict[Hashable, int] = {}
        for carried, begins, finals in moved:
            if not any(self._head_needed(wrong, *pair) for pair in zip(begins, finals, strict=True)):
                continue
            slot = self.low.env.get(carried.key)
            entries: list[Ref | None] = list(refs(slot.value)) if slot else [None] * len(finals)
            made: list[Value] = []
            for begin, final, entry in zip(begins, finals, entries, strict=True):
                if begin is not None and entry is not None and not self._head_needed(wrong, begin, final):
                    made.append(entry)
                    continue
                made.append(self._head(memory, groups, entry, final, body))
            if slot is not None:
                self.low.env[carried.key] = replace(slot, value=with_refs(slot.value, iter(made)))
                carried.skeleton = undefined(self.low.env[carried.key].value)
            else:
                carried.skeleton = undefined(with_refs(body.env[carried.key].value, iter(made)))

    def _head(self, memory: Memory, groups: dict[Hashable, int], entry: Ref | None, final: Ref, body: Arm) -> Ref:
        """A variable's array at the beginning of a trip, in a buffer of the loop's own."""
        low = self.low
        whole = entry is None or not alike(entry, final)
        # Sections that become whole arrays go together only where they are the same sections.
        sections = (entry.steps if entry else None, final.steps) if whole else None
        group = (entry.buffer if entry else 0, final.buffer, sections)
        if entry is not None and whole and entry.steps:
            entry = low._apart(entry, self.stmt)
        if group not in groups:
            origin = entry or final
            buffer = groups[group] = memory.new(memory.words[origin.buffer], [entry.buffer] if entry else ())
            self.heads.add(buffer)
            version = low.env[key_of(entry.buffer)].value if entry else undefined(body.env[key_of(final.buffer)].value)
            if entry is None and final.steps:
                version = Lit(None, final.type)
            low.env[key_of(buffer)] = Slot(version)
            self.carried.append(self._buffer(key_of(buffer), version, version))
        return Ref(groups[group], entry.steps if entry and not whole else (), final.type)

    # ------------------------------------------------------------------------------------------ the statement

    def _finish(self, index: Var, test: Arm, body: Arm) -> tuple[Atom, Atom]:
        """Appends the loop; returns the flags that say whether it was left by `return`, and by `break`."""
        low, stmt = self.low, self.stmt
        carries: list[Carry] = []
        results: list[Atom] = []
        env = dict(low.env)
        for key in self.lost:
            env[key] = Slot(GONE)
        for carried in self.carried:
            slot = self._carry(carried, body, carries, results)
            if slot is not None:
                env[carried.key] = self._with_length(carried.key[1], slot)
        until = self._flag_carry(self.region.until, body, carries, results)
        broke = self._broken(body, until, carries, results)
        returned = self._flag_carry(RETURNED, body, carries, results)
        if returned is not None:
            env[RESULT] = self._result_carry(body, carries, results)
        block = Block(tuple(body.stmts), tuple(results))
        ends = until.var if until else None
        if self.over is not None:
            over = self.over
            low.append(For(index, over.start, over.stop, over.step, tuple(carries), block, ends, low.span(stmt)))
        else:
            asked = Block(tuple(test.stmts), (next(leaves(test.env[TEST].value), TRUE),))
            low.append(While(tuple(carries), asked, block, ends, low.span(stmt)))
        low.env = env
        return returned.out if returned else FALSE, broke

    def _carry(self, carried: _Carried, body: Arm, carries: list[Carry], results: list[Atom]) -> Slot | None:
        low = self.low
        entry, end = low.env.get(carried.key), body.env.get(carried.key)
        if carried.skeleton is None:  # never assigned: as unbound after the loop as before it
            return None
        if isinstance(carried.skeleton, Unfit):
            return Slot(carried.skeleton)
        dead = body.flow is Flow.DEAD or end is None or isinstance(end.value, Unfit)
        blank = list(leaves(carried.skeleton))
        inits = list(leaves(entry.value)) if entry else blank
        ends = blank if dead or end is None else list(leaves(end.value))
        outs: list[Atom] = []
        for var, init, result in zip(carried.vars, inits, ends, strict=True):
            out = low.fresh.like(var)
            if var in low.guessed:
                low.guessed[out] = low.guessed[var]
            if var in low.strengths:
                low.strengths[out] = low.strengths[var]
            low.same_origins(out, var)
            carries.append(Carry(var, low.converted(init, var.type, self.stmt), out))
            results.append(self._inside(body, result, var.type))
            outs.append(out)
        bound: Atom = TRUE
        if isinstance(carried.bound, Var):
            out = low.fresh.like(carried.bound)
            carries.append(Carry(carried.bound, entry.bound if entry else FALSE, out))
            results.append(end.bound if end and not dead else FALSE)
            bound = TRUE if results[-1] == TRUE and self._certainly_runs() else out
        span = end.span if end else entry.span if entry else None
        return Slot(fill(carried.skeleton, iter(outs)), bound, span)

    def _certainly_runs(self) -> bool:
        """Whether there is a trip, whatever the arguments are."""
        return self.over is not None and bool(self.over.known())

    def _inside(self, body: Arm, atom: Atom, type: Type) -> Atom:
        found: list[Atom] = []

        def convert() -> Flow:
            found.append(self.low.converted(atom, type, self.stmt))
            return body.flow

        self.low.arm(convert, body)
        return found[0]

    def _with_length(self, name: str, slot: Slot) -> Slot:
        """A list behind the loop, where it is certain how long it is."""
        if name not in self.full or not isinstance(slot.value, Numbers):
            return slot
        return replace(slot, value=replace(slot.value, count=self.full[name], exact=True))

    def _flag_carry(self, key: Key, body: Arm, carries: list[Carry], results: list[Atom]) -> Carry | None:
        slot = body.env.get(key)
        flag = FALSE if slot is None else next(leaves(slot.value), FALSE)
        if flag == FALSE or (isinstance(flag, Lit) and flag.value is None):
            return None
        var = self.low.fresh.var("", BOOL)
        carries.append(Carry(var, FALSE, self.low.fresh.var("", BOOL)))
        results.append(flag)
        return carries[-1]

    def _broken(self, body: Arm, until: Carry | None, carries: list[Carry], results: list[Atom]) -> Atom:
        """The flag of `break`; where nothing else ends the loop early, it is `until`."""
        breaks = has_exit(self.stmt.body, (ast.Break,))
        if not breaks or until is None:
            return FALSE
        if not self.walrus and not has_exit(self.stmt.body, (ast.Return,)):
            return until.out
        carry = self._flag_carry(self.region.broke, body, carries, results)
        return carry.out if carry else FALSE

    def _result_carry(self, body: Arm, carries: list[Carry], results: list[Atom]) -> Slot:
        low, slot = self.low, body.env[RESULT]
        outs: list[Atom] = []
        for leaf in leaves(slot.value):
            out = low.fresh.var("", leaf.type)
            carries.append(Carry(low.fresh.var("", leaf.type), Lit(None, leaf.type), out))
            low.same_origins(out, leaf)
            if low.strength(leaf) is not Strength.WEAK:
                low.strengths[out] = low.strength(leaf)
            results.append(leaf)
            outs.append(out)
        return Slot(fill(slot.value, iter(outs)), TRUE, slot.span)


def _kind(value: Value) -> tuple[list[Type], list[int], list[bool], bool]:
    """What a value must have in common at both ends of a trip: its types, the lists that it may be, and whether it may be read at all."""
    return [leaf.type for leaf in leaves(value)], [*idents(value)], [*exactness(value)], isinstance(value, Unfit)
