"""Statements and control flow. Leaving early (`break`, `continue`, `return`) becomes flags and branches.

The rest of a loop's body after ``if test: break`` is lowered inside the other arm, so that the IR reads as the text does:

    if c: break         if c -> (until):
    REST                    yield True
                        else:
                            REST
                            yield False

Only where both arms of an `if` may go on does a flag guard the rest.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count
from typing import TypeAlias, TypeGuard

from stagegrad.frontend.arrays import Arrays
from stagegrad.frontend.emitter import RESULT, RETURNED, Arm, Flow, Poisoned, Refusal
from stagegrad.frontend.expressions import BINARY
from stagegrad.frontend.refused import refused
from stagegrad.frontend.scope import Loop, assigned, has_exit
from stagegrad.frontend.values import (
    FALSE,
    GONE,
    POISON,
    TRUE,
    Closure,
    Key,
    Many,
    Range,
    Record,
    Slot,
    Static,
    Stream,
    Unfit,
    Value,
    describe,
    fill,
    join,
    leaves,
    undefined,
)  # fmt: skip
from stagegrad.ir import BOOL, FLOAT, INT, Atom, Block, Carry, For, Lit, Raise, Type, Var, While
from stagegrad.ops import literal

_UNROLLED = 1000  # trips, of loops inside one another together: loops over longer tuples are refused


class Statements(Arrays):
    """Lowers statements."""

    trips: int = 1  # how often what is being lowered is written out, by the loops over tuples around it
    ends: frozenset[str] | None = frozenset()  # the names that may be read where the current run of statements ends

    def body(self, stmts: Sequence[ast.stmt], start: int = 0) -> Flow:
        """Lowers statements in order, up to the first that always leaves."""
        for position in range(start, len(stmts)):
            stmt = stmts[position]
            last = position + 1 == len(stmts)

            def rest(following: int = position + 1) -> Flow:
                return self.body(stmts, following)

            if isinstance(stmt, ast.If):
                flow, done = self._if(stmt, None if last else rest)
                if done:
                    return flow
            else:
                flow = self.statement(stmt)
            if flow in (Flow.EXIT, Flow.DEAD) or (last and flow is Flow.MAYBE):
                return flow
            if flow is Flow.MAYBE:
                return self.guarded(rest, stmt)
        return Flow.FALL

    def statement(self, stmt: ast.stmt) -> Flow:
        """Lowers one statement; a problem in it poisons the names it assigns, and the statements after it are still read."""
        try:
            return self._statement(stmt)
        except (Refusal, Poisoned) as stopped:
            if isinstance(stopped, Refusal):
                self.compilation.problems.append(stopped.problem)
            for name in assigned([stmt]):
                self.env[self.frame.number, name] = Slot(POISON)
            return Flow.FALL

    def _statement(self, stmt: ast.stmt) -> Flow:
        match stmt:
            case ast.Assign():
                value = self.expr(stmt.value)
                for target in stmt.targets:
                    value = self.assign(target, value, stmt)
            case ast.AnnAssign():
                if stmt.value is not None:
                    self.assign(stmt.target, self.expr(stmt.value), stmt)
            case ast.AugAssign():
                self._augment(stmt)
            case ast.Expr():
                if not isinstance(stmt.value, ast.Constant):
                    self.expr(stmt.value)
            case ast.FunctionDef():
                self._define(stmt)
            case ast.Pass():
                pass
            case ast.Assert():
                self._assert(stmt)
            case ast.Raise():
                return self._raise(stmt)
            case ast.Return():
                return self._return(stmt)
            case ast.Break() | ast.Continue():
                return self._leave(isinstance(stmt, ast.Break))
            case ast.For():
                return self._for(stmt)
            case ast.While():
                return self._loop(stmt, None)
            case _:
                raise self.refusal(stmt, *refused(stmt))
        return Flow.FALL

    # ------------------------------------------------------------------------------------------ assignment

    def assign(self, target: ast.expr, value: Value, stmt: ast.AST) -> Value:
        """Binds a target's names; returns the value under the name it got."""
        match target:
            case ast.Name():
                self.bind(target.id, value, target)
                return self.env[self.frame.number, target.id].value
            case ast.Tuple() | ast.List():
                value = self.usable(value, stmt)
                if self.is_array(value):
                    value = self._unpacked_array(target, value)
                if isinstance(value, Record) and value.display != "record":
                    value = Many(self._items_of(value, "an assignment", target))
                if not isinstance(value, Many):
                    message = f"only a tuple can be assigned to several names, and this is {describe(value)}"
                    raise self.unknown(target, message, "one name, or one parameter for each value")
                parts = self._spread(target, value.items)
                for part, item in zip(target.elts, parts, strict=True):
                    self.assign(part.value if isinstance(part, ast.Starred) else part, item, stmt)
                return value
            case ast.Subscript():
                self._store(target, value, stmt)
                return value
            case ast.Attribute():
                raise self.refusal(target, "assignment to an attribute is not supported", "a local name, returned at the end")
            case _:
                raise self.refusal(target, *refused(target))

    def _unpacked_array(self, target: ast.Tuple | ast.List, value: Value) -> Many:
        if any(isinstance(part, ast.Starred) for part in target.elts):
            raise self.refusal(target, "the rest of an array cannot be assigned with *", "a slice of it")
        return self.unpacked(value, len(target.elts), target)

    def _spread(self, target: ast.Tuple | ast.List, items: tuple[Value, ...]) -> list[Value]:
        stars = [k for k, part in enumerate(target.elts) if isinstance(part, ast.Starred)]
        wanted = len(target.elts) - len(stars)
        if len(items) < wanted or (len(items) > wanted and not stars):
            word = "many" if len(items) > wanted else "few"
            raise self.refusal(target, f"too {word} values: {wanted} names for {len(items)} values")
        if not stars:
            return list(items)
        after = len(target.elts) - stars[0] - 1
        middle = Many(items[stars[0] : len(items) - after], "list")
        return [*items[: stars[0]], middle, *items[len(items) - after :]]

    def _augment(self, stmt: ast.AugAssign) -> None:
        if not isinstance(stmt.target, ast.Name):
            self.assign(stmt.target, POISON, stmt)
            return
        old = self.usable(self.name(stmt.target.id, stmt.target), stmt.target)
        right = self.expr(stmt.value)
        if isinstance(old, Many) and old.display == "list":  # what other names, and callers, would see
            name = stmt.target.id
            raise self.refusal(stmt, f"this changes the list `{name}` in place; lists that change are not supported yet",
                               f"{name} = {name} + [...], which makes a new list")  # fmt: skip
        self.bind(stmt.target.id, self.operate(BINARY.get(type(stmt.op), ""), old, right, stmt), stmt)

    def _store(self, target: ast.Subscript, value: Value, stmt: ast.AST) -> None:
        """``target[...] = value``"""
        message = "assignment to an item is not supported: lists that change are not supported"
        raise self.unknown(target, message, "an array, or a name for each item")

    def _define(self, stmt: ast.FunctionDef) -> None:
        if stmt.decorator_list:
            raise self.refusal(stmt.decorator_list[0], f"the inner function `{stmt.name}` is decorated", "the plain function")
        self.hold(self.frame, stmt.name, self.closure(stmt), stmt)

    # ------------------------------------------------------------------------------------------ errors

    def _assert(self, stmt: ast.Assert) -> None:
        if not __debug__:  # python -O has taken the assertion out of the running function as well
            return
        failed = self.negated(self.truth(self.expr(stmt.test), stmt.test), stmt)
        if failed == FALSE:
            return
        self._raising(failed, "AssertionError", stmt.msg, stmt, True)

    def _raise(self, stmt: ast.Raise) -> Flow:
        if stmt.exc is None or (stmt.cause is not None and not (isinstance(stmt.cause, ast.Constant) and stmt.cause.value is None)):
            raise self.refusal(stmt, "only `raise Error(message)` is supported", 'raise ValueError("...")')
        call = stmt.exc if isinstance(stmt.exc, ast.Call) else None
        found = self.usable(self.expr(call.func if call else stmt.exc), stmt)
        kind = found.thing if isinstance(found, Static) else None
        if not _is_own_exception(kind):
            raise self.refusal(stmt.exc, "only Python's own exceptions can be raised", 'raise ValueError("...")')
        if call and (call.keywords or len(call.args) > 1):
            raise self.refusal(call, "only exceptions with a single message are supported", f'{kind.__name__}(f"...")')
        self._raising(TRUE, kind.__name__, call.args[0] if call and call.args else None, stmt, False)
        return Flow.DEAD

    def _raising(self, test: Atom, error: str, message: ast.expr | None, stmt: ast.stmt, is_assert: bool) -> None:
        shown: list[tuple[str | Atom, str]] = []

        def lower() -> Flow:
            shown.extend(self._message(message) if message is not None else ())
            return Flow.FALL

        arm = self.arm(lower)
        text = None if message is None else tuple(part for part, _ in shown)
        formats = tuple(form for part, form in shown if not isinstance(part, str))
        formats = formats if any(formats) else ()
        if test == TRUE or not arm.stmts:
            self.stmts.extend(arm.stmts)
            self.append(Raise(test, error, text, is_assert, formats, self.span(stmt)))
            return
        arm.stmts.append(Raise(TRUE, error, text, is_assert, formats, self.span(stmt)))  # the message is computed only where it is needed
        arm.flow = Flow.DEAD
        self.merge(test, arm, Arm([], dict(self.env)), None, stmt)

    def _message(self, node: ast.expr) -> list[tuple[str | Atom, str]]:
        """The parts of a message, text and values, each with its format."""
        if not isinstance(node, ast.JoinedStr):
            value = self.usable(self.expr(node), node)
            if not (isinstance(value, Static) and isinstance(value.thing, str)):
                raise self.refusal(node, "a message must be text or an f-string", 'an f-string with the values in it: f"... {x}"')
            return [(value.thing, "")]
        parts: list[tuple[str | Atom, str]] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                parts.append(self._shown(part))
            elif isinstance(part, ast.Constant):
                parts.append((str(part.value), ""))
        return parts

    def _shown(self, part: ast.FormattedValue) -> tuple[str | Atom, str]:
        value = self.usable(self.expr(part.value), part)
        if isinstance(value, Static) and isinstance(value.thing, str):
            text = value.thing if part.conversion == -1 else repr(value.thing)
            return format(text, self._format(part, text)), ""
        atom = self.atom(value, part)
        if isinstance(atom, Lit) and atom.value is not None:
            return format(atom.value, self._format(part, atom.value)), ""
        return atom, self._format(part, {"float": 1.5, "int": 1}.get(atom.type.kind, True))

    def _format(self, part: ast.FormattedValue, example: object) -> str:
        """The constant format of a value in a message, if values like the example can be shown in it."""
        if part.format_spec is None:
            return ""
        pieces = part.format_spec.values if isinstance(part.format_spec, ast.JoinedStr) else [part.format_spec]
        advice = f"the value as it is: {{{ast.unparse(part.value)}}}"
        if part.conversion != -1 or not all(isinstance(piece, ast.Constant) for piece in pieces):
            raise self.refusal(part, "only a constant format is supported in a message", advice)
        form = "".join(str(piece.value) for piece in pieces if isinstance(piece, ast.Constant))
        try:
            format(example, form)
        except ValueError as error:
            raise self.refusal(part, f"this value cannot be shown so: {error}", advice) from None
        return form

    # ------------------------------------------------------------------------------------------ leaving

    def _return(self, stmt: ast.Return) -> Flow:
        value = Static(None) if stmt.value is None else self.expr(stmt.value)
        if isinstance(value, Unfit) and value.message:
            self.report(stmt, value.message, value.advice)
            value = POISON
        self.env[RESULT] = Slot(value, TRUE, self.span(stmt))
        self.raise_flag(self.region.exit)
        if self.region.number:
            self.raise_flag(self.region.until)
            self.raise_flag(RETURNED)
        return Flow.EXIT

    def _leave(self, is_break: bool) -> Flow:
        self.raise_flag(self.region.exit)
        if is_break:
            self.raise_flag(self.region.until)
            self.raise_flag(self.region.broke)
        return Flow.EXIT

    def guarded(self, rest: Callable[[], Flow], node: ast.AST) -> Flow:
        """Lowers what follows statements that may have left the region: it runs only if they did not."""
        region = self.region

        def run() -> Flow:
            self.raise_flag(region.exit, FALSE)
            if region.number:
                self.raise_flag(region.until, FALSE)
            self.raise_flag(RETURNED, FALSE)
            return rest()

        flag = self.flag(region.exit)
        left = Arm([], {**self.env, region.exit: Slot(TRUE)}, Flow.EXIT)
        return self.merge(flag, left, self.arm(run), self.kept_at_end, node, guards=True)

    # ------------------------------------------------------------------------------------------ branches

    def _if(self, stmt: ast.If, rest: Callable[[], Flow] | None) -> tuple[Flow, bool]:
        """Lowers an `if`, and what follows it where only one arm goes on; says whether it did the latter."""
        try:
            test = self.truth(self.expr(stmt.test), stmt.test)
        except (Refusal, Poisoned) as stopped:
            return self._unknown(stmt, stopped), False
        if isinstance(test, Lit):
            return self.body(stmt.body if test.value else stmt.orelse), False
        ends = self.frame.scope.after.get(stmt)
        then = self.arm(lambda: self._ending(ends, lambda: self.body(stmt.body)))
        if (raised := _only_raises(then)) is not None:
            self.append(replace(raised, test=test))
            return self.body(stmt.orelse), False
        orelse = self.arm(lambda: self._ending(ends, lambda: self.body(stmt.orelse)))
        if (raised := _only_raises(orelse)) is not None:
            self.append(replace(raised, test=self.negated(test, stmt)))
            return self._joined(then), False
        keep = self._kept(stmt, then, orelse)
        for arm, other in ((then, orelse), (orelse, then)):
            if rest is not None and arm.flow is Flow.EXIT and other.flow in (Flow.FALL, Flow.MAYBE):
                following = rest if other.flow is Flow.FALL else lambda: self.guarded(rest, stmt)
                resumed = self.arm(following, other)
                arms = (arm, resumed) if arm is then else (resumed, arm)
                return self.merge(test, *arms, self.kept_at_end, stmt), True
        return self.merge(test, then, orelse, keep, stmt), False

    def _kept(self, stmt: ast.If, then: Arm, orelse: Arm) -> frozenset[str] | None:
        after = self.frame.scope.after.get(stmt)
        if after is None or {then.flow, orelse.flow} <= {Flow.FALL, Flow.DEAD}:
            return after
        return None if self.region.keep is None else after | self.region.keep

    @property
    def kept_at_end(self) -> frozenset[str] | None:
        """The names that may be read after the current run of statements, however it ends."""
        return None if self.ends is None or self.region.keep is None else self.ends | self.region.keep

    def _ending(self, ends: frozenset[str] | None, lower: Callable[[], Flow]) -> Flow:
        """Lowers statements at whose end these names may still be read."""
        before, self.ends = self.ends, ends
        try:
            return lower()
        finally:
            self.ends = before

    def _joined(self, arm: Arm) -> Flow:
        """Goes on with an arm as if it stood here."""
        self.stmts.extend(arm.stmts)
        self.env = arm.env
        return arm.flow

    def _unknown(self, stmt: ast.If | ast.For | ast.While, stopped: Refusal | Poisoned) -> Flow:
        """Reads the blocks of a statement whose header has a problem, for the sake of their own problems."""
        if isinstance(stopped, Refusal):
            self.compilation.problems.append(stopped.problem)
        names = assigned([stmt.target]) if isinstance(stmt, ast.For) else []
        self.env.update({(self.frame.number, name): Slot(POISON) for name in names})
        for block in (stmt.body, stmt.orelse):
            self.arm(partial(self.body, block))
        self.env.update({(self.frame.number, name): Slot(POISON) for name in assigned([stmt])})
        return Flow.FALL

    # ------------------------------------------------------------------------------------------ loops

    def _for(self, stmt: ast.For) -> Flow:
        try:
            over = self.usable(self.expr(stmt.iter), stmt.iter)
            if isinstance(over, Record):
                over = Many(self._items_of(over, "a loop", stmt.iter))
            match over:
                case Range():
                    if not isinstance(stmt.target, ast.Name):
                        raise self.refusal(stmt.target, "a range gives one int a trip", "for i in range(...)")
                    return self._loop(stmt, over)
                case _ if self.is_array(over) or isinstance(over, Stream):
                    count, item = self.cursor(over, stmt.iter)
                    return self._loop(stmt, Range(literal(0), count, literal(1)), item)
                case Many(items):
                    if len(items) * self.trips > _UNROLLED:
                        raise self.refusal(stmt.iter, f"a loop over {len(items)} values is too long to write out", "a loop over a range")
                    return self._unrolled(stmt, items)
                case _:
                    raise self.unknown(stmt.iter, f"only a range, a tuple or an array can be looped over, and this is {describe(over)}",
                                       "for i in range(...)")  # fmt: skip
        except (Refusal, Poisoned) as stopped:
            return self._unknown(stmt, stopped)

    def _unrolled(self, stmt: ast.For, items: tuple[Value, ...]) -> Flow:
        outer, region = self.region, self.new_region(None)
        before, self.trips = self.trips, self.trips * max(1, len(items))
        self.region = region
        self.raise_flag(RETURNED, FALSE)
        try:
            flow = self._trips(stmt, items, 0)
        finally:
            self.region, self.trips = outer, before
        if flow is Flow.DEAD:
            return flow
        return self._otherwise(stmt, self._came_back(self.flag(RETURNED)), self.flag(region.broke))

    def _trips(self, stmt: ast.For, items: tuple[Value, ...], start: int) -> Flow:
        """One trip after the other; DEAD if one of them always raises."""
        region = self.region
        for position in range(start, len(items)):
            self.raise_flag(region.exit, FALSE)
            self.assign(stmt.target, items[position], stmt.target)
            if self._ending(None, lambda: self.body(stmt.body)) is Flow.DEAD:
                return Flow.DEAD
            until = self.flag(region.until)
            if until == TRUE:
                break
            if until != FALSE and position + 1 < len(items):
                return self._more_trips(stmt, items, position + 1, until)
        return Flow.FALL

    def _more_trips(self, stmt: ast.For, items: tuple[Value, ...], start: int, until: Atom) -> Flow:
        region = self.region

        def more() -> Flow:
            self.raise_flag(region.until, FALSE)
            self.raise_flag(RETURNED, FALSE)
            return self._trips(stmt, items, start)

        left = Arm([], {**self.env, region.until: Slot(TRUE)})
        return self.merge(until, left, self.arm(more), None, stmt, guards=True)

    def _came_back(self, returned: Atom, endless: bool = False) -> Flow:
        """How a loop ends, given the flag that says whether it was left by `return`; the loop around it must end then, too."""
        if returned == FALSE:
            return Flow.DEAD if endless else Flow.FALL
        self.raise_flag(self.region.exit, returned)
        if self.region.number:
            self.raise_flag(self.region.until, returned)
            self.raise_flag(RETURNED, returned)
        return Flow.EXIT if endless or returned == TRUE else Flow.MAYBE

    def _otherwise(self, stmt: Loop, flow: Flow, broke: Atom) -> Flow:
        """The `else` of a loop: it runs unless the loop was left by `break` (or by `return`)."""
        if not stmt.orelse or flow in (Flow.EXIT, Flow.DEAD):
            return flow

        def run() -> Flow:
            if isinstance(broke, Lit):
                return Flow.FALL if broke.value else self.body(stmt.orelse)
            return self.merge(broke, Arm([], dict(self.env)), self.arm(lambda: self.body(stmt.orelse)), None, stmt)

        return run() if flow is Flow.FALL else self.guarded(run, stmt)

    def _loop(self, stmt: Loop, over: Range | None, item: Item | None = None) -> Flow:
        """A loop that is counted at run time: lowered again until the types of what it carries have settled."""
        test = stmt.test if isinstance(stmt, ast.While) else None
        if test is not None and not assigned([test]):
            known = self.arm(lambda: self._hold_test(test))
            if not known.stmts and known.env[_TEST].value == FALSE:
                return self._otherwise(stmt, Flow.FALL, FALSE)
        return _LoopLowering(self, stmt, over, item).run()

    def _hold_test(self, test: ast.expr) -> Flow:
        self.env[_TEST] = Slot(self.truth(self.expr(test), test))
        return Flow.FALL


_TEST: Key = (0, "$test")
#: What a loop takes at a position.
Item: TypeAlias = Callable[[Atom], Value]


def _is_own_exception(thing: object) -> TypeGuard[type[Exception]]:
    return isinstance(thing, type) and issubclass(thing, Exception) and getattr(builtins, thing.__name__, None) is thing


def _only_raises(arm: Arm) -> Raise | None:
    """The only statement of an arm, if it is an unconditional `raise`."""
    if arm.flow is not Flow.DEAD or len(arm.stmts) != 1:
        return None
    found = arm.stmts[0]
    return found if isinstance(found, Raise) and found.test == TRUE else None


@dataclass
class _Carried:
    """A variable that a loop changes: its skeleton (None while nothing is known), and whether it may be unbound."""

    key: Key
    word: str
    skeleton: Value | None
    flagged: bool
    vars: list[Var]
    bound: Atom = TRUE


class _LoopLowering:
    """Lowers one `for` over a range, or over what `item` gives at each position of it, or one `while`."""

    def __init__(self, lowering: Statements, stmt: Loop, over: Range | None, item: Item | None = None) -> None:
        self.low, self.stmt, self.over, self.item = lowering, stmt, over, item
        frame, scope = lowering.frame, lowering.frame.scope
        header: ast.expr = stmt.target if isinstance(stmt, ast.For) else stmt.test
        self.walrus = isinstance(stmt, ast.While) and bool(assigned([stmt.test]))
        self.endless = False
        self.region = lowering.new_region(scope.head[stmt] | scope.captured)
        changed = [(frame.number, name) for name in assigned([header, *stmt.body])]
        live = scope.head[stmt] | scope.captured
        self.lost = [key for key in changed if key[1] not in live]
        self.visible = scope.body[stmt] | scope.captured
        self.carried = [self._carried(key) for key in changed if key[1] in live]

    def _carried(self, key: Key) -> _Carried:
        slot = self.low.env.get(key)
        word = self.low.word(self.low.frame, key[1])
        skeleton = None if slot is None else undefined(slot.value)
        return _Carried(key, word, skeleton, slot is None or slot.bound != TRUE, [])

    def run(self) -> Flow:
        """Lowers the loop and what its `else` holds."""
        low, outer = self.low, self.low.region
        while True:
            mark = len(low.compilation.problems), len(low.compilation.made)
            low.region = self.region
            try:
                index, test, body = self._trip()
            finally:
                low.region = outer
            if self._settled(body):
                break
            low.compilation.forget(*mark)
        returned, broke = self._finish(index, test, body)
        flow = low._came_back(returned, self.endless and broke == FALSE)
        return low._otherwise(self.stmt, flow, broke)

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
        low, many = self.low, isinstance(carried.skeleton, Many | Record | Range | Closure)
        types = [leaf.type for leaf in leaves(carried.skeleton)]
        carried.vars = [low.fresh.var("" if many else carried.word, type) for type in types]
        for var, init in zip(carried.vars, leaves(entry.value) if entry else (), strict=False):
            guess = low.guess_of(init)
            if var.type == FLOAT and guess is not None:
                low.guessed[var] = guess
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
            always = Arm([], {_TEST: Slot(TRUE)})
            return unused, always, low.arm(lambda: self._tested_inside(stmt), Arm([], env))
        test = low.arm(lambda: low._hold_test(stmt.test), Arm([], dict(env)))
        self.endless = test.env[_TEST].value == TRUE
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
        return self.low._ending(self.region.keep, lambda: self.low.body(self.stmt.body))

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
            end = body.env.get(carried.key)
            if end is None or body.flow is Flow.DEAD or end.value == POISON:
                continue
            if carried.skeleton is None:
                carried.skeleton = undefined(end.value)
                settled = settled and carried.key[1] not in self.visible
                if settled:
                    self._enter(carried, {})
                continue
            joined = join(carried.skeleton, end.value)
            if joined is None:
                entry = self.low.env.get(carried.key) or Slot(carried.skeleton)
                joined = self.low.conflict(carried.key[1], entry, end)
            if _types(joined) != _types(carried.skeleton) or isinstance(joined, Unfit) != isinstance(carried.skeleton, Unfit):
                carried.skeleton, settled = joined, False
        return settled

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
                env[carried.key] = slot
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
            asked = Block(tuple(test.stmts), (next(leaves(test.env[_TEST].value), TRUE),))
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
            carries.append(Carry(var, low.converted(init, var.type, self.stmt), out))
            results.append(self._inside(body, result, var.type))
            outs.append(out)
        bound: Atom = TRUE
        if isinstance(carried.bound, Var):
            bound = low.fresh.like(carried.bound)
            carries.append(Carry(carried.bound, entry.bound if entry else FALSE, bound))
            results.append(end.bound if end and not dead else FALSE)
        span = end.span if end else entry.span if entry else None
        return Slot(fill(carried.skeleton, iter(outs)), bound, span)

    def _inside(self, body: Arm, atom: Atom, type: Type) -> Atom:
        found: list[Atom] = []

        def convert() -> Flow:
            found.append(self.low.converted(atom, type, self.stmt))
            return body.flow

        self.low.arm(convert, body)
        return found[0]

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
        slot = body.env[RESULT]
        outs: list[Atom] = []
        for leaf in leaves(slot.value):
            out = self.low.fresh.var("", leaf.type)
            carries.append(Carry(self.low.fresh.var("", leaf.type), Lit(None, leaf.type), out))
            results.append(leaf)
            outs.append(out)
        return Slot(fill(slot.value, iter(outs)), TRUE, slot.span)


def _types(value: Value) -> list[Type]:
    return [leaf.type for leaf in leaves(value)]
