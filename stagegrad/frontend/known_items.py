"""Loops over items that are known: written out trip by trip, or kept as loops over their positions where that would be long.

Each such loop is written out at first. Where that makes more than `MOST` operations and the items are alike, the whole function is
lowered again with the loop kept: ``for c, d in zip(cs, ds)`` takes its items from constants, at a position that is counted at run
time. Where the body turns out to need them earlier, as an axis or as an exponent, it is written out all the same.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stagegrad.frontend.decisions import Reconsidered
from stagegrad.frontend.emitter import RETURNED, Arm, Flow
from stagegrad.frontend.expressions import MOST_ITEMS
from stagegrad.frontend.loops import LoopLowering
from stagegrad.frontend.stages import Poisoned, Refusal
from stagegrad.frontend.values import FALSE, TRUE, Many, Range, Slot, Static, Value, ident_of_all
from stagegrad.ir import FLOAT, INT, Atom, Block, For, Lit, Span, Stage, Stmt, Var, While, blocks, uses, walk
from stagegrad.ops import literal

if TYPE_CHECKING:
    from stagegrad.frontend.control import Statements

#: The most operations that a loop is written out to (see `_cost`).
MOST = 250
#: The most trips, of loops inside one another together, that are written out.
MOST_TRIPS = 1000
#: The most numbers that are computed at run time among which a kept loop picks: each has a gradient of its own.
_MOST_COMPUTED = 8
#: Ints among the items of a kept loop are smaller.
_LARGE = 2**31


class KnownItems:
    """Lowers one `for` over items that are known."""

    def __init__(self, lowering: Statements, stmt: ast.For, items: tuple[Value, ...]) -> None:
        self.low, self.stmt, self.items = lowering, stmt, items
        self.place = lowering.span(stmt), lowering.span(stmt.target)
        self.decisions = lowering.compilation.decisions
        self.cost = 0
        self.mixed: set[tuple[Atom, ...]] = set()  # the columns that hold ints and floats

    def run(self) -> Flow:
        """Lowers the loop and what its `else` holds."""
        if self.decisions.may_keep(self.place):
            if self.place in self.decisions.kept:
                return self._kept()
            if len(self.items) * self.low.trips > MOST_TRIPS:
                self._keep_if_alike()
        if len(self.items) * self.low.trips > MOST_TRIPS:
            raise self.low.refusal(self.stmt.iter, f"a loop over {len(self.items)} values is too long to write out", "a loop over a range")
        return self._written_out()

    # ------------------------------------------------------------------------------------------ written out

    def _written_out(self) -> Flow:
        low, stmt = self.low, self.stmt
        outer, region = low.region, low.new_region(None)
        before, low.trips = low.trips, low.trips * max(1, len(self.items))
        low.region = region
        low.raise_flag(RETURNED, FALSE)
        try:
            flow = self._trips(0)
        finally:
            low.region, low.trips = outer, before
        if flow is Flow.DEAD:
            return flow
        return low.otherwise(stmt, low.came_back(low.flag(RETURNED)), low.flag(region.broke))

    def _trips(self, start: int) -> Flow:
        """One trip after the other; DEAD if one of them always raises."""
        low, stmt, region = self.low, self.stmt, self.low.region
        for position in range(start, len(self.items)):
            mark = len(low.stmts)
            low.raise_flag(region.exit, FALSE)
            low.assign(stmt.target, self.items[position], stmt.target)
            if low.ending(None, lambda: low.body(stmt.body)) is Flow.DEAD:
                return Flow.DEAD
            self._count(low.stmts[mark:])
            until = low.flag(region.until)
            if until == TRUE:
                break
            if until != FALSE and position + 1 < len(self.items):
                return self._more_trips(position + 1, until)
        return Flow.FALL

    def _more_trips(self, start: int, until: Atom) -> Flow:
        low, region = self.low, self.low.region

        def more() -> Flow:
            low.raise_flag(region.until, FALSE)
            low.raise_flag(RETURNED, FALSE)
            return self._trips(start)

        left = Arm([], {**low.env, region.until: Slot(TRUE)})
        return low.merge(until, left, low.arm(more), None, self.stmt, guards=True)

    def _count(self, stmts: Sequence[Stmt]) -> None:
        self.cost += _cost(stmts)
        if self.cost > MOST and len(self.items) > 1 and self.decisions.may_keep(self.place):
            self._keep_if_alike()

    def _keep_if_alike(self) -> None:
        if _alike(self.items):
            raise Reconsidered(replace(self.decisions, kept=self.decisions.kept | {self.place}))

    # ------------------------------------------------------------------------------------------ kept

    def _kept(self) -> Flow:
        low, stmt = self.low, self.stmt
        problems, mark = len(low.compilation.problems), len(low.stmts)
        known = _evenly_spaced(self.items)
        try:
            if known is not None and isinstance(stmt.target, ast.Name):
                over = Range(literal(known.start), literal(known.stop), literal(known.step))
                flow = LoopLowering(low, stmt, over).run()
            else:
                over = Range(literal(0), literal(len(self.items)), literal(1))
                flow = LoopLowering(low, stmt, over, lambda index: self._picked(self.items, index)).run()
        except (Refusal, Poisoned):
            raise self._to_be_written_out() from None
        made = Block(tuple(low.stmts[mark:]), ())
        if len(low.compilation.problems) > problems or _needs_known(made, low.span(stmt), self.mixed):
            raise self._to_be_written_out()
        return flow

    def _to_be_written_out(self) -> Reconsidered:
        old = self.decisions
        assert old.written_out is not None
        return Reconsidered(replace(old, kept=old.kept - {self.place}, written_out=old.written_out | {self.place}))

    def _picked(self, items: Sequence[Value], index: Atom) -> Value:
        """The item at a position, column by column."""
        first = items[0]
        if isinstance(first, Many):
            columns = zip(*(item.items for item in items if isinstance(item, Many)), strict=True)
            ident = ident_of_all(*(replace(item, items=()) for item in items if isinstance(item, Many)))
            return replace(first, items=tuple(self._picked(column, index) for column in columns), ident=ident)
        atoms = [item for item in items if isinstance(item, Var | Lit)]
        if not atoms or _is_one(atoms):
            return first
        known = _evenly_spaced(atoms)
        if known is not None:
            scaled = index if known.step == 1 else self.low.arithmetic("mul", index, literal(known.step), self.stmt.target)
            return scaled if known.start == 0 else self.low.arithmetic("add", literal(known.start), scaled, self.stmt.target)
        numbers = [*map(_as_float, atoms)] if len({atom.type for atom in atoms}) > 1 else atoms
        if numbers is not atoms:
            self.mixed.add((index, *numbers))
        return self.low.emit("item", [index, *numbers], self.stmt.target)


def _cost(stmts: Sequence[Stmt]) -> int:
    """How much statements make of what follows: an operation on arrays becomes a loop of its own there, and a loop has a tape."""
    cost = 0
    for stmt in walk(Block(tuple(stmts), ())):
        match stmt:
            case For() | While():
                cost += 12
            case Stage(out, args=args) if any(atom.type.rank for atom in (out, *args)):
                cost += 4
            case _:
                cost += 1
    return cost


def _alike(items: Sequence[Value]) -> bool:
    """Whether items are numbers, or tuples of such, that one variable can hold in turn: column by column."""
    first = items[0]
    if isinstance(first, Many):
        rows = [item for item in items if isinstance(item, Many) and item.display == first.display != "iterator"]
        if len(rows) < len(items) or len({len(row.items) for row in rows}) > 1:
            return False
        return all(_alike(column) for column in zip(*(row.items for row in rows), strict=True))
    if isinstance(first, Static):
        return all(isinstance(item, Static) and item.thing is first.thing for item in items)
    return _is_column([item for item in items if isinstance(item, Var | Lit) and not item.type.rank], len(items))


def _is_column(atoms: Sequence[Atom], count: int) -> bool:
    """Whether so many numbers can be picked from."""
    types, computed = {atom.type for atom in atoms}, sum(isinstance(atom, Var) for atom in atoms)
    if len(atoms) < count or (len(types) > 1 and types != {INT, FLOAT}):
        return False
    if _is_one(atoms) or _evenly_spaced(atoms) is not None:
        return True
    whole = [atom for atom in atoms if atom.type == INT]
    written = [atom.value for atom in whole if isinstance(atom, Lit)]
    small = all(isinstance(value, int) and abs(value) < _LARGE for value in written)
    return count <= MOST_ITEMS and computed <= _MOST_COMPUTED and small and (len(types) == 1 or len(written) == len(whole))


def _is_one(atoms: Sequence[Atom]) -> bool:
    """Whether all are the same number: 0.0 and -0.0 are two."""
    return len({(atom.type, repr(atom)) for atom in atoms}) == 1


def _as_float(atom: Atom) -> Atom:
    return Lit(float(atom.value or 0), FLOAT) if isinstance(atom, Lit) and atom.type == INT else atom


def _evenly_spaced(items: Sequence[Value]) -> range | None:
    """Two or more ints, as a range."""
    values = [item.value for item in items if isinstance(item, Lit) and type(item.value) is int]
    if len(values) < len(items) or len(values) < 2 or values[0] == values[1]:
        return None
    step = values[1] - values[0]
    found = range(values[0], values[0] + step * len(values), step)
    return found if [*found] == values else None


# ---------------------------------------------------------------------------------------------- what the body does with them


def _needs_known(block: Block, span: Span, mixed: set[tuple[Atom, ...]]) -> bool:
    """Whether numbers would better be known when the function is compiled: exponents, and ints among floats that do not meet floats.

    A power with a known exponent has an exact rule of its own; and an int differs from the float that stands for it where it is
    shown, divided without a rest, negated or kept. What counts the trips is known, and so is what is computed from it alone.
    """
    known: set[Atom] = {stmt.index for stmt in walk(block) if isinstance(stmt, For) and stmt.span == span}
    either: set[Atom] = {stmt.out for stmt in walk(block) if isinstance(stmt, Stage) and stmt.op == "item" and stmt.args in mixed}
    for stmt in walk(block):
        if any(either.intersection(inner.results) for inner in blocks(stmt)):
            return True
        if either.intersection(uses(stmt)) and not (isinstance(stmt, Stage) and _meets_a_float(stmt, either)):
            return True
        if not isinstance(stmt, Stage):
            continue
        if stmt.op == "pow" and stmt.args[1] in known:
            return True
        if stmt.args and all(isinstance(arg, Lit) or arg in known for arg in stmt.args):
            known.add(stmt.out)
    return False


def _meets_a_float(stage: Stage, either: set[Atom]) -> bool:
    """Whether Python makes a float of an int there before anything else."""
    others = [arg for arg in stage.args if arg not in either]
    return stage.op in _MEETING and bool(others) and all(arg.type.kind == "float" for arg in others)


#: Operations that mean the same for an int beside a float as for the float that it is equal to.
_MEETING = frozenset({"add", "sub", "mul", "div", "lt", "le", "gt", "ge", "eq", "ne"})
