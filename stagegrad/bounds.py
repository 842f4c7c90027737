"""Does a program index its arrays within bounds in every run? What is not certain is checked when it runs.

`in_range` follows indices as intervals: from the ranges of loops, through sums with constants, to the sizes of arrays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stagegrad.ir import INT, Atom, Block, For, Function, Lit, Module, Stage, Var, blocks
from stagegrad.shapes import Dim, shapes

#: The largest value of an index: a size of an array (or None for a plain number) and what is added to it.
Most = tuple[Dim | None, int]


def in_range(module: Module) -> bool:
    """Is every element that the module reads or writes certainly there, counted from the front?"""
    return all(_Bounds(function).hold() for function in module.functions)


@dataclass
class _Bounds:
    function: Function
    least: dict[Var, int] = field(default_factory=dict)
    most: dict[Var, set[Most]] = field(default_factory=dict)
    exact: dict[Var, Most] = field(default_factory=dict)  # what is the size of an array, or so much more or less

    def hold(self) -> bool:
        self.shapes = shapes(self.function)
        return self.block(self.function.body)

    def block(self, block: Block) -> bool:
        for stmt in block.stmts:
            if isinstance(stmt, Stage):
                self.stage(stmt)
                if stmt.op in ("load", "store", "accumulate") and not self.access(stmt):
                    return False
            if isinstance(stmt, For):
                self.range(stmt)
            if not all(self.block(inner) for inner in blocks(stmt)):
                return False
        return True

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

    def lowest(self, atom: Atom) -> int | None:
        if isinstance(atom, Lit):
            return atom.value if isinstance(atom.value, int) else None
        return self.least.get(atom)

    def highest(self, atom: Atom) -> set[Most]:
        if isinstance(atom, Lit):
            return {(None, atom.value)} if isinstance(atom.value, int) else set()
        return self.most.get(atom, set())

    def stage(self, stage: Stage) -> None:
        out = stage.out
        match stage.op, stage.args:
            case ("extent" | "size"), (Var() as array,) if array in self.shapes:
                axis = dict(stage.attrs).get("axis", 0)
                assert isinstance(axis, int)
                self.least[out], self.most[out] = 0, {(self.shapes[array][axis], 0)}
                self.exact[out] = (self.shapes[array][axis], 0)
            case ("add" | "sub" as op), (first, Lit(int() as number)):
                self.shift(out, first, number if op == "add" else -number)
            case "add", (Lit(int() as number), second):
                self.shift(out, second, number)
            case "sub", (Var() as first, Var() as second):
                self.difference(out, first, second)
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

    def shift(self, out: Var, atom: Atom, by: int) -> None:
        if isinstance(atom, Var) and atom in self.exact:
            dim, more = self.exact[atom]
            self.exact[out] = (dim, more + by)
        low = self.lowest(atom)
        if low is not None:
            self.least[out] = low + by
        self.most[out] = {(dim, offset + by) for dim, offset in self.highest(atom)}

    def access(self, stage: Stage) -> bool:
        """Is each number among the indices within its axis? Sections never fail; an index that is an array is checked where it is used."""
        attrs = dict(stage.attrs)
        array = stage.args[0]
        at = str(attrs.get("at", "[{0}]"))
        indices = stage.args[1:] if stage.op == "load" else stage.args[1:-1]
        if attrs.get("gather") or (":" in at and not _has_plain_index(at)):
            return True
        if not isinstance(array, Var) or array not in self.shapes or not re.fullmatch(r"\[[^][]*\]", at) or "..." in at:
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
        return any((dim == size and offset < 0) or (dim is None and isinstance(size, int) and offset < size) for dim, offset in most)


def _has_plain_index(at: str) -> bool:
    """Is one of the parts of an index a number, not a slice?"""
    return any(":" not in part and part.strip() not in ("None", "...") for part in at.strip("[]").split(","))
