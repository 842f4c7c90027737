"""Writes the loops of a group: over the cells that all terms reach, and over those near the borders (`strip`).

Along each axis the cells near its ends are known by how far the terms reach, so that the loops over all others ask nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, pairwise

from stagegrad.ir import INT, Atom, Block, Carry, For, Fresh, If, Remark, Stage, Stmt, Var, read, substitute
from stagegrad.ops import find, literal
from stagegrad.passes.neighbours.parts import Written
from stagegrad.passes.neighbours.plan import Plan, ends, offsets
from stagegrad.passes.neighbours.strip import NEAR_BORDERS, Reach, Side, Strip

#: The cells at so many distances from the ends of an axis have loops of their own, at most.
_MOST_SIDES = 6


@dataclass(eq=False)
class _Slot:
    """What loops carry; `now` is its newest version."""

    now: Atom


class Writing:
    """One group on its way into loops; `now` says what stands for the results of earlier ones, and learns of this one's."""

    def __init__(self, plan: Plan, fresh: Fresh, now: dict[Var, Atom]) -> None:
        self.plan, self.fresh, self.now = plan, fresh, now
        self.out: list[Stmt] = []
        self.axes = range(len(plan.parts[0].grid))
        self.margins = [plan.margin(axis) for axis in self.axes]
        self.slots: list[_Slot] = []
        self.arrays: dict[Var, _Slot] = {}
        self.read_as: dict[Atom, _Slot] = {}  # arrays that are written in place: a cell is read as it is now
        self.totals: dict[Var, _Slot] = {}
        self.names = next((one.names for one in plan.parts if any(map(any, one.margins))), plan.parts[0].names)

    def run(self) -> list[Stmt]:
        """The statements; what stands for the group's results is known from now on."""
        self.sizes = [self.size(size) for size in self.plan.parts[0].sizes]
        self.make_room()
        rims = [axis for axis in self.axes if any(self.margins[axis])]
        self.last = rims[-1] if rims else -1
        self.choose_sides(rims)
        self.ranges()
        some = list(chain.from_iterable(combinations(rims[:-1], count) for count in range(max(len(rims), 1))))
        for number, rim in enumerate(some):
            if number == 1:
                self.out.append(Remark(NEAR_BORDERS))
            self.out += Strip(self, frozenset(rim)).level()
        self.now.update({out: slot.now for out, slot in (*self.arrays.items(), *self.totals.items())})
        return self.out

    # ------------------------------------------------------------------------------------------ before the loops

    def size(self, size: Stage | Var) -> Atom:
        if isinstance(size, Var):
            return self.current(size)
        out = self.fresh.var(size.out.name or "n", INT)
        self.out.append(replace(size, out=out, args=tuple(map(self.current, size.args))))
        return out

    def make_room(self) -> None:
        """What the loops carry: the arrays that somebody needs, and the totals."""
        for one in self.plan.parts:
            for written in one.written:
                if not self.plan.is_needed(written.out):
                    continue
                in_place = self.plan.in_place(written)
                start = self.current(written.entry) if in_place else self.room(written)
                self.arrays[written.out] = self.slot(start)
                if in_place:
                    self.read_as[start] = self.arrays[written.out]
            for total in one.totals:
                before = self.totals.get(total.entry) if isinstance(total.entry, Var) else None
                self.totals[total.out] = before or self.slot(self.current(total.entry))

    def room(self, written: Written) -> Var:
        """A new array, every element of which will be written."""
        type_ = written.out.type
        made = self.fresh.var(written.out.name, type_)
        sizes = tuple(self.sizes[axis] for axis in written.place if isinstance(axis, int))
        self.out.append(Stage(made, "empty_of", sizes, (("kind", type_.kind), ("bits", type_.bits))))
        return made

    def slot(self, start: Atom) -> _Slot:
        self.slots.append(_Slot(start))
        return self.slots[-1]

    def choose_sides(self, rims: Sequence[int]) -> None:
        """The cells near either end of the last axis, sorted by the terms that reach them: they ask nothing.

        The axis may as well be too short for its sides: then all cells count as near the ends of another one.
        """
        self.sides = list[Side]()
        if len(rims) < 2:
            return
        before, behind = self.margins[rims[-1]]
        reached = [ends(one, by)[rims[-1]] for one in self.plan.parts for by in offsets(one)]
        front = pairwise(sorted({0, *(least for least, _ in reached)}))
        back = pairwise(sorted({0, *(least for _, least in reached)}))
        sides = [Side(one, other - one, (one, behind), False) for one, other in front]
        sides += [Side(other, other - one, (before, one), True) for one, other in back][::-1]
        self.sides = sides if len(sides) <= _MOST_SIDES else []

    def ranges(self) -> None:
        """Along each axis where the cells end that all terms reach, how many others there are, and how far the last of these are."""
        self.reaches = list[Reach]()
        for size, (before, behind) in zip(self.sizes, self.margins, strict=True):
            if not before + behind:
                self.reaches.append(Reach(size, literal(0), literal(0)))
                continue
            last = self.emit(self.out, "sub", size, literal(behind)) if behind else size
            # LLVM sees by this that no index is negative, and makes vector instructions of the loop.
            stop = self.emit(self.out, "max", last, literal(before), name="end")
            edge = self.emit(self.out, "min", literal(before + behind), size, name="edge")
            self.reaches.append(Reach(stop, edge, self.emit(self.out, "sub", size, edge, name="rest") if behind else literal(0)))
        if self.sides:
            first = next(axis for axis in self.axes if any(self.margins[axis]))
            self.reaches[first] = self.all_if_narrow(self.reaches[first], self.sizes[first], self.margins[first][0])

    def all_if_narrow(self, reach: Reach, size: Atom, before: int) -> Reach:
        """What is so of an axis beside one with sides: all its cells are near its ends where the other is too short for its sides."""
        narrow = self.emit(self.out, "lt", self.sizes[self.last], literal(sum(self.margins[self.last])))
        stop, edge = self.fresh.var("end", INT), self.fresh.var("edge", INT)
        self.out.append(If(narrow, Block((), (literal(before),)), Block((), (reach.stop,)), (stop,)))
        self.out.append(If(narrow, Block((), (size,)), Block((), (reach.edge,)), (edge,)))
        return Reach(stop, edge, self.emit(self.out, "sub", size, edge, name="rest"))

    def emit(self, into: list[Stmt], op: str, *args: Atom, name: str = "") -> Var:
        out = self.fresh.var(name, find(op).type_of([arg.type for arg in args], {}))
        into.append(Stage(out, op, args))
        return out

    def current(self, atom: Atom) -> Atom:
        return self.now.get(atom, atom) if isinstance(atom, Var) else atom

    # ------------------------------------------------------------------------------------------ loops

    def loop(self, name: str, start: Atom, stop: Atom, write: Callable[[Var], list[Stmt]]) -> For:
        """A loop, whose body `write` writes for its index; it carries what that changes."""
        index = self.fresh.var(name, INT)
        before = [slot.now for slot in self.slots]
        inside = [self.fresh.like(now) if isinstance(now, Var) else self.fresh.var(self.word(k), now.type) for k, now in enumerate(before)]
        for slot, var in zip(self.slots, inside, strict=True):
            slot.now = var
        stmts = write(index)
        carries, results, same = list[Carry](), list[Atom](), dict[Var, Atom]()
        for slot, init, var in zip(self.slots, before, inside, strict=True):
            if slot.now == var:
                same[var] = slot.now = init
                continue
            carries.append(Carry(var, init, self.fresh.like(var)))
            results.append(slot.now)
            slot.now = carries[-1].out
        block = substitute(Block(_live(stmts, results), tuple(results)), same)
        return For(index, start, stop, literal(1), tuple(carries), block)

    def word(self, place: int) -> str:
        """The name of a total that begins as a number."""
        return next((out.name for out, slot in self.totals.items() if slot is self.slots[place]), "")


def _live(stmts: list[Stmt], results: Sequence[Atom]) -> tuple[Stmt, ...]:
    """The statements without the numbers that none of them needs."""
    kept = list[Stmt]()
    needed = {atom for atom in results if isinstance(atom, Var)}
    for stmt in reversed(stmts):
        if isinstance(stmt, Stage) and stmt.out not in needed:
            continue
        kept.append(stmt)
        needed |= read(Block((stmt,)))
    return tuple(reversed(kept))
