"""The function that is being built: what every variable holds, and how two paths become one.

`Emitter` is what the lowering of expressions and of statements share. It knows IR and values, and no Python syntax.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, repeat
from typing import TYPE_CHECKING

from stagegrad.frontend.scope import Frame
from stagegrad.frontend.stages import Stages, Strength
from stagegrad.frontend.values import (
    FALSE,
    GONE,
    TRUE,
    Key,
    Many,
    Record,
    Slot,
    Unfit,
    Value,
    describe,
    fill,
    holds_iterator,
    join,
    leaves,
    undefined,
)  # fmt: skip
from stagegrad.ir import (
    BOOL,
    FLOAT,
    INT,
    Atom,
    Block,
    Call,
    For,
    If,
    Lit,
    Stage,
    Stmt,
    Type,
    Var,
    While,
    binds,
    read,
)  # fmt: skip

if TYPE_CHECKING:
    from stagegrad.frontend.python import Compilation


class Flow(Enum):
    """How a run of statements ends: always at its end, sometimes, never (it leaves), or never at all (it raises)."""

    FALL = "fall"
    MAYBE = "maybe"
    EXIT = "exit"
    DEAD = "dead"

    def beside(self, other: Flow) -> Flow:
        """How two alternative paths end, taken together."""
        if self is Flow.DEAD or self is other:
            return other
        return self if other is Flow.DEAD else Flow.MAYBE


@dataclass
class Arm:
    """One path: its statements, what the variables hold at its end, and how it ends."""

    stmts: list[Stmt]
    env: dict[Key, Slot]
    flow: Flow = Flow.FALL


@dataclass(frozen=True)
class Region:
    """What `break`, `continue` and `return` leave: a loop's body, or (`number` 0) the function's.

    The flag ``$exit`` says that the rest of this trip is skipped, ``$until`` that no further trip follows.
    """

    number: int
    keep: frozenset[str] | None = None  # the local names that may be read after it; None: all of them

    @property
    def exit(self) -> Key:
        return (self.number, "$exit")

    @property
    def until(self) -> Key:
        return (self.number, "$until")

    @property
    def broke(self) -> Key:
        return (self.number, "$broke")


_FLAGS = frozenset({"$exit", "$until", "$broke", "$returned"})
RETURNED: Key = (0, "$returned")
RESULT: Key = (0, "$result")

#: A variable without a value. It has the narrowest type, which a loop that assigns to it widens.
_UNBOUND = Slot(Lit(None, INT), FALSE)

#: The advice where a variable holds different kinds of things; such a problem is reported once, not at every reading.
ONE_TYPE = "one type of value on every path, or two names"


class Emitter(Stages):
    """Builds one IR function: its variables and its paths."""

    def __init__(self, compilation: Compilation) -> None:
        super().__init__(compilation)
        self.env: dict[Key, Slot] = {}
        self.around: list[list[Stmt]] = []  # the statements before the current path, and before that which it is on
        self.region = Region(0)
        self.words: dict[str, object] = {}  # names in the text, and whose they are
        self.in_others: set[ast.AST] = set()  # what made views without axes of other arrays
        self._regions = 0

    # ------------------------------------------------------------------------------------------ variables

    def word(self, frame: Frame, name: str) -> str:
        """What a local of `frame` is called in the text: its own name, prefixed where an inlined function's name clashes."""
        owner: object = frame.label or self
        if self.words.setdefault(name, owner) is owner:
            return name
        longer = f"{frame.label}_{name}"
        while self.words.setdefault(longer, owner) is not owner:
            longer += "_"
        return longer

    def word_of(self, key: Key) -> str:
        """What a variable of another frame is called in the text."""
        return key[1]

    def named(self, value: Value, name: str) -> Value:
        """The value under the name it is assigned to: a stage that nobody has named yet takes the name."""
        if not isinstance(value, Var) or value.name or value not in self._made:
            return value
        stmts, index = self._made[value]
        if stmts is not self.stmts or value not in binds(stmts[index]) or value in read(Block(tuple(stmts[index + 1 :]))):
            return value
        var = self.fresh.var(name, value.type)
        stmts[index] = _rebound(stmts[index], value, var)
        self._made[var] = self._made.pop(value)
        if value in self.guessed:
            self.guessed[var] = self.guessed[value]
        if value in self.strengths:
            self.strengths[var] = self.strengths[value]
        self.same_origins(var, value)
        return var

    def bind(self, name: str, value: Value, node: ast.AST) -> None:
        """Assigns to a name of the current frame."""
        self.lasting(value, node)
        home = self.home_of(name)
        self.hold(home, name, self.named(value, self.word(home, name) if home is self.frame else self.word_of((home.number, name))), node)

    def home_of(self, name: str) -> Frame:
        """The frame whose variable an assignment to a name changes: the current one, or with `nonlocal` one around it."""
        frame = self.frame
        if name not in frame.scope.outer or frame.parent is None:
            return frame
        return frame.parent.home(name) or frame

    def lasting(self, value: Value, node: ast.AST) -> None:
        """Refuses a name for an iterator: its first loop uses it up, and a second one would find nothing."""
        if holds_iterator(value):
            message = "an iterator cannot be kept under a name: its first loop uses it up"
            raise self.refusal(node, message, "the call itself in each loop, or tuple(...) around it")

    def hold(self, frame: Frame, name: str, value: Value, node: ast.AST | None = None) -> None:
        """Makes a local of `frame` denote a value; what a variable denotes is not renamed any more."""
        self.shared(value)
        self.env[frame.number, name] = Slot(self.kept(value), TRUE, self.span(node) if node else None)

    def shared(self, *values: Value) -> None:
        """Settles what several things hold: a name that the one takes would not reach the others."""
        for value in values:
            for leaf in leaves(value):
                self.settle(leaf)

    def settle(self, atom: Atom) -> None:
        """Lets an atom keep the name that it has: what holds it is not renamed with it."""
        if isinstance(atom, Var):
            self._made.pop(atom, None)

    def kept(self, value: Value) -> Value:
        """The value as a variable holds it."""
        return value

    def lookup(self, frame: Frame, name: str, node: ast.AST) -> Value:
        """What a local of `frame` holds; raises as Python does, at run time, where it may hold nothing."""
        key = (frame.number, name)
        slot = self.env.get(key, _UNBOUND)
        if isinstance(slot.value, Unfit):
            return slot.value
        if slot.bound != TRUE:
            tail = "where it is not associated with a value"
            if frame is self.frame:
                error, message = "UnboundLocalError", f"cannot access local variable '{name}' {tail}"
            else:
                error, message = "NameError", f"cannot access free variable '{name}' {tail} in enclosing scope"
            self.stop(self.negated(slot.bound, node), error, message, node)
            self.env[key] = replace(slot, bound=TRUE)
        return slot.value

    def require_one_holder(self, key: Key, value: Value, node: ast.AST) -> None:
        """Refuses to change in place what may be an array without axes, or a view of one, that another variable may hold too."""
        if isinstance(value, Var):
            self.alters(value)
        origins = self.made_here(value)
        if not origins:
            return
        others = [slot for other, slot in self.env.items() if other != key]
        if origins & self.in_others or any(origins & self.made_here(leaf) for slot in others for leaf in leaves(slot.value)):
            word = self.word_of(key)
            message = f"`{word}` may hold an array without axes, which this changes for other names too"
            raise self.refusal(node, message, f"{word} = {word} + ..., or a number: float({word})")

    # ------------------------------------------------------------------------------------------ paths

    def new_region(self, keep: frozenset[str] | None) -> Region:
        """A region with flags of its own."""
        self._regions += 1
        return Region(self._regions, keep)

    def flag(self, key: Key) -> Atom:
        """The state of one of our flags."""
        slot = self.env.get(key)
        found = next(leaves(slot.value), FALSE) if slot else FALSE
        return FALSE if isinstance(found, Lit) and found.value is None else found

    def raise_flag(self, key: Key, atom: Atom = TRUE) -> None:
        """Sets one of our flags."""
        self.env[key] = Slot(atom)

    def arm(self, lower: Callable[[], Flow], start: Arm | None = None) -> Arm:
        """Lowers a path beside the current one; `start` is a path to go on with."""
        stmts, env = self.stmts, self.env
        arm = start or Arm([], dict(env))
        self.stmts, self.env = arm.stmts, arm.env
        self.around.append(stmts)
        try:
            flow = lower()
            return Arm(self.stmts, self.env, flow)
        finally:
            self.stmts, self.env = stmts, env
            self.around.pop()

    def choose(self, test: Atom, then: Callable[[], Value], orelse: Callable[[], Value], node: ast.AST) -> Value:
        """The value of an expression that evaluates one of two others."""
        if isinstance(test, Lit):
            return then() if test.value else orelse()
        key = (0, f"$value{len(self.stmts)}")

        def hold(lower: Callable[[], Value]) -> Callable[[], Flow]:
            def run() -> Flow:
                self.env[key] = Slot(self.kept(lower()), TRUE, self.span(node))
                return Flow.FALL

            return run

        self.merge(test, self.arm(hold(then)), self.arm(hold(orelse)), None, node)
        return self.env.pop(key).value

    def merge(
        self, test: Atom, then: Arm, orelse: Arm, keep: frozenset[str] | None, node: ast.AST, guards: bool = False
    ) -> Flow:  # fmt: skip
        """Ends two paths: appends the `If`, and what the paths left different becomes one value each.

        `keep` are the local names that may still be read (None: all of them). `guards` says that `test` is a flag of
        ours: what is true on one path and false on the other is then the flag itself.
        """
        phis = _Phis(self, then, orelse, node, test if guards else None)
        env = dict(self.env)
        for key in [*then.env, *(key for key in orelse.env if key not in then.env)]:
            first, second = then.env.get(key), orelse.env.get(key)
            if first is second:
                if first is not None:
                    env[key] = first
                continue
            if keep is not None and key[0] == self.frame.number and not key[1].startswith("$") and key[1] not in keep:
                env[key] = Slot(GONE)
                continue
            env[key] = phis.slot(key, first, second)
        self.env = env
        if then.stmts or orelse.stmts or phis.outs:
            blocks = Block(tuple(then.stmts), tuple(phis.left)), Block(tuple(orelse.stmts), tuple(phis.right))
            self.append(If(test, *blocks, tuple(phis.outs), span=self.span(node)))
        return then.flow.beside(orelse.flow)

    def conflict(self, name: str, first: Slot, second: Slot) -> Unfit:
        """The value of a variable that is one kind of thing on one path and another on the other."""
        what = f"`{name}`" if not name.startswith("$") else "the result"
        kinds = [describe(first.value), describe(second.value)]
        if kinds[0] == kinds[1]:
            kinds[1] = f"another {kinds[1].partition(' ')[2]}"
        texts = [kind + (f" on line {slot.span.line}" if slot.span else "") for kind, slot in zip(kinds, (first, second), strict=True)]
        return Unfit(f"{what} is {texts[0]} but {texts[1]}", ONE_TYPE)


class _Phis:
    """The values that an `If` yields."""

    def __init__(self, emitter: Emitter, then: Arm, orelse: Arm, node: ast.AST, flag: Atom | None) -> None:
        self.emitter, self.then, self.orelse, self.node, self.flag = emitter, then, orelse, node, flag
        self.outs: list[Var] = []
        self.left: list[Atom] = []
        self.right: list[Atom] = []
        self._shared: dict[tuple[Atom, Atom], Var] = {}

    def slot(self, key: Key, first: Slot | None, second: Slot | None) -> Slot:
        """One slot for both; what a path leaves dead, or never reaches, counts as nothing."""
        gone = [arm.flow is Flow.DEAD or (slot is not None and slot.value is GONE)
                for arm, slot in ((self.then, first), (self.orelse, second))]  # fmt: skip
        if all(gone):
            return Slot(GONE)
        if any(gone):
            alive = second if gone[0] else first
            if alive is None or alive is self.emitter.env.get(key):
                return alive or _UNBOUND
            first, second = (None, alive) if gone[0] else (alive, None)
        elif key[1] in _FLAGS:
            first, second = first or Slot(FALSE), second or Slot(FALSE)
        value = self._value(key, first, second)
        if isinstance(value, Unfit):
            return Slot(value)
        unbound = Lit(None, BOOL) if any(gone) else FALSE
        left, right = (slot.bound if slot else unbound for slot in (first, second))
        bound = TRUE if key[1].startswith("$") else self.atom(left, right, BOOL, "")
        found = first or second
        return Slot(value, bound, found.span if found else None)

    def _value(self, key: Key, first: Slot | None, second: Slot | None) -> Value:
        if first is None or second is None:
            only = first or second
            assert only is not None
            blank = undefined(only.value)
            pair = (only.value, blank) if first else (blank, only.value)
            skeleton: Value | None = blank
        else:
            pair = first.value, second.value
            skeleton = join(*pair)
        if skeleton is None and first is not None and second is not None:
            return self.emitter.conflict(key[1], first, second)
        if skeleton is None or isinstance(skeleton, Unfit):
            return skeleton or Unfit()
        hidden = key[1].startswith("$")
        names = chain(["" if hidden or isinstance(skeleton, Many | Record) else self._word(key)], repeat(""))
        parts = zip(leaves(pair[0]), leaves(pair[1]), leaves(skeleton), strict=True)
        atoms = [self.atom(a, b, leaf.type, name, hidden) for name, (a, b, leaf) in zip(names, parts, strict=False)]
        return fill(skeleton, iter(atoms))

    def _word(self, key: Key) -> str:
        frame = self.emitter.frame
        return self.emitter.word(frame, key[1]) if key[0] == frame.number else self.emitter.word_of(key)

    def atom(self, first: Atom, second: Atom, type: Type, name: str, shared: bool = True) -> Atom:
        """One atom for both; equal pairs share a value where they have no name of their own."""
        ends = first, second
        first, second = self._converted(first, type, self.then), self._converted(second, type, self.orelse)
        if first == second:
            return first
        if self.flag is not None and (first, second) == (TRUE, FALSE):
            return self.flag
        for one, other in ((first, second), (second, first)):
            if isinstance(one, Lit) and one.value is None and isinstance(other, Lit):
                return other
        if shared and not name and (first, second) in self._shared:
            return self._shared[first, second]
        out = self.emitter.fresh.var(name, type)
        self._shared.setdefault((first, second), out)
        self.outs.append(out)
        self.left.append(first)
        self.right.append(second)
        self.emitter.same_origins(out, *ends)
        if type == FLOAT:
            known = [self.emitter.strength(atom) for atom in (first, second) if not (isinstance(atom, Lit) and atom.value is None)]
            if known and known[0].beside(known[-1]) is not Strength.WEAK:
                self.emitter.strengths[out] = known[0].beside(known[-1])
        guesses = [self.emitter.guess_of(atom) for atom in (first, second)]
        if type == FLOAT and None not in guesses:
            self.emitter.guessed[out] = frozenset().union(*(guess for guess in guesses if guess))
        return out

    def _converted(self, atom: Atom, type: Type, arm: Arm) -> Atom:
        found: list[Atom] = []

        def convert() -> Flow:
            found.append(self.emitter.converted(atom, type, self.node))
            return arm.flow

        self.emitter.arm(convert, arm)
        return found[0]


def _rebound(stmt: Stmt, old: Var, new: Var) -> Stmt:
    """The statement with one of the values that it binds renamed."""
    match stmt:
        case Stage():
            return replace(stmt, out=new)
        case If() | Call():
            return replace(stmt, outs=tuple(new if out == old else out for out in stmt.outs))
        case For() | While():
            return replace(stmt, carries=tuple(replace(c, out=new) if c.out == old else c for c in stmt.carries))
        case _:
            raise TypeError(f"binds nothing: {stmt!r}")
