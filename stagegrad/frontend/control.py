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
from dataclasses import replace
from functools import partial

from stagegrad.frontend import imports
from stagegrad.frontend.emitter import RESULT, RETURNED, Arm, Flow
from stagegrad.frontend.forms import branches, known
from stagegrad.frontend.growth import rekeyed
from stagegrad.frontend.known_items import KnownItems
from stagegrad.frontend.list_methods import ListMethods
from stagegrad.frontend.loops import TEST, Item, LoopLowering
from stagegrad.frontend.operators import BINARY
from stagegrad.frontend.refused import refused
from stagegrad.frontend.scope import Loop, assigned, reads
from stagegrad.frontend.stages import Poisoned, Refusal
from stagegrad.frontend.unpacking import unpacked
from stagegrad.frontend.values import (
    FALSE,
    POISON,
    TRUE,
    Closure,
    Many,
    Numbers,
    Range,
    Record,
    Slot,
    Static,
    Unfit,
    Value,
    describe,
)  # fmt: skip
from stagegrad.ir import Atom, Lit, Raise, Var
from stagegrad.ops import literal


class Statements(ListMethods):
    """Lowers statements."""

    trips: int = 1  # how often what is being lowered is written out, by the loops over tuples around it
    ends: frozenset[str] | None = frozenset()  # the names that may be read where the current run of statements ends

    def body(self, stmts: Sequence[ast.stmt], start: int = 0) -> Flow:
        """Lowers statements in order, up to the first that always leaves."""
        for position in range(start, len(stmts)):
            stmt = self.now = stmts[position]
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
            case ast.Assign() if self.exchanged(stmt):
                pass
            case ast.Assign():
                value = self.assigned_value(stmt.targets[0], stmt.value) if len(stmt.targets) == 1 else self.expr(stmt.value)
                for target in stmt.targets:
                    value = self.assign(target, value, stmt)
            case ast.AnnAssign():
                if stmt.value is not None:
                    self.assign(stmt.target, self.assigned_value(stmt.target, stmt.value), stmt)
            case ast.AugAssign():
                self._augment(stmt)
            case ast.Expr():
                if not isinstance(stmt.value, ast.Constant) and not self.append_to(stmt):
                    self.expr(stmt.value)
            case ast.FunctionDef():
                self._define(stmt)
            case ast.Delete():
                for target in stmt.targets:
                    self.delete(target, stmt)
            case ast.Pass():
                pass
            case ast.Nonlocal() if all(self.home_of(name) is not self.frame for name in stmt.names):
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
            case ast.Match():
                return self._match(stmt)
            case ast.With():
                imports.require_no_effect(self, stmt)
                return self.body(stmt.body)
            case ast.Import() | ast.ImportFrom():
                imports.bind(self, stmt)
            case _:
                raise self.refusal(stmt, *refused(stmt))
        return Flow.FALL

    # ------------------------------------------------------------------------------------------ assignment

    def assign(self, target: ast.expr, value: Value, stmt: ast.AST) -> Value:
        """Binds a target's names; returns the value under the name it got."""
        match target:
            case ast.Name():
                self.bind(target.id, value, target)
                return self.env[self.home_of(target.id).number, target.id].value
            case ast.Tuple() | ast.List():
                value = self.usable(value, stmt)
                for part, item in zip(target.elts, unpacked(self, target, value), strict=True):
                    self.assign(part.value if isinstance(part, ast.Starred) else part, item, stmt)
                return value
            case ast.Subscript():
                if not self.store(target, value, stmt) and not self.replace_item(target, value, stmt):
                    raise self.unknown(target, *self.not_replaced(target))
                return value
            case ast.Attribute():
                raise self.refusal(target, "assignment to an attribute is not supported", "a local name, returned at the end")
            case _:
                raise self.refusal(target, *refused(target))

    def _augment(self, stmt: ast.AugAssign) -> None:
        if isinstance(stmt.target, ast.Subscript) and self.augment_item(stmt, stmt.target):
            return
        target = stmt.target
        if isinstance(target, ast.Subscript) and (
            isinstance(self.held_by(target), Numbers) or self.rows_of(target) or self.item_of(target)
        ):
            self._augment_known(stmt, target)
            return
        if not isinstance(stmt.target, ast.Name):
            self.assign(stmt.target, POISON, stmt)
            return
        old = self.usable(self.name(stmt.target.id, stmt.target), stmt.target)
        if self.is_array(old):
            self.augment_array(stmt, old)
            return
        right = self.expr(stmt.value)
        self.require_one_holder((self.home_of(stmt.target.id).number, stmt.target.id), old, stmt)
        if isinstance(stmt.op, ast.Add) and self.extended_in_place(stmt.target, old, right, stmt):
            return
        if isinstance(old, Numbers) or (isinstance(old, Many) and old.display == "list"):  # what other names, and callers, would see
            name = stmt.target.id
            raise self.refusal(stmt, f"this changes the list `{name}` in place, which is not supported",
                               f"{name} = {name} * ..., which makes a new list")  # fmt: skip
        value = self.operate(BINARY.get(type(stmt.op), ""), old, right, stmt)
        if isinstance(old, Var) and self.made_here(old) and (not isinstance(value, Var) or value.type != old.type):
            raise self.refusal(stmt, f"{describe(value)} is written into an array without axes that holds {describe(old)}")
        if isinstance(old, Var) and isinstance(value, Var):
            self.same_origins(value, old)
        self.bind(stmt.target.id, value, stmt)

    def _augment_known(self, stmt: ast.AugAssign, target: ast.Subscript) -> None:
        """``name["key"] op= value`` for a number in a dict or a list."""
        twice = next((part for part in ast.walk(target) if isinstance(part, ast.NamedExpr | ast.Call)), None)
        if twice is not None:
            raise self.refusal(twice, "an index with a call or `:=` in it is not supported here", "a name for the index")
        old = self.usable(self.expr(target), target)
        if not isinstance(old, Var | Lit) or old.type.rank:
            raise self.refusal(stmt, f"this changes {describe(old)} in place; only numbers in a dict or list can be", "a name for it")
        self.replace_item(target, self.operate(BINARY.get(type(stmt.op), ""), old, self.expr(stmt.value), stmt), stmt)

    def _match(self, stmt: ast.Match) -> Flow:
        subject = self.usable(self.expr(stmt.subject), stmt.subject)
        found = branches(stmt, known(subject))
        if isinstance(found, ast.pattern):
            raise self.refusal(found, "only constants, names, `_` and `|` of these are supported as patterns", "if ... elif ... else")
        return self.body(found)

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
        error = _name_of_exception(kind)
        if error is None:
            raise self.refusal(stmt.exc, "only Python's own exceptions can be raised", 'raise ValueError("...")')
        if call and (call.keywords or len(call.args) > 1):
            raise self.refusal(call, "only exceptions with a single message are supported", f'{error}(f"...")')
        self._raising(TRUE, error, call.args[0] if call and call.args else None, stmt, False)
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
        value = Static(None) if stmt.value is None else self.plain(self.expr(stmt.value), stmt)
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
        then = self.arm(lambda: self.ending(ends, lambda: self.body(stmt.body)))
        if (raised := _only_raises(then)) is not None:
            self.append(replace(raised, test=test))
            return self.body(stmt.orelse), False
        orelse = self.arm(lambda: self.ending(ends, lambda: self.body(stmt.orelse)))
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

    def ending(self, ends: frozenset[str] | None, lower: Callable[[], Flow]) -> Flow:
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
                over = Many(self.items_of(over, "a loop", stmt.iter))
            self._require_unchanged(stmt)
            match over:
                case Range():
                    if not isinstance(stmt.target, ast.Name):
                        raise self.refusal(stmt.target, "a range gives one int a trip", "for i in range(...)")
                    return self._loop(stmt, over)
                case _ if self.is_counted(over):
                    count, item = self.cursor(over, stmt.iter)
                    with self.holding(over):
                        return self._loop(stmt, Range(literal(0), count, literal(1)), item)
                case Many(items):
                    with self.holding(over):
                        return KnownItems(self, stmt, items).run()
                case _:
                    raise self.unknown(stmt.iter, f"only a range, a tuple or an array can be looped over, and this is {describe(over)}",
                                       "for i in range(...)")  # fmt: skip
        except (Refusal, Poisoned) as stopped:
            return self._unknown(stmt, stopped)

    def _require_unchanged(self, stmt: ast.For) -> None:
        """Refuses a loop that changes what it goes over by ``map``, ``filter`` or a generator: that may have been computed before it."""
        for call in ast.walk(stmt.iter):
            function = self.expr(call.func) if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else None
            of_functions = isinstance(function, Static) and (function.thing is filter or function.thing is map)
            if of_functions or isinstance(call, ast.GeneratorExp):
                read = reads([stmt.iter])
                held = [slot.value for name in read if (slot := self.env.get((self.frame.number, name))) is not None]
                through = self.frame.scope.captured if any(isinstance(value, Closure | Many | Record) for value in held) else frozenset()
                changed = {*assigned(stmt.body), *rekeyed(stmt.body)} & (read | through)
                if changed:
                    message = f"this loop changes `{min(changed)}`, which what it goes over may read"
                    raise self.refusal(stmt.iter, message, "a loop over the items themselves, and the call in it")

    def came_back(self, returned: Atom, endless: bool = False) -> Flow:
        """How a loop ends, given the flag that says whether it was left by `return`; the loop around it must end then, too."""
        if returned == FALSE:
            return Flow.DEAD if endless else Flow.FALL
        self.raise_flag(self.region.exit, returned)
        if self.region.number:
            self.raise_flag(self.region.until, returned)
            self.raise_flag(RETURNED, returned)
        return Flow.EXIT if endless or returned == TRUE else Flow.MAYBE

    def otherwise(self, stmt: Loop, flow: Flow, broke: Atom) -> Flow:
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
            known = self.arm(lambda: self.hold_test(test))
            if not known.stmts and known.env[TEST].value == FALSE:
                return self.otherwise(stmt, Flow.FALL, FALSE)
        return LoopLowering(self, stmt, over, item).run()

    def hold_test(self, test: ast.expr) -> Flow:
        self.now = None  # what a test changes would be changed again in each trip
        self.env[TEST] = Slot(self.truth(self.expr(test), test))
        return Flow.FALL


def _name_of_exception(thing: object) -> str | None:
    """What the text calls an exception: Python's own, and NumPy's for matrices."""
    if not isinstance(thing, type) or not issubclass(thing, Exception):
        return None
    if thing.__name__ == "LinAlgError" and thing.__module__ == "numpy.linalg":
        return "np.linalg.LinAlgError"
    name: str = thing.__name__
    return name if getattr(builtins, name, None) is thing else None


def _only_raises(arm: Arm) -> Raise | None:
    """The only statement of an arm, if it is an unconditional `raise`."""
    if arm.flow is not Flow.DEAD or len(arm.stmts) != 1:
        return None
    found = arm.stmts[0]
    return found if isinstance(found, Raise) and found.test == TRUE else None
