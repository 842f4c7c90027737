"""Does a program index its arrays within bounds in every run? What is not certain is checked when it runs.

`in_range` follows indices as intervals: from the ranges of loops, through sums with constants, to the sizes of arrays. Behind
``if len(x) != len(y): raise ...`` it knows that the sizes are equal; behind ``x + y`` it does not, for that may run later, in a branch
that is not taken, or never: a gradient leaves out what it does not need.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from stagegrad.ir import (
    BOOL,
    INT,
    Atom,
    Block,
    For,
    Fresh,
    Function,
    Lit,
    Module,
    Raise,
    Stage,
    Stmt,
    Var,
    blocks,
    bound,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.shapes import Dim, Shape, dimensions

#: What makes an array of as many elements along its axes as its operands say.
_MADE_OF_SIZES = frozenset({"zeros", "zeros_of", "ones_of", "empty_of"})
#: The largest value of an index: a size of an array (or None for a plain number) and what is added to it.
Most = tuple[Dim | None, int]


def in_range(module: Module) -> bool:
    """Is every element that the module reads or writes certainly there, counted from the front?"""
    return not any(uncertain(function) for function in module.functions)


def uncertain(function: Function, *, beside_loops: bool = False) -> list[Stage]:
    """The stages of a function that read or write an element which may not be there.

    With `beside_loops` also those whose element is there while the loop around them runs, and otherwise may not be.
    """
    return _Bounds(function, beside_loops).found()


def guarded(module: Module) -> Module:
    """Asks before a loop whether its last index is in range, rather than in each trip:

        for i in range(n):          ->     if n > len(x): raise IndexError
            s += x[i] * y[2]               if n > 0 and len(y) <= 2: raise IndexError
                                           for i in range(n): s += x[i] * y[2]

    Whoever comes to such a loop comes to its last trip, or to an error before: nothing in it leaves it, and every trip reads. What is
    read outside of loops at a constant index, ``x[0] = 1.0``, is asked for right before.
    """
    for others in (False, True):
        module = Module(tuple(replace(function, body=_Guards(function, others).body()) for function in module.functions))
    return module


class _Guards:
    """The loops of a function with what must be asked before them: of their own indices and of constants, or of what `others` they read."""

    def __init__(self, function: Function, others: bool) -> None:
        self.function, self.others = function, others
        self.fresh = Fresh(function)
        self.uncertain = set(map(id, uncertain(function)))

    def body(self) -> Block:
        """The function's body with guards before its loops, and before what it reads at constant indices."""
        stmts: list[Stmt] = []
        for stmt in self.function.body.stmts:
            if isinstance(stmt, Stage) and id(stmt) in self.uncertain:
                stmts += self.constants(stmt)
            stmts += self.of(Block((stmt,))).stmts
        return replace(self.function.body, stmts=tuple(stmts))

    def constants(self, stage: Stage) -> list[Stmt]:
        """Asks for the constant indices of a stage."""
        stmts: list[Stmt] = []
        for axis, part in enumerate(_parts_of(stage)):
            if isinstance(part, Lit) and isinstance(part.value, int) and part.value >= 0:
                size = Stage(self.fresh.var("", INT), "extent", (stage.args[0],), (("axis", axis),))
                beyond = Stage(self.fresh.var("", BOOL), "le", (size.out, part))
                stmts += [size, beyond, Raise(beyond.out, "IndexError", ("index out of range",), span=stage.span)]
        return stmts

    def of(self, block: Block) -> Block:
        """The block with guards before the loops in it."""
        stmts: list[Stmt] = []
        for stmt in block.stmts:
            if isinstance(stmt, For) and stmt.until is None and stmt.start == Lit(0, INT) and stmt.step == Lit(1, INT):
                stmts += self.before(stmt)
            stmts.append(with_blocks(stmt, self.of))
        return replace(block, stmts=tuple(stmts))

    def before(self, loop: For) -> list[Stmt]:
        """Asks for each array that the loop's own index counts through, and for what is the same index in every trip."""
        entered: dict[Atom, Atom] = {carry.var: carry.init for carry in loop.carries}
        made = {*bound(loop.body), *entered, loop.index}
        asked: dict[tuple[Var, int, Atom], Stage] = {}
        for stage in loop.body.stmts:
            if isinstance(stage, Stage) and stage.op in ("store", "accumulate"):
                entered[stage.out] = entered.get(stage.args[0], stage.args[0])
            if not isinstance(stage, Stage) or id(stage) not in self.uncertain:
                continue
            array = entered.get(stage.args[0], stage.args[0])
            for axis, part in enumerate(_parts_of(stage)):
                is_other = isinstance(part, Var) and part != loop.index
                if isinstance(array, Var) and array not in made and is_other == self.others and not (is_other and part in made):
                    asked.setdefault((array, axis, part), stage)
        stmts: list[Stmt] = []
        for (array, axis, part), stage in asked.items():
            if not any(other[:2] == (array, axis) and _is_less(part, other[2]) for other in asked):
                stmts += self.guard(loop, Stage(self.fresh.var("", INT), "extent", (array,), (("axis", axis),)), part, stage)
        return stmts

    def guard(self, loop: For, size: Stage, part: Atom, stage: Stage) -> list[Stmt]:
        """Raises where an index of the stage is not below the size that is given, in any trip of the loop that runs."""
        tests = [Stage(self.fresh.var("", BOOL), "gt", (loop.stop, size.out))]
        if part != loop.index:
            runs = Stage(self.fresh.var("", BOOL), "gt", (loop.stop, Lit(0, INT)))
            beyond = Stage(self.fresh.var("", BOOL), "le", (size.out, part))
            tests = [runs, beyond, Stage(self.fresh.var("", BOOL), "and", (runs.out, beyond.out))]
        return [size, *tests, Raise(tests[-1].out, "IndexError", ("index out of range",), span=stage.span)]


def _parts_of(stage: Stage) -> list[Atom]:
    """The indices of a stage that reads or writes an element, an atom for each axis; none where a part of them is no number."""
    parts = [text.strip() for text in str(dict(stage.attrs).get("at", "[{0}]"))[1:-1].split(",")]
    if not all(re.fullmatch(r"\{\d+\}|-?\d+", part) for part in parts):
        return []
    atoms = [stage.args[1 + int(part[1:-1])] if part[0] == "{" else Lit(int(part), INT) for part in parts]
    return atoms if all(atom.type == INT for atom in atoms) else []


def _is_less(part: Atom, other: Atom) -> bool:
    """Is one of two constant indices below the other, so that asking for the other is enough?"""
    return isinstance(part, Lit) and isinstance(other, Lit) and int(part.value or 0) < int(other.value or 0)


@dataclass
class _Bounds:
    function: Function
    beside_loops: bool = False
    least: dict[Var, int] = field(default_factory=dict)
    most: dict[Var, set[Most]] = field(default_factory=dict)
    exact: dict[Var, tuple[Dim, int]] = field(default_factory=dict)  # what is the size of an array, or so much more or less
    gaps: dict[Var, set[tuple[Dim, Dim, int]]] = field(default_factory=dict)  # (a, b, k): it is at most a - b + k
    tests: dict[Var, Stage] = field(default_factory=dict)
    uncertain: list[Stage] = field(default_factory=list)
    shapes: dict[Var, Shape] = field(default_factory=dict)
    makers: dict[Var, Stage] = field(default_factory=dict)
    # (a, b): k says that a is at most b + k, behind a test that would have raised otherwise; None stands for 0.
    ordered: dict[tuple[Var | Dim | None, Dim], int] = field(default_factory=dict)
    # Tests that do not both hold, for the same reason.
    exclusive: tuple[tuple[Var, Var], ...] = ()
    # What is known where the innermost loop around a statement has no trips.
    beside: dict[tuple[Var | Dim | None, Dim], int] = field(default_factory=dict)

    def found(self) -> list[Stage]:
        """The stages whose indices are not certainly in range."""
        self.shapes = dimensions(self.function, apart=True).of
        self.makers = {stmt.out: stmt for stmt in walk(self.function.body) if isinstance(stmt, Stage)}
        self.block(self.function.body)
        return self.uncertain

    def block(self, block: Block) -> None:
        before = self.ordered, self.exclusive
        for stmt in block.stmts:
            if isinstance(stmt, Raise) and isinstance(stmt.test, Var):
                self.learn(stmt.test, False)
            if isinstance(stmt, Stage):
                self.stage(stmt)
                if stmt.op in ("load", "store", "accumulate") and not self.certain(stmt):
                    self.uncertain.append(stmt)
            if isinstance(stmt, For):
                self.range(stmt)
            for inner in blocks(stmt):
                outside, beside = self.ordered, self.beside
                if isinstance(stmt, For):
                    self.beside = outside
                    self.runs(stmt)
                self.block(inner)
                self.ordered, self.beside = outside, beside
        self.ordered, self.exclusive = before

    # ------------------------------------------------------------------------------------------ what tests say

    def learn(self, test: Var, holds: bool) -> None:
        """What follows for sizes from a comparison that holds, or does not."""
        match self.tests.get(test):
            case Stage(op="not", args=(Var() as inner,)):
                self.learn(inner, not holds)
            case Stage(op="or" | "and" as op, args=(Var() as first, Var() as second)) if holds is (op == "and"):
                self.learn(first, holds)
                self.learn(second, holds)
            case Stage(op="and", args=(Var() as first, Var() as second)):
                self.exclusive += ((first, second),)
            case Stage(op="eq" | "ne" as op, args=(first, second)) if holds is (op == "eq"):
                self.order(first, second, 0)
                self.order(second, first, 0)
            case Stage(op="le" | "gt" as op, args=(first, second)):
                self.order(*((first, second, 0) if holds is (op == "le") else (second, first, -1)))
            case Stage(op="lt" | "ge" as op, args=(first, second)):
                self.order(*((first, second, -1) if holds is (op == "lt") else (second, first, 0)))

    def runs(self, loop: For) -> None:
        """What follows inside a loop from a test that does not hold where the loop has trips."""
        counts_up = loop.start == Lit(0, INT) and loop.step == Lit(1, INT)
        for first, second in self.exclusive if counts_up else ():
            made = self.tests.get(first)
            if made is not None and (made.op, made.args) == ("gt", (loop.stop, Lit(0, INT))):
                self.learn(second, False)

    def order(self, small: Atom, large: Atom, by: int) -> None:
        """``small <= large + by``, for numbers that are sizes, or so much more or less."""
        if isinstance(large, Var) and large in self.exact and small.type == INT:
            size, more = self.exact[large]
            name, less = (None, int(small.value or 0)) if isinstance(small, Lit) else self.exact.get(small, (small, 0))
            found = more + by - less
            self.ordered = self.ordered | {(name, size): min(found, self.ordered.get((name, size), found))}

    # ------------------------------------------------------------------------------------------ numbers

    def range(self, loop: For) -> None:
        """An index lies between the ends of its range, whichever comes first."""
        step = loop.step.value if isinstance(loop.step, Lit) else None
        if not isinstance(step, int) or step == 0:
            return
        low, high = (loop.start, loop.stop) if step > 0 else (loop.stop, loop.start)
        least, most = self.lowest(low), self.highest(high)
        if least is not None:
            self.least[loop.index] = least + (step < 0)
        self.most[loop.index] = {(dim, offset - (step > 0)) for dim, offset in most}
        if isinstance(high, Var) and high in self.gaps:
            self.gaps[loop.index] = {(dim, other, offset - (step > 0)) for dim, other, offset in self.gaps[high]}

    def lowest(self, atom: Atom) -> int | None:
        if isinstance(atom, Lit):
            return atom.value if isinstance(atom.value, int) else None
        least = [self.least[atom]] if atom in self.least else []
        if atom in self.exact:
            size, more = self.exact[atom]
            least += [more - self.ordered[None, size]] if (None, size) in self.ordered else []
        return max(least, default=None)

    def highest(self, atom: Atom) -> set[Most]:
        if isinstance(atom, Lit):
            return {(None, atom.value)} if isinstance(atom.value, int) else set()
        return self.most.get(atom, set()) | {(size, more) for (name, size), more in self.ordered.items() if name == atom}

    def stage(self, stage: Stage) -> None:
        out = stage.out
        if out.type == BOOL:
            self.tests[out] = stage
        if stage.op in _MADE_OF_SIZES and out in self.shapes:
            for size, dim in zip(stage.args, self.shapes[out], strict=True):
                self.is_size(size, dim)
        match stage.op, stage.args:
            case (("extent" | "size"), (Var() as array,)) if array in self.shapes:
                axis = dict(stage.attrs).get("axis", 0)
                assert isinstance(axis, int)
                self.least[out], self.most[out] = 0, {(self.shapes[array][axis], 0)}
                self.exact[out] = (self.shapes[array][axis], 0)
            case (("add" | "sub" as op), (first, Lit(int() as number))):
                self.shift(out, first, number if op == "add" else -number)
            case "add", (Lit(int() as number), second):
                self.shift(out, second, number)
            case "sub", (Var() as first, Var() as second):
                self.difference(out, first, second)
            case "add", (Var() as first, Var() as second):
                self.sum(out, first, second)
            case "copy", (first,) if out.type.kind == "int" and not out.type.rank:
                self.shift(out, first, 0)
            case "max", (first, second):
                lows = [low for low in (self.lowest(first), self.lowest(second)) if low is not None]
                if lows:
                    self.least[out] = max(lows)
                self.most[out] = self.highest(first) & self.highest(second)
            case "min", (first, second):
                low, other = self.lowest(first), self.lowest(second)
                if low is not None and other is not None:
                    self.least[out] = min(low, other)
                self.most[out] = self.highest(first) | self.highest(second)

    def is_size(self, atom: Atom, dim: Dim) -> None:
        """What follows for a number when an array has been made with so many elements: ``u = zeros(n + 1)`` says how long u is."""
        more = 0
        while isinstance(atom, Var):
            self.most[atom] = self.highest(atom) | {(dim, more)}
            self.exact.setdefault(atom, (dim, more))
            match self.makers.get(atom):
                case Stage(op="add" | "sub" as op, args=(Var() as before, Lit(int() as number))):
                    atom, more = before, more + (number if op == "sub" else -number)
                case Stage(op="add", args=(Lit(int() as number), Var() as before)):
                    atom, more = before, more - number
                case _:
                    return

    def difference(self, out: Var, first: Var, second: Var) -> None:
        """``(n - 1) - i`` is never negative where `i` is at most ``n - 1``, and at most ``n - 1`` where `i` is never negative."""
        low = self.lowest(second)
        if low is not None:
            self.most[out] = {(dim, offset - low) for dim, offset in self.highest(first)}
        if first in self.exact:
            size, more = self.exact[first]
            below = [more - offset for dim, offset in self.highest(second) if dim == size]
            if below:
                self.least[out] = max(below)

        if first in self.exact and second in self.exact:
            (dim, more), (other, less) = self.exact[first], self.exact[second]
            self.gaps[out] = {(dim, other, more - less)}

    def sum(self, out: Var, first: Var, second: Var) -> None:
        """``i + j`` is below the size of a matrix where `i` is at most that less the size of a window, and `j` is within the window."""
        lows = [low for low in (self.lowest(first), self.lowest(second)) if low is not None]
        if len(lows) == 2:
            self.least[out] = sum(lows)
        self.most[out] = {
            (dim, offset + within)
            for here, there in ((first, second), (second, first))
            for dim, other, offset in self.gaps.get(here, ())
            for size, within in self.highest(there)
            if size == other
        }

    def shift(self, out: Var, atom: Atom, by: int) -> None:
        if isinstance(atom, Var) and atom in self.gaps:
            self.gaps[out] = {(dim, other, offset + by) for dim, other, offset in self.gaps[atom]}
        if isinstance(atom, Var) and atom in self.exact:
            dim, more = self.exact[atom]
            self.exact[out] = (dim, more + by)
        low = self.lowest(atom)
        if low is not None:
            self.least[out] = low + by
        self.most[out] = {(dim, offset + by) for dim, offset in self.highest(atom)}

    def certain(self, stage: Stage) -> bool:
        """Is what a stage asks for there, and where it matters beside the loop around it too?"""
        found = self.access(stage)
        if found and self.beside_loops:
            inside, self.ordered = self.ordered, self.beside
            found = self.access(stage)
            self.ordered = inside
        return found

    def access(self, stage: Stage) -> bool:
        """Is each number among the indices within its axis? Sections never fail; an index that is an array is checked where it is used."""
        attrs = dict(stage.attrs)
        array = stage.args[0]
        at = str(attrs.get("at", "[{0}]"))
        indices = stage.args[1:] if stage.op == "load" else stage.args[1:-1]
        if not _has_plain_index(at, indices):
            return True
        # What counts through a section of a section, or beside an array of indices, is not followed.
        one_link = re.fullmatch(r"\[[^][]*\]", at) and "..." not in at and not attrs.get("gather")
        if not one_link or not isinstance(array, Var) or array not in self.shapes:
            return False
        axes = iter(self.shapes[array])
        for part in (text.strip() for text in at[1:-1].split(",")):
            if part == "None":
                continue
            size = next(axes)
            if ":" not in part and not self.within(part, indices, size):
                return False
        return True

    def within(self, part: str, indices: tuple[Atom, ...], size: Dim) -> bool:
        try:
            atom: Atom = indices[int(part[1:-1])] if part.startswith("{") else Lit(int(part), INT)
        except ValueError:
            return False
        low = self.lowest(atom)
        if low is None or low < 0:
            return False
        most = self.highest(atom)
        if any((dim == size and offset < 0) or (dim is None and isinstance(size, int) and offset < size) for dim, offset in most):
            return True
        return any(offset + self.ordered.get((dim, size), -offset) < 0 for dim, offset in most)


def _has_plain_index(at: str, indices: tuple[Atom, ...]) -> bool:
    """Is one of the parts of an index, or of a chain of them such as ``[1:][{0}]``, a number: no slice and no array?"""
    parts = [part.strip() for link in at[1:-1].split("][") for part in link.split(",")]
    arrays = {f"{{{position}}}" for position, index in enumerate(indices) if index.type.rank}
    return any(":" not in part and part not in ("", "None", "...", *arrays) for part in parts)
