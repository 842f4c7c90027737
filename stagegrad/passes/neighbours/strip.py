"""The loops over the cells that lie near the ends of some axes of a grid, and not near those of the others.

    for i in range(1, n - 1):               # a row at a time, while it is in the cache
        for j in range(1, m - 1):           # what all terms reach asks nothing, and becomes vector instructions
            ...
        # near the borders
        j = 0
        ...
        j = m - 1
        ...

Only the last axis that has borders is not split by loops of its own: its cells near either end come behind the others of their row.
A loop along them would come when the rows have left the cache, and wait for each cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stagegrad.ir import INT, Atom, Block, If, Remark, Stmt, Var
from stagegrad.ops import literal
from stagegrad.passes.neighbours.cell import Cell
from stagegrad.passes.neighbours.plan import ends, offsets

if TYPE_CHECKING:
    from stagegrad.passes.neighbours.write import Writing

NEAR_BORDERS = "near the borders"
#: Names of the loops over cells near the ends of an axis, outermost first.
_NEAR = ("k", "l", "o", "p", "q")


@dataclass(frozen=True)
class Side:
    """So many cells next to each other near one end of an axis; `reached` is how far they are from the front at least, and from the end."""

    first: int  # from the front, or from the end
    width: int
    reached: tuple[int, int]
    from_end: bool


@dataclass(frozen=True)
class Reach:
    """Along an axis where the cells end that all terms reach, how many others there are, and how far the last of these are."""

    stop: Atom
    edge: Atom
    rest: Atom


class Strip:
    """The cells near the ends of the axes in `rim`, and along the last axis with borders all of them. Long loops are inside."""

    def __init__(self, writing: Writing, rim: frozenset[int]) -> None:
        self.writing, self.rim = writing, rim
        self.order = [*sorted(rim), *(axis for axis in writing.axes if axis not in rim)]
        self.point: dict[int, Var] = {}
        self.tests: dict[tuple[int, int, int], Atom] = {}
        self.side: Side | None = None  # where the cells are that are being written, along the last axis with borders

    def level(self, depth: int = 0, last_too: bool = False) -> list[Stmt]:
        """The loops from one depth on; with `last_too`, of cells near the ends of the last axis with borders."""
        if depth == len(self.order):
            return self.cell(last_too)
        axis, writing = self.order[depth], self.writing
        if axis in self.rim:
            return [self.near(depth, axis, last_too)]
        reach, before = writing.reaches[axis], literal(writing.margins[axis][0])
        found: list[Stmt] = [writing.loop(writing.names[axis], before, reach.stop, self.placed(depth, axis, last_too))]
        if axis != writing.last:
            return found
        found += [Remark(NEAR_BORDERS)] if not self.rim else []
        # Sides are there where the axis is long enough for them, and what lies near the ends of others is all there is where it is not.
        for side in writing.sides if not self.rim else ():
            found += self.along(depth, axis, side)
        return found if writing.sides and not self.rim else [*found, self.near(depth, axis, True)]

    def cell(self, last_too: bool) -> list[Stmt]:
        """What is done to one cell."""
        writing = self.writing
        rim = self.rim | {writing.last} if last_too else self.rim
        known = {writing.last: self.side.reached} if self.side else {}
        return Cell(writing, tuple(self.point[axis] for axis in writing.axes), rim, self.tests, known).write()

    def placed(self, depth: int, axis: int, last_too: bool) -> Callable[[Var], list[Stmt]]:
        """Writes what is inside a loop along an axis, for the loop's index."""

        def inside(index: Var) -> list[Stmt]:
            self.point[axis] = index
            return self.level(depth + 1, last_too)

        return inside

    def along(self, depth: int, axis: int, side: Side) -> list[Stmt]:
        """The cells at one side of an axis: a loop, or a cell."""
        writing, stmts = self.writing, list[Stmt]()
        self.side, write = side, self.placed(depth, axis, True)
        first: Atom = literal(side.first)
        if side.from_end:
            first = writing.emit(stmts, "sub", writing.sizes[axis], first, name="" if side.width > 1 else writing.names[axis])
        if side.width > 1:
            stop = writing.emit(stmts, "add", first, literal(side.width)) if side.from_end else literal(side.first + side.width)
            stmts.append(writing.loop(writing.names[axis], first, stop, write))
        else:
            stmts += write(first if isinstance(first, Var) else writing.emit(stmts, "copy", first, name=writing.names[axis]))
        self.side = None
        return stmts

    def near(self, depth: int, axis: int, last_too: bool) -> Stmt:
        """A loop over the cells near either end of an axis, which ask what reaches them; the first of them are those at its front."""
        writing = self.writing
        before, behind = writing.margins[axis]

        def trip(index: Var) -> list[Stmt]:
            stmts, rest = list[Stmt](), writing.reaches[axis].rest
            if behind and not before:
                index = writing.emit(stmts, "add", index, rest)
            elif behind:
                front, arm, first = writing.emit(stmts, "lt", index, literal(before)), list[Stmt](), index
                moved = writing.emit(arm, "add", first, rest)
                index = writing.fresh.var(writing.names[axis], INT)
                stmts.append(If(front, Block((), (first,)), Block(tuple(arm), (moved,)), (index,)))
            self.ask(axis, index, stmts)
            return [*stmts, *self.placed(depth, axis, last_too)(index)]

        return writing.loop(_NEAR[depth], literal(0), writing.reaches[axis].edge, trip)

    def ask(self, axis: int, index: Var, stmts: list[Stmt]) -> None:
        """Which terms reach a cell near the ends of an axis."""
        writing = self.writing
        for before, behind in sorted({ends(one, by)[axis] for one in writing.plan.parts for by in offsets(one)}):
            asked = [writing.emit(stmts, "ge", index, literal(before))] if before else []
            if behind:
                asked.append(writing.emit(stmts, "lt", index, writing.emit(stmts, "sub", writing.sizes[axis], literal(behind))))
            if asked:
                self.tests[axis, before, behind] = asked[0] if len(asked) == 1 else writing.emit(stmts, "and", *asked)
