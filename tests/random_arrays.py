"""Random IR modules whose functions write to arrays in every way that makes values and memory differ.

As in `random_ir`, and on top: views that are kept while their array is written to, copies that are none, buffers that loops swap,
rotate or enter twice, arrays that come from a branch, from a callee that hands on its arguments, or from nowhere. Every vector has
`SIZE` elements and every matrix as many rows and columns, so that any two fit.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from stagegrad.ir import BOOL, FLOAT, INT, Atom, Attr, Carry, Function, Module, Stage, Stmt, Type, Var, check
from stagegrad.ops import find, literal
from tests.random_ir import Callee, Scope, Writer

SIZE = 4
VECTOR = Type("float", 1)
MATRIX = Type("float", 2)
PLACES = Type("int", 1)
_KINDS = (FLOAT, INT, BOOL, VECTOR, MATRIX)


class ArrayWriter(Writer):
    """Makes one function that computes with arrays; there is an array of each type in every scope, for the parameters are arrays."""

    def stage(
        self, stmts: list[Stmt], scope: Scope, op: str, *args: Atom, bound: float = 2.0, like: Var | None = None, **attrs: Attr
    ) -> Var:
        """A stage; `like` gives the name that its result has, half the time."""
        name = like.name if like is not None and self.chance(0.5) else None
        out = self.bind(find(op).type_of([a.type for a in args], attrs), bound, name)
        stmts.append(Stage(out, op, args, tuple(attrs.items())))
        scope.vars.append(out)
        return out

    def array(self, scope: Scope, type: Type) -> Var:
        found = self.atom(scope, type)
        assert isinstance(found, Var)
        return found

    def atom(self, scope: Scope, type: Type) -> Atom:
        found = scope.of(type)
        return super().atom(scope, type) if not type.rank else self.random.choice(found[-3:] if self.chance(0.6) else found)

    def result(self, stmts: list[Stmt], scope: Scope, type: Type) -> Atom:
        return self.atom(scope, type) if type.rank else super().result(stmts, scope, type)

    def types(self, least: int, most: int) -> list[Type]:
        return self.random.choices(_KINDS, (2, 1, 1, 5, 2), k=self.random.randint(least, most))

    def place(self, stmts: list[Stmt], scope: Scope) -> Atom:
        """A position that any array has."""
        if self.chance(0.4):
            return literal(self.random.randrange(SIZE))
        return self.emit(stmts, scope, "mod", self.atom(scope, INT), literal(SIZE), bound=SIZE)

    def bounded(self, stmts: list[Stmt], scope: Scope, array: Var) -> Var:
        return array if self.bound(array) <= 1.0 else self.stage(stmts, scope, "sin", array, bound=1.0)

    def statements(self, scope: Scope, count: int, depth: int) -> list[Stmt]:
        stmts: list[Stmt] = []
        for _ in range(count):
            statement = self.random.choice((self.write, self.write, self.write, self.view, self.fresh_array, self.arithmetic, self.other))
            if statement == self.other:
                stmts += super().statements(scope, 1, depth)
            else:
                statement(stmts, scope)
        return stmts

    def other(self, stmts: list[Stmt], scope: Scope) -> None:
        raise AssertionError("stands for the statements of any program")

    def view(self, stmts: list[Stmt], scope: Scope) -> None:
        """Another reference to an array, or to a section of it; one is a copy that looks like one."""
        v, m = self.array(scope, VECTOR), self.array(scope, MATRIX)
        match self.random.randrange(10):
            case 0:
                self.stage(stmts, scope, "load", v, at="[::-1]", rank=1, bound=self.bound(v))
            case 1:
                self.stage(stmts, scope, "load", m, at=".T", rank=2)
            case 2 | 3:
                self.stage(stmts, scope, "load", m, self.place(stmts, scope))
            case 4:
                self.stage(stmts, scope, "load", m, self.place(stmts, scope), at="[:, {0}]", rank=1)
            case 5:
                self.stage(stmts, scope, "load", v, self.array(scope, PLACES), at="[{0}]", rank=1, gather=True, bound=self.bound(v))
            case 6:
                self.stage(stmts, scope, "broadcast_like", v, m, bound=self.bound(v))
            case 7:
                self.stage(stmts, scope, "unbroadcast", v, self.array(scope, VECTOR), bound=self.bound(v))
            case _:
                array = self.random.choice((v, m))
                self.stage(stmts, scope, "copy", array, bound=self.bound(array))

    def fresh_array(self, stmts: list[Stmt], scope: Scope) -> None:
        array = self.array(scope, self.random.choice((VECTOR, MATRIX)))
        match self.random.randrange(5):
            case 0:
                self.stage(stmts, scope, "zeros_like", array, bound=0.0)
            case 1:
                self.stage(stmts, scope, "zeros", *[literal(SIZE)] * array.type.rank, bound=0.0)
            case 2:
                self.stage(stmts, scope, "duplicate", array, bound=self.bound(array), like=array)
            case 3:
                self.stage(stmts, scope, "sin", array, bound=1.0)
            case _:
                vector = self.array(scope, VECTOR)
                total = self.stage(stmts, scope, "sum", vector, bound=SIZE * self.bound(vector))
                self.stage(stmts, scope, "sin", total, bound=1.0)

    def arithmetic(self, stmts: list[Stmt], scope: Scope) -> None:
        """What may be written ``x += y``; y may be x, a section of x, a number, an element of x."""
        array = self.array(scope, self.random.choice((VECTOR, VECTOR, MATRIX)))
        other: Atom = self.array(scope, array.type if self.chance(0.8) else VECTOR)
        if self.chance(0.3) and array.type == VECTOR:
            other = self.stage(stmts, scope, "load", array, self.place(stmts, scope), bound=self.bound(array))
        if self.chance(0.2):
            other = literal(0.75)
        op = self.random.choice(("add", "sub", "mul", "div"))
        if op == "div":
            other = literal(1.25)
        if op == "mul" and isinstance(other, Var):
            other = self.bounded(stmts, scope, other)
        self.stage(stmts, scope, op, array, other, bound=self.bound(array) + self.bound(other), like=array)

    def params(self, types: Sequence[Type]) -> list[Var]:
        """Parameters that share their words with what the body binds."""
        words = self.random.sample(("x", "y", "z", "x2", "t", "dx", "u", "unew", "f2"), len(types))
        return [self.yielded(type, word) for type, word in zip(types, words, strict=True)]

    def write(self, stmts: list[Stmt], scope: Scope) -> None:
        """A store or an accumulate: of an element, a row, a column, a whole array, overlapping sections, or at several places."""
        v, m = self.array(scope, VECTOR), self.array(scope, MATRIX)
        op = self.random.choice(("store", "store", "accumulate"))
        i, x = self.place(stmts, scope), self.atom(scope, FLOAT)
        match self.random.randrange(9):
            case 0 | 1:
                self.stage(stmts, scope, op, v, i, x, like=v)
            case 2:
                read = self.stage(stmts, scope, "load", v, self.place(stmts, scope))
                self.stage(stmts, scope, op, v, i, self.stage(stmts, scope, "mul", read, literal(0.5)), like=v)
            case 3:
                self.stage(stmts, scope, op, m, i, self.place(stmts, scope), x, at="[{0}, {1}]", rank=0, like=m)
            case 4:
                self.stage(stmts, scope, op, m, i, v, at=self.random.choice(("[{0}]", "[:, {0}]")), rank=1, like=m)
            case 5:
                self.stage(stmts, scope, op, v, self.array(scope, VECTOR), at="[:]", rank=1, like=v)
            case 6:
                section = self.stage(stmts, Scope([]), "load", v, at="[:-1]", rank=1)
                self.stage(stmts, scope, op, v, section, at="[1:]", rank=1, like=v)
            case 7:
                self.stage(stmts, scope, op, m, self.array(scope, MATRIX), at=self.random.choice(("[:]", ".T[:]")), rank=2, like=m)
            case _:
                places, values = self.array(scope, PLACES), self.array(scope, VECTOR)
                self.stage(stmts, scope, op, v, places, values, at="[{0}]", gather=True, rank=1, like=v)

    def next_values(self, stmts: list[Stmt], scope: Scope, carries: Sequence[Carry]) -> list[Atom]:
        """As elsewhere; half the time a loop's arrays change places."""
        results = super().next_values(stmts, scope, carries)
        for type in (VECTOR, MATRIX):
            places = [k for k, c in enumerate(carries) if c.var.type == type]
            if self.chance(0.5):
                news = [self.newest(scope, carries[k].var) if self.chance(0.7) else carries[k].var for k in places]
                for place, source in zip(places, news[1:] + news[:1], strict=True):
                    results[place] = source
        return results

    def newest(self, scope: Scope, var: Var) -> Var:
        """The last version of an array, by its name."""
        return [v for v in scope.vars if v.type == var.type and v.name == var.name][-1]


def _callee(seed: object, writer: type[ArrayWriter]) -> tuple[Function, Callee]:
    """A function that hands on some of its arguments, as they are, and some others."""
    takes = (VECTOR, VECTOR, MATRIX, PLACES, FLOAT, INT)
    gives = (VECTOR, VECTOR, MATRIX, FLOAT)
    function = writer(f"{seed} callee").function("g", takes, gives, 3, 1, (0, 1, 2, 3))
    return function, Callee("g", takes, gives)


def module(seed: int, *, size: int = 8, depth: int = 3) -> Module:
    """A checked random module; its main function returns some arrays and a number."""
    chooser = random.Random(seed)
    functions: list[Function] = []
    callees: list[Callee] = []
    if chooser.random() < 0.4:
        function, callee = _callee(seed, ArrayWriter)
        functions.append(function)
        callees.append(callee)
    writer = ArrayWriter(seed, callees)
    gives = [FLOAT, VECTOR, *chooser.choices((VECTOR, MATRIX), k=chooser.randint(1, 3))]
    takes = (VECTOR, MATRIX, VECTOR, PLACES, FLOAT, INT, BOOL)
    main = writer.function("main", takes, gives, size, depth, tuple(range(len(gives))))
    return check(Module((main, *functions)))


def arguments(of: Module, seed: int) -> list[Any]:
    """Random arguments for the main function of a module."""
    import numpy as np

    chooser = np.random.default_rng(seed)
    found: list[Any] = []
    for param in of.main.params:
        match param.type.kind:
            case "float":
                found.append(
                    chooser.uniform(-2.0, 2.0, (SIZE,) * param.type.rank) if param.type.rank else float(chooser.uniform(-2.0, 2.0))
                )
            case "int":
                found.append(chooser.integers(0, SIZE, SIZE) if param.type.rank else int(chooser.integers(-1, 5)))
            case _:
                found.append(bool(chooser.random() < 0.5))
    return found
