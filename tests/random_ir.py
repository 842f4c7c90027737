"""Random IR modules, well-formed by construction: the shapes that passes and the writer find hardest, seed by seed.

A module that `module(seed)` makes always ends (loops are bounded), never divides by zero, and stays within modest numbers; it
is nasty in every other way: nests of loops with exits in either arm, carries that swap, rotate, share a start or are never
read, results that a path leaves undefined, one name for many values alive at once, and names that Python, our helpers or our
passes use for something else.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.ir import (
    BOOL,
    FLOAT,
    INT,
    Atom,
    Block,
    Call,
    Carry,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Remark,
    Shape,
    Stage,
    Stmt,
    Type,
    Var,
    While,
    check,
)  # fmt: skip
from stagegrad.ops import find, literal

#: Words that mean something to Python, to `math`, to our helpers or to our passes; the plain ones come often, so that they clash.
PLAIN = ("x", "y", "z", "x2", "t")
NASTY = (
    "x3", "dx", "dx_", "dy", "x_tape", "trips", "trip", "trip2", "len", "range", "max", "min", "exp", "sin", "sigmoid", "quotient",
    "scaled", "grown", "logistic", "f", "f2", "it", "branch1", "pick", "xdot", "num", "den", "den2", "xpy", "sum1", "g", "float",
)  # fmt: skip

#: Every float that a generated module computes stays below this.
_LARGEST = 40.0


@dataclass(frozen=True)
class Callee:
    """A function that may be called: what it takes and what it gives."""

    name: str
    takes: tuple[Type, ...]
    gives: tuple[Type, ...]


class Scope:
    """The values that may be read at a point; a block inside sees them, and what it binds is forgotten after it."""

    def __init__(self, vars: Sequence[Var]) -> None:
        self.vars = list(vars)

    def inner(self, *more: Var) -> Scope:
        return Scope([*self.vars, *more])

    def of(self, type: Type) -> list[Var]:
        return [var for var in self.vars if var.type == type]


class Writer:
    """Makes one function of stages that are smooth, or nearly always, so that differences can check its gradient."""

    def __init__(self, seed: object, callees: Sequence[Callee] = (), *, raising: bool = False) -> None:
        self.random = random.Random(str(seed))
        self.fresh = Fresh()
        self.bounds: dict[Var, float] = {}
        self.callees = list(callees)
        self.raising = raising
        self.words = [*PLAIN, *self.random.sample(NASTY, 5)]
        self.bare = self.random.choice((0.2, 0.5, 0.8))

    # -------------------------------------------------------------------------------------- values

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def bind(self, type: Type, bound: float = 1.0, name: str | None = None) -> Var:
        """A new value, often without a name."""
        if name is None:
            name = "" if self.chance(self.bare) else self.random.choice(self.words)
        var = self.fresh.var(name, type)
        self.bounds[var] = bound
        return var

    def bound(self, atom: Atom) -> float:
        if isinstance(atom, Lit):
            return 0.0 if atom.value is None else abs(float(atom.value))
        return self.bounds[atom]

    def atom(self, scope: Scope, type: Type) -> Atom:
        """A value of the scope, recent ones first, or a constant."""
        found = scope.of(type)
        if found and self.chance(0.85):
            return self.random.choice(found[-4:] if self.chance(0.7) else found)
        return self.constant(type)

    def constant(self, type: Type) -> Lit:
        match type.kind:
            case "float":
                return literal(self.random.choice((0.5, 1.5, -0.75, 2.0, 0.3, -1.25, 1.0, 0.0)))
            case "int":
                return literal(self.random.choice((0, 1, 2, 3, -1)))
            case _:
                return literal(self.chance(0.5))

    def emit(self, stmts: list[Stmt], scope: Scope, op: str, *args: Atom, bound: float, name: str | None = None) -> Var:
        out = self.bind(find(op).result([a.type for a in args]), bound, name)
        stmts.append(Stage(out, op, args))
        scope.vars.append(out)
        return out

    # -------------------------------------------------------------------------------------- expressions

    def float_stage(self, stmts: list[Stmt], scope: Scope) -> Var:
        """One or a few stages that compute a float from floats (and an int now and then), within bounds."""
        x, y = self.atom(scope, FLOAT), self.atom(scope, FLOAT)
        if self.chance(0.1):
            y = self.atom(scope, INT)
        a, b = self.bound(x), self.bound(y)
        choices = ["sin", "cos", "tanh", "neg", "logistic", "copy", "exp", "div"]
        choices += ["add", "sub"] * 2 if a + b < _LARGEST else []
        choices += ["mul"] * 4 if a * b < _LARGEST else []
        choices += ["square"] if a * a < _LARGEST and x.type == FLOAT else []
        choices += ["maximum", "max", "min"] if self.chance(0.1) else []
        match self.random.choice(choices):
            case "add" | "sub" | "mul" as op:
                if self.chance(0.2):
                    x, y = y, x
                if FLOAT not in (x.type, y.type):
                    x = literal(1.5)
                return self.emit(stmts, scope, op, x, y, bound=a * b if op == "mul" else a + b + 1.5)
            case "square":
                return self.emit(stmts, scope, "square", x, bound=a * a)
            case "logistic" if isinstance(x, Var):
                return self.sigmoid(stmts, scope, x)
            case "div":
                return self.safe_division(stmts, scope, x, y)
            case "exp":
                small = self.emit(stmts, scope, "sin", x, bound=1.0)
                return self.emit(stmts, scope, "exp", small, bound=3.0)
            case "maximum" | "max" | "min" as op:
                return self.emit(stmts, scope, op, x, y, bound=max(a, b))
            case "copy" | "neg" as op if isinstance(x, Var):
                return self.emit(stmts, scope, op, x, bound=a)
            case "cos":
                return self.emit(stmts, scope, "cos", x, bound=1.0)
            case "tanh":
                return self.emit(stmts, scope, "tanh", x, bound=1.0)
            case _:
                return self.emit(stmts, scope, "sin", x, bound=1.0)

    def sigmoid(self, stmts: list[Stmt], scope: Scope, x: Var) -> Var:
        return self.emit(stmts, scope, "sigmoid", x, bound=1.0)

    def safe_division(self, stmts: list[Stmt], scope: Scope, x: Atom, y: Atom) -> Var:
        """``x / (1.5 + y**2)``."""
        if self.bound(y) ** 2 > _LARGEST:
            y = self.emit(stmts, scope, "sin", y, bound=1.0)
        square = self.emit(stmts, scope, "square", y, bound=self.bound(y) ** 2)
        below = self.emit(stmts, scope, "add", literal(1.5), square, bound=1.5 + self.bound(square))
        return self.emit(stmts, scope, "div", x, below, bound=self.bound(x) / 1.5)

    def int_stage(self, stmts: list[Stmt], scope: Scope) -> Var:
        x, y = self.atom(scope, INT), self.atom(scope, INT)
        op = self.random.choice(("add", "sub", "mul", "mod", "floordiv"))
        if op in ("mod", "floordiv"):
            by = self.random.choice((2, 3, 5, -3))
            return self.emit(stmts, scope, op, x, literal(by), bound=abs(by) if op == "mod" else self.bound(x) + 1)
        found = self.emit(stmts, scope, op, x, y, bound=(self.bound(x) + 1) * (self.bound(y) + 1))
        return found if self.bound(found) < 50 else self.emit(stmts, scope, "mod", found, literal(4), bound=4)

    def test(self, stmts: list[Stmt], scope: Scope) -> Var:
        """A comparison, a negation, or an ``and``/``or`` (an `If` on truth values) of such."""
        if self.chance(0.2) and scope.of(BOOL):
            return self.emit(stmts, scope, "not", self.random.choice(scope.of(BOOL)), bound=1)
        first = self.comparison(stmts, scope)
        if self.chance(0.7):
            return first
        inner = scope.inner()
        arm: list[Stmt] = []
        second = self.comparison(arm, inner)
        out = self.bind(BOOL, 1)
        yes, no = Block(tuple(arm), (second,)), Block((), (literal(False),))
        if self.chance(0.5):
            yes, no = Block((), (literal(True),)), Block(tuple(arm), (second,))
        stmts.append(If(first, yes, no, (out,)))
        scope.vars.append(out)
        return out

    def comparison(self, stmts: list[Stmt], scope: Scope) -> Var:
        kind = FLOAT if self.chance(0.75) else INT
        op = self.random.choice(("lt", "le", "gt", "ge") if kind == FLOAT else ("lt", "le", "eq", "ne", "gt"))
        x, y = self.atom(scope, kind), self.atom(scope, kind)
        if kind == FLOAT and isinstance(x, Var) and self.chance(0.3):
            x = self.emit(stmts, scope, "sin", x, bound=1.0)
        return self.emit(stmts, scope, op, x, y, bound=1, name=None if self.chance(0.3) else "")

    # -------------------------------------------------------------------------------------- statements

    def statements(self, scope: Scope, count: int, depth: int) -> list[Stmt]:
        """Some statements; what they bind joins the scope."""
        stmts: list[Stmt] = []
        for _ in range(count):
            kind = self.random.random()
            if depth > 0 and kind < 0.12:
                self.branch(stmts, scope, depth)
            elif depth > 0 and kind < 0.22:
                self.loop(stmts, scope, depth)
            elif depth > 0 and kind < 0.28:
                self.counted_while(stmts, scope, depth)
            elif kind < 0.34 and self.callees:
                self.call(stmts, scope)
            elif kind < 0.37:
                self.raise_(stmts, scope)
            elif kind < 0.47:
                self.int_stage(stmts, scope)
            elif kind < 0.52:
                self.test(stmts, scope)
            elif kind < 0.54:
                stmts.append(Remark("a title"))
            else:
                self.float_stage(stmts, scope)
        return stmts

    def block(self, scope: Scope, types: Sequence[Type], depth: int, undefined: Sequence[bool] = ()) -> Block:
        """A block inside `scope` that yields values of these types (bounded floats), undefined where `undefined` says so."""
        inner = scope.inner()
        stmts = self.statements(inner, self.random.choice((0, 1, 2, 3)), depth)
        results = [self.result(stmts, inner, type) for type in types]
        blank = undefined or [False] * len(types)
        return Block(tuple(stmts), tuple(Lit(None, r.type) if missing else r for r, missing in zip(results, blank, strict=True)))

    def result(self, stmts: list[Stmt], scope: Scope, type: Type) -> Atom:
        """A value to yield: bounded by 3, so that loops stay modest."""
        atom = self.atom(scope, type)
        if type == FLOAT and self.bound(atom) > 3.0:
            return self.emit(stmts, scope, "sin", atom, bound=1.0)
        if type == INT and self.bound(atom) > 6:
            return self.emit(stmts, scope, "mod", atom, literal(5), bound=5)
        return atom

    def types(self, least: int, most: int) -> list[Type]:
        return self.random.choices((FLOAT, INT, BOOL), (7, 2, 1), k=self.random.randint(least, most))

    def yielded(self, type: Type, name: str | None = None) -> Var:
        return self.bind(type, {"float": 3.0, "int": 6.0, "bool": 1.0}[type.kind], name)

    def branch(self, stmts: list[Stmt], scope: Scope, depth: int) -> None:
        test: Atom = self.test(stmts, scope) if self.chance(0.95) else literal(self.chance(0.5))
        types = self.types(0, 4)
        missing = [self.chance(0.1) for _ in types]
        side = self.chance(0.5)
        then = self.block(scope, types, depth - 1, missing if side else ())
        orelse = self.block(scope, types, depth - 1, () if side else missing)
        if self.chance(0.2):
            then = Block((), tuple(self.result(stmts, scope, t) for t in types))
        outs = tuple(map(self.yielded, types))
        stmts.append(If(test, then, orelse, outs))
        scope.vars += [out for out, blank in zip(outs, missing, strict=True) if not blank]

    def carries(self, stmts: list[Stmt], scope: Scope) -> list[Carry]:
        """Carries, some of which share their start; the name of `var` and of `out` is the same, as from a frontend, or not."""
        found = []
        start: Atom | None = None
        for type in self.types(0, 4):
            if start is None or start.type != type or self.chance(0.7):
                start = self.result(stmts, scope, type)
            var = self.yielded(type)
            found.append(Carry(var, start, self.yielded(type, var.name if self.chance(0.9) else None)))
        return found

    def next_values(self, stmts: list[Stmt], scope: Scope, carries: Sequence[Carry]) -> list[Atom]:
        """What a trip yields: new values, its own carries permuted, one value for two, or unchanged."""
        results: list[Atom] = [self.result(stmts, scope, c.var.type) for c in carries]
        if self.chance(0.3):
            for type in (FLOAT, INT, BOOL):
                places = [k for k, c in enumerate(carries) if c.var.type == type]
                for place, source in zip(places, places[1:] + places[:1], strict=True):
                    results[place] = carries[source].var
        return [c.var if self.chance(0.1) else r for c, r in zip(carries, results, strict=True)]

    def exit(self, stmts: list[Stmt], scope: Scope, carries: Sequence[Carry], depth: int) -> list[Atom]:
        """The rest of a trip behind ``if test: break``, in either arm; the exit leaves the carries alone, or changes them."""
        test = self.test(stmts, scope)
        inner = scope.inner()
        leaving = self.statements(inner, self.random.choice((0, 0, 1)), depth - 1)
        left = [c.var for c in carries] if self.chance(0.5) else self.next_values(leaving, inner, carries)
        leave = Block(tuple(leaving), (literal(True), *left))
        inner = scope.inner()
        staying = self.statements(inner, self.random.choice((0, 1, 2)), depth - 1)
        if self.chance(0.3) and depth > 0:
            rest = self.exit(staying, inner, carries, depth - 1)
        else:
            rest = [literal(False), *self.next_values(staying, inner, carries)]
        stay = Block(tuple(staying), tuple(rest))
        outs = (self.bind(BOOL), *(self.yielded(c.var.type, c.var.name if self.chance(0.7) else None) for c in carries))
        stmts.append(If(test, leave, stay, outs) if self.chance(0.6) else If(test, stay, leave, outs))
        return list(outs)

    def trip(self, scope: Scope, carries: Sequence[Carry], until: Carry | None, depth: int, count: Carry | None = None) -> Block:
        """A loop's body; `count` grows by one on every trip, `until` is what an exit makes true."""
        inner = scope.inner(*(c.var for c in carries))
        stmts = self.statements(inner, self.random.choice((0, 1, 2, 3)), depth - 1)
        counted = [self.emit(stmts, inner, "add", count.var, literal(1), bound=10, name=count.var.name)] if count else []
        if until is None:
            results = (*self.next_values(stmts, inner, carries), *counted)
            return Block(tuple(stmts), results)
        if self.chance(0.25):  # the test alone, which may read what the trip began with
            results = (*self.next_values(stmts, inner, carries), *counted, self.test(stmts, inner))
            return Block(tuple(stmts), results)
        rest = self.exit(stmts, inner, carries, depth - 1)
        if self.chance(0.2):
            self.float_stage(stmts, inner)
        return Block(tuple(stmts), (*rest[1:], *counted, rest[0]))

    def until(self) -> Carry:
        name = self.random.choice(("", "left", "done"))
        return Carry(self.bind(BOOL, name=name), literal(False), self.bind(BOOL, name=name))

    def range(self, stmts: list[Stmt], scope: Scope) -> tuple[Atom, Atom, Atom]:
        """Bounds of a range of at most some six trips: upwards, downwards, by twos, empty; some known only at run time."""
        step = self.random.choice((1, 1, 1, 1, -1, -1, 2, -2, 3))
        low: Atom = literal(self.random.choice((0, 0, 0, 1, -1, 2)))
        high: Atom = literal(self.random.choice((0, 2, 3, 4)))
        ints = [v for v in scope.of(INT) if self.bounds[v] <= 6]
        if ints and self.chance(0.6):
            high = self.random.choice(ints)
        if ints and self.chance(0.2):
            low = self.random.choice(ints)
        if self.chance(0.05):
            low = high
        start, stop = (low, high) if step > 0 else (high, low)
        return start, stop, literal(step)

    def loop(self, stmts: list[Stmt], scope: Scope, depth: int) -> None:
        carries = self.carries(stmts, scope)
        start, stop, step = self.range(stmts, scope)
        until = self.until() if self.chance(0.35) else None
        index = self.bind(INT, 8, self.random.choice(("i", "j", "k", "x", "", self.random.choice(self.words))))
        body = self.trip(scope.inner(index), carries, until, depth)
        every = (*carries, until) if until else tuple(carries)
        stmts.append(For(index, start, stop, step, every, body, until.var if until else None))
        scope.vars += [c.out for c in every]

    def counted_while(self, stmts: list[Stmt], scope: Scope, depth: int) -> None:
        """``while count < some and maybe something else``."""
        carries = self.carries(stmts, scope)
        name = self.random.choice(("", "n", "k", "x", "trips"))
        count = Carry(self.bind(INT, 10, name), literal(self.random.choice((0, 0, -1, 3))), self.bind(INT, 10, name))
        until = self.until() if self.chance(0.3) else None
        body = self.trip(scope, carries, until, depth, count)
        every = (*carries, count, until) if until else (*carries, count)
        inner = scope.inner(*(c.var for c in every))
        tests: list[Stmt] = self.statements(inner, self.random.choice((0, 0, 0, 1)), 0)
        going = self.emit(tests, inner, "lt", count.var, literal(self.random.choice((1, 3, 4))), bound=1, name="")
        answer: Atom = going
        if self.chance(0.4):
            arm: list[Stmt] = []
            second = self.comparison(arm, inner.inner())
            answer = self.bind(BOOL, name="")
            tests.append(If(going, Block(tuple(arm), (second,)), Block((), (literal(False),)), (answer,)))
        stmts.append(While(every, Block(tuple(tests), (answer,)), body, until.var if until else None))
        scope.vars += [c.out for c in every]

    def raise_(self, stmts: list[Stmt], scope: Scope) -> None:
        """A check that fails now and then if the module may raise, else never."""
        x = self.atom(scope, FLOAT)
        limit = 1.9 if self.raising else 1e9
        test = self.emit(stmts, scope, "gt", x, literal(limit), bound=1, name="")
        parts = ("100% of {", x, "} # 'math.exp(1)' \n", self.atom(scope, INT))
        message = self.random.choice((None, ("too large",), ("got ", x, "!"), (x,), parts))
        if self.chance(0.3) and isinstance(x, Var):
            opposite = self.emit(stmts, scope, "le", x, literal(limit), bound=1, name="")
            test = self.emit(stmts, scope, "not", opposite, bound=1, name="")
            stmts.append(Raise(test, "AssertionError", message, is_assert=True))
            return
        stmts.append(Raise(test, self.random.choice(("ValueError", "ArithmeticError", "RuntimeError")), message))

    def call(self, stmts: list[Stmt], scope: Scope) -> None:
        callee = self.random.choice(self.callees)
        args = []
        for type in callee.takes:
            args.append(self.result(stmts, scope, type))
        outs = tuple(map(self.yielded, callee.gives))
        stmts.append(Call(outs, callee.name, tuple(args)))
        scope.vars += outs

    # -------------------------------------------------------------------------------------- functions

    def params(self, types: Sequence[Type]) -> list[Var]:
        """Parameters, whose words differ, as Python asks."""
        words = self.random.sample([w for w in self.words if w not in _NO_PARAMETER], len(types))
        return [self.yielded(type, word) for type, word in zip(types, words, strict=True)]

    def function(self, name: str, takes: Sequence[Type], gives: Sequence[Type], size: int, depth: int, shape: Shape) -> Function:
        params = self.params(takes)
        scope = Scope(params)
        stmts = self.statements(scope, size, depth)
        results = self.ending(stmts, scope, gives, depth)
        return Function(name, tuple(params), Block(tuple(stmts), tuple(results)), shape)

    def ending(self, stmts: list[Stmt], scope: Scope, gives: Sequence[Type], depth: int) -> list[Atom]:
        """What a function returns; half the time by early returns, one inside the other."""
        if depth <= 0 or self.chance(0.5):
            return [self.result(stmts, scope, type) for type in gives]
        test = self.test(stmts, scope)
        arms = []
        for _ in range(2):
            inner = scope.inner()
            arm = self.statements(inner, self.random.choice((0, 1, 3)), depth - 1)
            results = self.ending(arm, inner, gives, depth - 1)
            arms.append(Block(tuple(arm), tuple(results)))
        outs = tuple(map(self.yielded, gives))
        stmts.append(If(test, *arms, outs))
        scope.vars += outs
        return list(outs)


_NO_PARAMETER = {"len", "range", "max", "min", "float", "exp", "sin", "sigmoid", "quotient", "scaled", "grown", "logistic", "g", "f"}


def recursive(name: str, seed: object) -> Function:
    """``g(x, n)``: computes something of x, calls itself with n - 1 while n is positive, and gives two floats."""
    writer = Writer(seed, [Callee(name, (FLOAT, INT), (FLOAT, FLOAT))])
    x, n = writer.yielded(FLOAT, "x"), writer.bind(INT, 6, "n")
    ends = Stage(writer.bind(BOOL, name=""), "le", (n, literal(0)))
    deep = Scope([x, n])
    stmts: list[Stmt] = []
    down = writer.float_stage(stmts, deep)
    small = writer.emit(stmts, deep, "sin", down, bound=1.0)
    fewer = writer.emit(stmts, deep, "sub", n, literal(1), bound=6)
    outs = writer.yielded(FLOAT), writer.yielded(FLOAT)
    stmts.append(Call(outs, name, (small, fewer)))
    product = writer.emit(stmts, deep, "mul", outs[0], x, bound=9.0)
    bounded = writer.emit(stmts, deep, "sin", product, bound=1.0)
    results = writer.yielded(FLOAT), writer.yielded(FLOAT)
    branch = If(ends.out, Block((), (x, literal(0.5))), Block(tuple(stmts), (bounded, outs[1])), results)
    return Function(name, (x, n), Block((ends, branch), results), (0, 1))


def module(seed: int, *, size: int = 8, depth: int = 3, scalar: bool = True, raising: bool = False) -> Module:
    """A checked random module; `scalar` makes the main function return one float, of which there is a gradient."""
    chooser = random.Random(seed)
    callees: list[Callee] = []
    functions: list[Function] = []
    if chooser.random() < 0.4:
        gives = chooser.choices((FLOAT, INT), (4, 1), k=chooser.randint(1, 3))
        gives[0] = FLOAT
        takes = (FLOAT, *chooser.choices((FLOAT, INT), (2, 1), k=chooser.randint(0, 2)))
        name = chooser.choice(("g", "x", "helper", "sum1"))
        shape: Shape = 0 if len(gives) == 1 else tuple(range(len(gives)))
        functions.append(Writer(f"{seed} callee").function(name, takes, gives, size // 2, min(depth, 1), shape))
        callees.append(Callee(name, takes, tuple(gives)))
    if chooser.random() < 0.15:
        functions.append(recursive("again", f"{seed} recursive"))
        callees.append(Callee("again", (FLOAT, INT), (FLOAT, FLOAT)))
    writer = Writer(seed, callees, raising=raising)
    gives = [FLOAT] if scalar else [FLOAT, *writer.types(0, 2)]
    shape = 0 if scalar else chooser.choice([tuple(range(len(gives))), (0, tuple(range(len(gives))))])
    takes = (*[FLOAT] * chooser.randint(1, 3), INT, *[BOOL] * chooser.randint(0, 1))
    main = writer.function("main", takes, gives, size, depth, shape)
    return check(Module((main, *functions)))


def arguments(of: Module, seed: int) -> tuple[float | int | bool, ...]:
    """Random arguments for the main function of a module."""
    chooser = random.Random(f"{seed} arguments")
    found: list[float | int | bool] = []
    for param in of.main.params:
        match param.type.kind:
            case "float":
                found.append(chooser.uniform(-2.0, 2.0))
            case "int":
                found.append(chooser.randint(-1, 4))
            case _:
                found.append(chooser.random() < 0.5)
    return tuple(found)


def float_positions(of: Module) -> tuple[int, ...]:
    """The positions of the main function's float parameters."""
    return tuple(k for k, param in enumerate(of.main.params) if param.type == FLOAT)
