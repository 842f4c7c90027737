"""Random scalar programs with all of Python's control flow: the same seed gives the same text, on every machine.

`program(seed)` returns a `Program`: the text of a module with a function `f`, and three points to call it at. The programs
end by construction (every loop has a bound that its body cannot touch), keep their numbers small (what could grow is squashed),
stay inside the domain of every function that they call, and compare against odd literals so that ties are rare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz.words import (
    AUGMENTED,
    BOOL_NAMES,
    FLOAT_NAMES,
    FLOAT_PARAMS,
    FUNCTIONS,
    HELPER_NAMES,
    IMPORTS,
    INT_NAMES,
    INT_PARAMS,
    RANGES,
    RANGES_OF_ANY,
    RANGES_OF_SMALL,
    SQUASHES,
)

#: A straight line never assigns anything larger than this without squashing it first.
CAP = 20.0
#: How many trips the loops of a program may make together, one inside the other.
TRIPS = 100

#: How tightly an expression binds, from the loosest.
TERNARY, OR, AND, NOT, COMPARE, ADD, MUL, UNARY, POWER, ATOM = range(10)


@dataclass(frozen=True)
class Program:
    """A module's text, the function in it that is differentiated, and the points to do it at."""

    seed: int
    text: str
    points: tuple[tuple[Any, ...], ...]
    name: str = "f"


@dataclass(frozen=True)
class Term:
    """An expression: its text, how tightly it binds, and a guess of how large it gets."""

    text: str
    level: int = ATOM
    size: float = 2.0

    def at(self, level: int) -> str:
        """The text as an operand of something that binds with `level`."""
        return self.text if self.level >= level else f"({self.text})"


@dataclass(frozen=True)
class Helper:
    """A function that the program may call: the kinds of its parameters and of its results."""

    name: str
    params: tuple[tuple[str, str], ...]
    results: tuple[str, ...] = ("float",)
    defaults: int = 0
    cost: int = 1


@dataclass
class Scope:
    """The names that are certainly bound here, and what they hold."""

    floats: dict[str, float] = field(default_factory=dict)
    ints: list[str] = field(default_factory=list)
    bools: list[str] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)
    guarded: dict[str, str] = field(default_factory=dict)
    functions: list[Helper] = field(default_factory=list)

    def copy(self) -> Scope:
        """A scope for a block: what is bound inside does not leak."""
        return Scope(dict(self.floats), list(self.ints), list(self.bools), set(self.locked), dict(self.guarded), list(self.functions))

    def used(self) -> set[str]:
        """Every name that means something here."""
        return {*self.floats, *self.ints, *self.bools, *self.locked, *self.guarded}


def program(seed: int) -> Program:
    """The program of this seed."""
    return Maker(Random(seed)).program(seed)


def literal(random: Random, low: float = -2.0, high: float = 2.0) -> Term:
    """A float literal with enough digits that nothing is ever equal to it by accident."""
    value = round(random.uniform(low, high), random.choice((2, 3, 4))) or 0.37
    return Term(repr(value), ATOM if value >= 0 else UNARY, abs(value))


class Maker:
    """Writes one program, statement by statement."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []
        self.depth = 0
        self.scope = Scope()
        self.helpers: list[Helper] = []
        self.trips = 1
        self.loops: list[str] = []
        self.budget = 0
        self.results: tuple[str, ...] = ("float",)
        self.constants: list[str] = []
        self.functions = FUNCTIONS
        # A local called `sum` or `len` hides the builtin in its whole function: a program has either the one or the other.
        self.reserved = {"sum"} if random.random() < 0.5 else set()

    # ------------------------------------------------------------------------------------------ small tools

    def chance(self, probability: float) -> bool:
        """True in this share of the cases."""
        return self.random.random() < probability

    def pick(self, *weighted: tuple[float, Callable[[], Any]]) -> Any:
        """Calls one of the alternatives."""
        weights, makers = zip(*weighted, strict=True)
        return self.random.choices(makers, weights)[0]()

    def one(self, options: Any) -> Any:
        """One of the options."""
        return self.random.choice(list(options))

    def emit(self, text: str) -> None:
        """Writes a line."""
        self.lines.append("    " * self.depth + text)

    @contextmanager
    def block(self) -> Iterator[Scope]:
        """An indented block with a scope of its own: what it binds is not certainly bound after it."""
        outer = self.scope
        self.scope = outer.copy()
        self.depth += 1
        yield self.scope
        self.depth -= 1
        self.scope = outer

    def fresh(self, names: Sequence[str]) -> str:
        """A name that means nothing here yet."""
        free = [name for name in names if name not in self.scope.used() and name not in self.constants]
        free = [name for name in free if name not in self.reserved]
        return self.one(free) if free else f"v{len(self.lines)}"

    # ------------------------------------------------------------------------------------------ float expressions

    def real(self, depth: int = 2) -> Term:
        """A float expression."""
        if depth <= 0 or self.chance(0.15):
            return self.leaf()
        return self.pick(
            (22, lambda: self.sum(depth)),
            (20, lambda: self.product(depth)),
            (8, lambda: self.quotient(depth)),
            (14, lambda: self.function(depth)),
            (6, lambda: self.power(depth)),
            (3, lambda: self.negative(depth)),
            (4, lambda: self.extreme(depth)),
            (3, lambda: self.absolute(depth)),
            (4, lambda: self.ternary(depth)),
            (3, lambda: self.stepped(depth)),
            (6, lambda: self.call(depth)),
            (1, lambda: self.choice(depth)),
            (6, self.leaf),
        )

    def leaf(self) -> Term:
        """A variable or a literal."""
        return self.pick(
            (70, self.variable),
            (16, lambda: literal(self.random)),
            (2, lambda: Term(self.one(("0", "1", "2", "-1", "3")), UNARY, 3.0)),
            (1, lambda: Term(self.one(("math.pi", "math.e")), ATOM, 3.0)),
            (8, lambda: Term(self.one(self.scope.ints), ATOM, 6.0) if self.scope.ints else self.variable()),
            (1, lambda: Term(f"float({self.whole(1).text})", ATOM, 8.0)),
            (2, lambda: Term(self.one(self.constants), ATOM, 1.0) if self.constants else self.variable()),
        )

    def variable(self) -> Term:
        """A float that is bound here."""
        if not self.scope.floats:
            return literal(self.random)
        name = self.one(self.scope.floats)
        return Term(name, ATOM, self.scope.floats[name])

    def sum(self, depth: int) -> Term:
        left, right = self.real(depth - 1), self.real(depth - 1)
        operator = self.one("+-")
        return Term(f"{left.at(ADD)} {operator} {right.at(MUL)}", ADD, left.size + right.size)

    def product(self, depth: int) -> Term:
        left, right = self.real(depth - 1), self.real(depth - 1)
        return Term(f"{left.at(MUL)} * {right.at(UNARY)}", MUL, left.size * right.size)

    def quotient(self, depth: int) -> Term:
        left, right = self.real(depth - 1), self.real(depth - 1)
        below = self.one((f"(1.0 + {right.at(ATOM)}**2)", f"(2.0 + math.cos({right.text}))", f"(1.3 + abs({right.text}))", "1.7", "3"))
        return Term(f"{left.at(MUL)} / {below}", MUL, left.size)

    def function(self, depth: int) -> Term:
        inner = self.real(depth - 1)
        text, size = self.one(self.functions)
        if "{y}" in text:
            return Term(text.format(x=inner.text, y=self.real(depth - 1).text), MUL, min(size, 2.0 * inner.size))
        return Term(text.format(x=inner.text, u=inner.at(UNARY), a=inner.at(ATOM)), MUL, size if size < CAP else inner.size + 1.0)

    def power(self, depth: int) -> Term:
        base = self.real(depth - 1)
        if self.chance(0.6):
            exponent = self.one(("2", "3", "2", "1", "4", "2.0", "0"))
            return Term(f"{base.at(ATOM)}**{exponent}", POWER, max(1.0, base.size) ** float(exponent))
        under = f"(0.6 + {base.at(ATOM)}**2)"
        over = self.one(("0.5", "-0.5", "-1", "-2", "1.5", f"math.sin({self.real(depth - 1).text})", f"math.tanh({self.leaf().text})"))
        return Term(f"pow({under}, {over})" if self.chance(0.2) else f"{under}**{over}", POWER, base.size**3 + 1.0)

    def negative(self, depth: int) -> Term:
        inner = self.real(depth - 1)
        return Term(f"{self.one('--+')}{inner.at(UNARY)}", UNARY, inner.size)

    def extreme(self, depth: int) -> Term:
        terms = [self.real(depth - 1), literal(self.random)]
        if self.chance(0.5):
            other = self.real(depth - 1)
            terms[1] = Term(f"{other.at(ADD)} + {literal(self.random, 0.1, 0.9).text}", ADD, other.size + 1.0)
        if self.chance(0.2):
            terms.append(literal(self.random))
        self.random.shuffle(terms)
        return Term(f"{self.one(('min', 'max'))}({', '.join(t.text for t in terms)})", ATOM, max(t.size for t in terms))

    def absolute(self, depth: int) -> Term:
        inner = self.real(depth - 1)
        return Term(f"{self.one(('abs', 'abs', 'math.fabs'))}({inner.text})", ATOM, inner.size)

    def ternary(self, depth: int) -> Term:
        test, left, right = self.test(1), self.real(depth - 1), self.real(depth - 1)
        return Term(f"{left.at(OR)} if {test.at(OR)} else {right.at(TERNARY)}", TERNARY, max(left.size, right.size))

    def stepped(self, depth: int) -> Term:
        inner = self.real(depth - 1)
        x = inner.at(UNARY)
        divisor = literal(self.random, 0.4, 1.9).text
        text, level, size = self.one(
            (
                (f"{x} % {divisor}", MUL, 2.0),
                (f"{x} // {divisor}", MUL, 2.0 * inner.size),
                (f"math.fmod({inner.text}, {divisor})", ATOM, 2.0),
                (f"round({inner.text}, {self.one('12')})", ATOM, inner.size),
                (f"int({inner.text})", ATOM, inner.size),
                (f"math.floor({inner.text})", ATOM, inner.size),
                (f"-math.ceil({inner.text})", UNARY, inner.size),
                (f"round({inner.text})", ATOM, inner.size),
                (f"math.trunc({inner.text})", ATOM, inner.size),
                (f"{x} % (1.1 + math.sin({self.leaf().text}) ** 2)", MUL, 2.0),
            )
        )
        return Term(text, level, size)

    def choice(self, depth: int) -> Term:
        """``a or b`` for its value, as Python has it."""
        left, right = self.real(depth - 1), self.real(depth - 1)
        operator, level = self.one((("or", OR), ("and", AND)))
        return Term(f"{left.at(level + 1)} {operator} {right.at(level + 1)}", level, max(left.size, right.size))

    def call(self, depth: int) -> Term:
        """A call of one of the program's own functions, where the cost allows it."""
        single = self.callees("float")
        return Term(self.invoke(self.one(single), depth), ATOM, CAP / 2) if single else self.function(depth)

    def callees(self, *results: str) -> list[Helper]:
        """The functions with these results that may be called here: not hidden by a local, and cheap enough for the loops around."""
        hidden = {*self.scope.floats, *self.scope.ints, *self.scope.bools, *self.scope.guarded}
        known = [*self.helpers, *self.scope.functions]
        return [h for h in known if h.results == results and h.name not in hidden and h.cost * self.trips <= 4 * TRIPS]

    def invoke(self, helper: Helper, depth: int) -> str:
        """The text of a call, with positional, keyword and left-out arguments."""
        kept = len(helper.params) - (self.random.randint(0, helper.defaults) if helper.defaults else 0)
        values = [self.argument(kind, depth - 1) for _, kind in helper.params[:kept]]
        named = self.random.randint(0, kept) if self.chance(0.25) else kept
        parts = values[:named]
        words = [f"{name}={value}" for (name, _), value in zip(helper.params[named:kept], values[named:], strict=True)]
        self.random.shuffle(words)
        return f"{helper.name}({', '.join(parts + words)})"

    def argument(self, kind: str, depth: int) -> str:
        """An argument for a parameter of this kind; a `depth` parameter bounds a recursion."""
        match kind:
            case "int":
                return self.whole(1).text
            case "depth":
                return f"min({self.one(self.scope.ints)}, 3)" if self.scope.ints and self.chance(0.5) else self.one("0123")
            case _:
                return self.real(depth).text

    # ------------------------------------------------------------------------------------------ int and bool expressions

    def whole(self, depth: int = 1) -> Term:
        """An int expression between about -40 and 40."""
        if depth <= 0 or not self.scope.ints:
            return self.small()
        if self.callees("int") and self.chance(0.2):
            return Term(self.invoke(self.one(self.callees("int")), 1))
        left, right = self.small(), self.small()
        return self.one(
            (
                left,
                Term(f"{left.at(ADD)} {self.one('+-')} {right.at(MUL)}", ADD),
                Term(f"{left.at(UNARY)} * {self.one('23')}", MUL),
                Term(f"{left.at(UNARY)} % {self.one('235')}", MUL),
                Term(f"{left.at(UNARY)} // {self.one('23')}", MUL),
                Term(f"{self.one(('min', 'max'))}({left.text}, {right.text})"),
                Term(f"abs({left.text} - {right.at(MUL)})"),
                Term(f"{left.text} if {self.test(0).at(OR)} else {right.text}", TERNARY),
                Term(f"int(2.0 * math.tanh({self.leaf().text}) + 2.1)"),
                Term(f"{left.at(ATOM)}**2 % 5", MUL),
                Term(f"({left.at(UNARY)} & 3)"),
                Term(f"-{left.at(UNARY)}", UNARY),
                Term(f"sum(range({left.text}))") if "sum" in self.reserved else left,
                Term(f"divmod({left.text}, 3)[1]"),
            )
        )

    def small(self) -> Term:
        """An int variable or literal."""
        if self.scope.ints and self.chance(0.75):
            return Term(self.one(self.scope.ints))
        if "STEPS" in self.constants and self.chance(0.5):
            return Term("STEPS")
        return Term(str(self.random.randint(0, 4)))

    def test(self, depth: int = 1) -> Term:
        """A bool expression."""
        if self.callees("bool") and self.chance(0.15):
            return Term(self.invoke(self.one(self.callees("bool")), 1))
        if depth > 0 and self.chance(0.3):
            return self.pick((4, lambda: self.both(depth)), (2, lambda: self.negation(depth)), (3, self.chain))
        kinds = ["float"] * 5 + ["int", "int"] * bool(self.scope.ints) + ["bool", "bool"] * bool(self.scope.bools)
        match self.one(kinds):
            case "int":
                left = self.whole(1)
                operator = self.one(("<", ">", "==", "!=", "<=", ">=", "%"))
                if operator == "%":
                    return Term(f"{left.at(UNARY)} % 2 == {self.one('01')}", COMPARE)
                return Term(f"{left.at(ADD)} {operator} {self.small().text}", COMPARE)
            case "bool":
                return Term(self.one(self.scope.bools))
            case _:
                left = self.real(1)
                right = literal(self.random, -1.5, 1.5)
                if self.chance(0.3):
                    right = Term(f"{self.variable().text} + {literal(self.random, 0.01, 0.9).text}", ADD)
                return Term(f"{left.at(ADD)} {self.one('<><>') + self.one(('', '='))} {right.at(ADD)}", COMPARE)

    def both(self, depth: int) -> Term:
        word, level = self.one((("and", AND), ("or", OR)))
        parts = [self.test(depth - 1).at(level + 1) for _ in range(self.one((2, 2, 3)))]
        return Term(f" {word} ".join(parts), level)

    def negation(self, depth: int) -> Term:
        return Term(f"not {self.test(depth - 1).at(COMPARE)}", NOT)

    def chain(self) -> Term:
        low, high = literal(self.random, -2.0, -0.2), literal(self.random, 0.1, 2.0)
        middle = self.real(1)
        if self.chance(0.3):
            return Term(f"{high.text} >= {middle.at(ADD)} > {low.text} < {self.leaf().text} + 0.313", COMPARE)
        return Term(f"{low.text} {self.one(('<', '<='))} {middle.at(ADD)} < {high.text}", COMPARE)

    # ------------------------------------------------------------------------------------------ assignments

    def bounded(self, term: Term, limit: float = CAP) -> Term:
        """The expression itself, or squashed where it may be large."""
        if term.size <= limit:
            return term
        return Term(self.squash(term), ADD, 2.0)

    def squash(self, term: Term) -> str:
        """A squashed expression; what is long is not written twice."""
        forms = [form for form in SQUASHES if len(term.text) < 16 or form.count("{") == 1]
        return self.one(forms).format(x=term.text, u=term.at(UNARY))

    def bind(self, name: str, size: float) -> None:
        """Notes that a float name is bound."""
        self.scope.floats[name] = min(max(size, 0.5), CAP)

    def target(self, fresh: float = 0.4) -> str:
        """A float name to assign to, new or old."""
        old = [name for name in self.scope.floats if name not in self.scope.locked]
        return self.fresh(FLOAT_NAMES) if not old or self.chance(fresh) else self.one(old)

    def assign(self) -> None:
        """One of the many ways to give a float name a value."""
        self.pick(
            (40, self.assign_one),
            (20, self.augment),
            (6, self.assign_pair),
            (5, self.swap),
            (3, self.assign_chain),
            (2, self.assign_annotated),
            (3, self.assign_divmod),
            (3, self.assign_constant),
            (4, self.assign_results),
            (9, self.assign_int),
            (6, self.assign_bool),
        )

    def assign_one(self) -> None:
        term = self.moving(self.bounded(self.real(self.one((1, 2, 2, 3)))))
        name = self.target()
        self.emit(f"{name} = {term.text}")
        self.bind(name, term.size)

    def moving(self, term: Term) -> Term:
        """The expression, most often made to depend on a variable if it does not yet."""
        constant = not set(re.findall(r"\w+", term.text)) & set(self.scope.floats)
        if constant and self.chance(0.9):
            return Term(f"{term.at(MUL)} * {self.variable().text}", MUL, 2.0 * term.size)
        return term

    def augment(self) -> None:
        old = [name for name in self.scope.floats if name not in self.scope.locked]
        if not old:
            return self.assign_one()
        name, term = self.one(old), self.real(self.one((1, 2)))
        if self.trips > 1:
            term = self.bounded(term, 3.0)
        text = self.one(AUGMENTED)
        self.emit(f"{name} {text.format(x=term.text, u=term.at(UNARY))}")
        size = self.scope.floats[name]
        self.bind(name, size**2 if text.startswith("**") else size + term.size if text[0] in "+-" else 2.0 * size)
        if text.startswith("**") or (self.trips > 1 and self.chance(0.3)) or size > CAP - 1.0:
            self.emit(f"{name} = {self.squash(Term(name))}")
            self.bind(name, 2.0)
        return None

    def assign_pair(self) -> None:
        terms = [self.bounded(self.real(2)) for _ in range(self.one((2, 2, 3)))]
        names: list[str] = []
        while len(names) < len(terms):
            name = self.target(0.6)
            if name not in names:
                names.append(name)
        if len(names) == 3 and self.chance(0.4):
            self.emit(f"({names[0]}, {names[1]}), {names[2]} = ({terms[0].text}, {terms[1].text}), {terms[2].text}")
        else:
            self.emit(f"{', '.join(names)} = {', '.join(t.at(TERNARY) for t in terms)}")
        for name, term in zip(names, terms, strict=True):
            self.bind(name, term.size)

    def swap(self) -> None:
        old = [name for name in self.scope.floats if name not in self.scope.locked]
        if len(old) < 2:
            return self.assign_one()
        names = self.random.sample(old, min(len(old), self.one((2, 2, 3))))
        moved = names[1:] + names[:1]
        self.emit(f"{', '.join(names)} = {', '.join(moved)}")
        sizes = [self.scope.floats[name] for name in moved]
        for name, size in zip(names, sizes, strict=True):
            self.bind(name, size)
        return None

    def assign_chain(self) -> None:
        term = self.bounded(self.real(2))
        names = [self.target(0.6), self.target(0.6)]
        self.emit(f"{names[0]} = {names[1]} = {term.text}")
        for name in names:
            self.bind(name, term.size)

    def assign_annotated(self) -> None:
        term, name = self.bounded(self.real(2)), self.fresh(FLOAT_NAMES)
        self.emit(f"{name}: float = {term.text}")
        self.bind(name, term.size)

    def assign_divmod(self) -> None:
        whole, rest = self.fresh(FLOAT_NAMES), self.target()
        if whole == rest:
            return self.assign_one()
        self.emit(f"{whole}, {rest} = divmod({self.bounded(self.real(1)).text}, {literal(self.random, 0.4, 1.9).text})")
        self.bind(whole, CAP)
        self.bind(rest, 2.0)
        return None

    def assign_constant(self) -> None:
        """A constant, often an int that later becomes a float, as in ``total = 0``."""
        name = self.target(0.95)
        self.emit(f"{name} = {self.one(('0', '0.0', '1', '1.0', '-0.0', '2', '1e-3'))}")
        self.bind(name, 2.0)

    def assign_results(self) -> None:
        several = self.callees("float", "float")
        names = [self.target(), self.target()]
        if not several or names[0] == names[1]:
            return self.assign_one()
        self.emit(f"{', '.join(names)} = {self.invoke(self.one(several), 2)}")
        for name in names:
            self.bind(name, CAP / 2)
        return None

    def assign_int(self) -> None:
        old = [name for name in self.scope.ints if name not in self.scope.locked]
        if old and self.chance(0.4):
            name = self.one(old)
            self.emit(f"{name} {self.one(('+= 1', '-= 1', '+= 2', '//= 2', '%= 3'))}")
            return
        name = self.one(old) if old and self.chance(0.3) else self.fresh(INT_NAMES)
        term = self.whole(1)
        self.emit(f"{name} = {term.text if self.trips == 1 else f'{term.at(UNARY)} % 7'}")
        if name not in self.scope.ints:
            self.scope.ints.append(name)

    def assign_bool(self) -> None:
        old = [name for name in self.scope.bools if name not in self.scope.locked]
        name = self.one(old) if old and self.chance(0.4) else self.fresh(BOOL_NAMES)
        self.emit(f"{name} = {self.test(2).text}")
        if name not in self.scope.bools:
            self.scope.bools.append(name)

    # ------------------------------------------------------------------------------------------ branches

    def branch(self) -> None:
        """An if with elif and else arms; names that every arm binds are bound afterwards."""
        before = self.scope
        after: list[Scope] = []
        arms = self.one((1, 1, 2, 2, 2, 3))
        for arm in range(arms):
            last = arm == arms - 1 and arms > 1
            self.emit("else:" if last else f"{'elif' if arm else 'if'} {self.test(2).text}:")
            after.append(self.arm(self.one((1, 1, 2, 3))))
        if arms == 1:
            after.append(before)
        live = [scope for scope in after if scope.floats] or [before]
        self.scope = before
        for name in set.intersection(*(set(scope.floats) for scope in live)) - before.used():
            if self.chance(0.9):
                self.bind(name, max(scope.floats[name] for scope in live))
        for name in before.floats:
            self.bind(name, max(scope.floats.get(name, 0.0) for scope in live))
        for name in set.intersection(*(set(scope.ints) for scope in live)) - before.used():
            before.ints.append(name)

    def arm(self, statements: int) -> Scope:
        """An arm; it may leave. The scope at its end is empty if it certainly leaves."""
        with self.block() as inner:
            for _ in range(statements):
                self.statement()
            inner = self.scope
            if self.chance(self._leaving()):
                self.leave()
                return Scope()
        return inner

    def _leaving(self) -> float:
        return 0.3 if self.loops else 0.12

    def leave(self) -> None:
        """Ends the block: return, break or continue (the last only where the loop's bound has already moved)."""
        options = ["return"]
        if self.loops:
            options += ["break"] * 4
            options += ["continue"] * 4 if self.loops[-1] != "late" else []
        word = self.one(options)
        if word == "return":
            self.give_back()
        else:
            self.emit(word)

    def give_back(self) -> None:
        """A return of what the function promises, most often of a mixture of what is known."""
        self.emit(f"return {', '.join(self.result(kind) for kind in self.results)}")

    def result(self, kind: str) -> str:
        """What to return for a result of this kind."""
        match kind:
            case "int":
                return self.whole(1).text
            case "bool":
                return self.one((self.test(1).text, self.test(1).text, "True", "False"))
            case _ if self.chance(0.04):
                return self.one(("0.0", "1.0", "0", "-2.5"))
            case _:
                return self.bounded(self.mixture() if self.chance(0.6) else self.real(2), CAP / 2).text

    def mixture(self) -> Term:
        """A sum of several variables, so that what was computed reaches the result."""
        names = list(self.scope.floats)
        chosen = self.random.sample(names, min(len(names), 4))
        parts = [self.one((name, f"{literal(self.random, 0.1, 0.9).text} * {name}", f"math.sin({name})")) for name in chosen]
        return Term(" + ".join(parts), ADD, sum(self.scope.floats[name] for name in chosen) / 2)

    def guarded(self) -> None:
        """A name bound under a flag, and read later only under the same flag."""
        flag, name = self.fresh(BOOL_NAMES), self.fresh(FLOAT_NAMES)
        self.emit(f"{flag} = {self.test(1).text}")
        self.emit(f"if {flag}:")
        with self.block():
            self.emit(f"{name} = {self.bounded(self.real(2)).text}")
        self.scope.bools.append(flag)
        self.scope.locked.add(flag)
        self.scope.guarded[name] = flag

    def use_guarded(self) -> None:
        """Reads a name that is bound only under its flag."""
        if not self.scope.guarded:
            return self.guarded()
        name, flag = self.one(self.scope.guarded.items())
        into = self.target(0.0)
        term = self.one((f"{name} * 0.5", f"math.sin({name})", f"{name} - {self.leaf().text}"))
        self.bind(into, CAP)
        if into in self.scope.floats and self.chance(0.5):
            self.emit(f"{into} = {term} if {flag} else {self.real(1).text}")
        else:
            self.emit(f"if {flag}:")
            self.emit(f"    {into} = {term}")
            self.emit("else:")
            self.emit(f"    {into} = {self.real(1).text}")
        return None

    # ------------------------------------------------------------------------------------------ loops

    def loop(self) -> None:
        """A loop, if the nest can still afford one."""
        if len(self.loops) >= 3 or self.trips * 3 > TRIPS:
            return self.assign()
        self.pick((50, self.loop_range), (8, self.loop_tuple), (12, self.loop_counted), (10, self.loop_shrinking), (10, self.loop_forever))
        return None

    def loop_range(self) -> None:
        reuse = [name for name in self.scope.ints if name not in self.scope.locked]
        index = self.one(reuse) if reuse and self.chance(0.08) else self.fresh(INT_NAMES)
        if self.chance(0.03):
            index = "_"
        bound, trips = self.bounds()
        self.emit(f"for {index} in range({bound}):")
        self.body(trips, "for", index if index != "_" else "")
        self.otherwise()
        if index in self.scope.ints or index == "_":
            return
        if self.chance(0.04):
            self.scope.ints.append(index)  # may be unbound: then Python's UnboundLocalError is the right answer
        elif trips > 0 and bound.isdigit() and bound != "0" and self.chance(0.6):
            self.scope.ints.append(index)

    def bounds(self) -> tuple[str, int]:
        """What to put in ``range()``, and about how many trips that makes."""
        if self.chance(0.45) or not self.scope.ints:
            return self.one(RANGES), 4
        n = self.one(self.scope.ints)
        small = n in self.scope.locked  # parameters and counters stay below about six
        return self.one(RANGES_OF_ANY + RANGES_OF_SMALL * small).format(n=n), 5

    def loop_tuple(self) -> None:
        name = self.fresh(FLOAT_NAMES)
        items = [self.one((literal(self.random), literal(self.random), self.leaf())) for _ in range(self.one((2, 3, 4)))]
        if self.chance(0.3):
            other = self.fresh([n for n in FLOAT_NAMES if n != name])
            pairs = ", ".join(f"({item.text}, {literal(self.random).text})" for item in items)
            self.emit(f"for {name}, {other} in ({pairs}):")
            extra = {other: 2.0}
        else:
            self.emit(f"for {name} in ({', '.join(item.text for item in items)}):")
            extra = {}
        self.body(len(items), "for", "", {name: CAP / 2, **extra})
        self.otherwise()

    def loop_counted(self) -> None:
        """A while over a counter, with a data-dependent exit as well."""
        counter, limit = self.fresh(INT_NAMES), self.random.randint(1, 5)
        self.emit(f"{counter} = {self.one(('0', '0', '1'))}")
        self.scope.locked.add(counter)
        condition = f"{counter} < {limit}"
        if self.chance(0.6):
            test = self.test(1)
            condition = self.one((f"{condition} and {test.at(NOT)}", f"{test.at(NOT)} and {condition}"))
        self.emit(f"while {condition}:")
        step = f"{counter} += 1"
        if self.chance(0.5):
            self.body(limit, "while", counter, first=step)
        else:
            self.body(limit, "late", counter, last=step)
        self.otherwise()
        self.scope.ints.append(counter)

    def loop_shrinking(self) -> None:
        """A while that ends because a value of its own shrinks: the trip count depends on the data."""
        name = self.fresh(FLOAT_NAMES)
        self.emit(f"{name} = {self.bounded(self.real(1), 6.0).text}")
        edge = literal(self.random, 0.2, 0.9).text
        self.scope.locked.add(name)
        self.bind(name, 6.0)
        shrink = self.one((f"{name} *= 0.5", f"{name} = {name} / 2.5", f"{name} = 0.4 * math.sin({name})", f"{name} = -0.45 * {name}"))
        self.emit(f"while {self.one((f'abs({name}) > {edge}', f'{name} * {name} > {edge}', f'{name} > {edge} or {name} < -{edge}'))}:")
        if self.chance(0.5):
            self.body(5, "while", "", first=shrink)
        else:
            self.body(5, "late", "", last=shrink)
        self.otherwise()
        self.scope.locked.discard(name)

    def loop_forever(self) -> None:
        """``while True`` with a counter that breaks out."""
        counter, limit = self.fresh(INT_NAMES), self.random.randint(1, 4)
        self.emit(f"{counter} = 0")
        self.scope.locked.add(counter)
        self.emit(self.one(("while True:", "while True:", "while 1:", f"while not {counter} > 90:")))
        test = self.test(1).at(AND)
        first = f"{counter} += 1\nif {counter} > {limit} or {test}:\n    break"
        self.body(limit, "while", counter, first=first)
        self.scope.ints.append(counter)

    def body(self, trips: int, kind: str, index: str, floats: dict[str, float] | None = None, first: str = "", last: str = "") -> None:
        """The body of a loop; `first` and `last` move the bound and are never touched otherwise."""
        self.loops.append(kind)
        outer, self.trips = self.trips, self.trips * max(trips, 1)
        with self.block() as inner:
            for line in first.splitlines():
                self.emit(line)
            if index:
                inner.ints.append(index)
                if kind == "for" and not self.chance(0.05):
                    inner.locked.add(index)
            inner.floats.update(floats or {})
            for _ in range(self.one((1, 2, 2, 3, 4))):
                self.statement()
            self.calm()
            if last:
                self.emit(last)
        self.trips = outer
        self.loops.pop()

    def calm(self) -> None:
        """Squashes a value at the end of a loop's body now and then, so that recurrences stay small."""
        old = [name for name, size in self.scope.floats.items() if name not in self.scope.locked and size > 3.0]
        for name in old[:2]:
            if self.chance(0.6):
                self.emit(f"{name} = {self.squash(Term(name))}")
                self.bind(name, 2.0)

    def otherwise(self) -> None:
        """The else of a loop, sometimes."""
        if self.chance(0.15):
            self.emit("else:")
            self.arm(self.one((1, 2)))

    # ------------------------------------------------------------------------------------------ statements and functions

    def statement(self) -> None:
        """One statement, and all that belongs to it."""
        self.budget -= 1
        if self.budget <= 0:
            self.assign()
            return
        self.pick(
            (55, self.assign),
            (16, self.branch),
            (15 if self.depth < 4 else 2, self.loop),
            (4, self.guarded if not self.scope.guarded else self.use_guarded),
            (2, self.local_function),
            (2, self.checkpoint),
        )

    def checkpoint(self) -> None:
        """Statements that do nothing unless something is wrong."""
        self.emit(
            self.one(
                (
                    "pass",
                    f"assert {self.variable().text} < 1e9",
                    f"assert {self.variable().text} > -1e9, 'too low'",
                    f"if {self.variable().text} > 1e8: raise ValueError('too large')",
                    f"if abs({self.variable().text}) > {literal(self.random, 5.0, 9.0).text}: raise OverflowError",
                    "# nothing to see here",
                    "'a string that nobody reads'",
                )
            )
        )
        if self.lines[-1].lstrip().startswith("#"):
            self.emit("pass")

    def local_function(self) -> None:
        """A nested def or a lambda that sees the variables around it, also those that change later."""
        if self.loops or len(self.scope.functions) > 2:
            return self.assign()
        name = self.fresh(HELPER_NAMES)
        inner = self.fresh(FLOAT_NAMES)
        outer = self.scope
        self.scope = outer.copy()
        self.scope.floats[inner] = CAP / 2
        term = self.bounded(self.real(2), CAP / 2)
        self.scope = outer
        if self.chance(0.5):
            self.emit(f"{name} = lambda {inner}: {term.text}")
        else:
            self.emit(f"def {name}({inner}):")
            if self.chance(0.5):
                self.emit(f"    {inner} = {term.text}")
                self.emit(f"    return {self.squash(Term(inner))}")
            else:
                self.emit(f"    return {term.text}")
        self.scope.locked.add(name)
        self.scope.functions.append(Helper(name, ((inner, "float"),)))
        return None

    def helper(self, name: str) -> Helper:
        """A function of the module, straight or with control flow."""
        if self.chance(0.2):
            return self.one((self.recursive, self.recursive, self.mutual))(name)
        straight = self.chance(0.4)
        floats = self.random.sample(["x", "y", "u", "v", "dx", "out"], self.random.randint(1, 3))
        ints = ["n"] if self.chance(0.3) else []
        params = [(p, "float") for p in floats] + [(p, "int") for p in ints]
        defaults = 1 if self.chance(0.25) and not ints else 0
        words = [p for p, _ in params]
        if defaults:
            words[-1] += "=0.6"
        self.scope = Scope(dict.fromkeys(floats, CAP / 2), list(ints), [], set(ints))
        self.results = self.one((("float",),) * 6 + (("float", "float"),) * 2 + (("int",), ("bool",)))
        self.emit(f"def {name}({', '.join(words)}):")
        self.budget = 2 if straight else 8
        with self.block():
            for _ in range(self.random.randint(0, 2)):
                self.assign() if straight else self.statement()
            if not straight:
                self.one((self.branch, self.loop, self.statement))()
            self.give_back()
        self.emit("")
        return Helper(name, tuple(params), self.results, defaults, 1 if straight else 12)

    def recursive(self, name: str) -> Helper:
        """A function that calls itself at most three deep."""
        step = self.one(
            (
                "math.sin({f}({x}, {k} - 1)) + 0.3 * {x}",
                "{f}(0.5 * {x} + 0.1, {k} - 1) * math.cos({x})",
                "{f}({x} - 0.2, {k} - 1) - 0.5 * {f}(0.3 * {x}, {k} - 2)",
                "{f}({x} * {x} / 9.0, {k} - 1) if {x} > 0.123 else {f}(0.7 - {x}, {k} - 1) / 2",
            )
        )
        x, k = self.one(("x", "u", "dx")), self.one(("k", "n", "trips"))
        self.emit(f"def {name}({x}, {k}{self.one(('', ': int'))}):")
        self.emit(f"    if {k} <= 0:")
        self.emit(f"        return {self.one((x, f'1.0 / (1.0 + {x} * {x})', f'math.tanh({x})'))}")
        self.emit(f"    return {step.format(f=name, x=x, k=k)}")
        self.emit("")
        return Helper(name, ((x, "float"), (k, "depth")), cost=8)

    def mutual(self, name: str) -> Helper:
        """A function that calls itself by way of another."""
        other, x = f"{name}_too", self.one(("x", "v"))
        self.emit(f"def {name}({x}, n):")
        self.emit(f"    return {other}({x} + 0.1, n - 1) * 0.5 if n > 0 else {x}")
        self.emit("")
        self.emit(f"def {other}(y, n):")
        self.emit("    if n < 1:")
        self.emit("        return math.cos(y)")
        self.emit(f"    y = math.sin(y) + {name}(0.7 * y, n - 1)")
        self.emit("    return y")
        self.emit("")
        return Helper(name, ((x, "float"), ("n", "depth")), cost=8)

    def program(self, seed: int) -> Program:
        """The whole module: imports, constants, functions, and `f`."""
        self.emit("import math")
        if self.chance(0.1):
            line, used = self.one(IMPORTS)
            self.emit(line)
            self.functions = (*FUNCTIONS, *[(used, 1.0)] * 8)
        self.emit("")
        for name in ("RATE", "SHIFT", "STEPS"):
            if self.chance(0.2):
                self.emit(f"{name} = {self.random.randint(0, 3) if name == 'STEPS' else literal(self.random).text}")
                self.constants.append(name)
        for name in self.random.sample(HELPER_NAMES, self.one((0, 0, 1, 1, 2, 3))):
            self.reserved.add(name)
            self.helpers.append(self.helper(name))
        kinds = self.main()
        points = tuple(tuple(self.point(kind) for kind in kinds) for _ in range(3))
        return Program(seed, "\n".join(self.lines) + "\n", points)

    def main(self) -> list[str]:
        """The function that is differentiated; returns the kinds of its parameters."""
        floats, ints = self.one(FLOAT_PARAMS), self.one(INT_PARAMS)
        self.scope = Scope(dict.fromkeys(floats, 2.0), list(ints), [], set(ints))
        self.trips, self.loops, self.results = 1, [], ("float",)
        self.budget = self.one((4, 8, 14, 20, 26))
        typed = self.chance(0.3)
        words = [f"{p}: float" if typed else p for p in floats] + [f"{p}: int" if typed or self.chance(0.4) else p for p in ints]
        if self.chance(0.1):
            words[-1] += " = 3" if ints else " = 0.5"
        self.emit(f"def f({', '.join(words)}):")
        with self.block():
            if self.chance(0.1):
                self.emit('"""A program that nobody would write."""')
            while self.budget > 0:
                self.statement()
            if self.chance(0.1):
                self.give_back()
            else:
                self.emit(f"return {self.mixture().text}")
        return ["float"] * len(floats) + ["int"] * len(ints)

    def point(self, kind: str) -> float | int:
        """An argument."""
        return self.random.uniform(-2.0, 2.0) if kind == "float" else self.random.choice((0, 1, 2, 3, 3, 4, 5))
