"""Writes what is done to one cell: the terms that reach it, in the order in which the trips of the nests would have added them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from stagegrad.ir import BOOL, Atom, Attr, Block, If, Lit, Stage, Stmt, Var, literal_is
from stagegrad.ops import literal
from stagegrad.passes.neighbours.parts import Offset, Part, Place, Term, Total, Written
from stagegrad.passes.neighbours.plan import ends

if TYPE_CHECKING:
    from stagegrad.passes.neighbours.write import Writing

#: A condition that holds, or does not, whatever the sizes; or a number that says so.
Test = bool | Atom


@dataclass(eq=False)
class Scope:
    """Statements that are written one after the other, and what they have computed."""

    outer: Scope | None = None
    stmts: list[Stmt] = field(default_factory=list)
    known: dict[object, Atom] = field(default_factory=dict)

    def find(self, key: object) -> Atom | None:
        return self.known[key] if key in self.known else self.outer.find(key) if self.outer else None


class Cell:
    """What is done to one cell."""

    def __init__(
        self,
        writing: Writing,
        point: tuple[Var, ...],
        rim: frozenset[int],
        tests: Mapping[tuple[int, int, int], Atom],
        known: Mapping[int, tuple[int, int]],
    ) -> None:
        self.writing, self.point, self.rim, self.tests = writing, point, rim, tests
        self.known_reach = known  # of an axis how far the cell is from its front at least, and from its end
        self.plan, self.fresh = writing.plan, writing.fresh
        self.root = Scope()
        self.left: dict[Var, Atom] = {}  # what the parts before leave of this cell

    def write(self) -> list[Stmt]:
        """The statements of one trip: what is read of an array stands before what is written."""
        stores = list[tuple[Written, Atom]]()
        for one in self.plan.parts:
            for written in one.written:
                value = self.final(one, written)
                self.left[written.out] = value
                stores += [(written, value)] if written.out in self.writing.arrays else []
            for total in one.totals:
                self.total(one, total)
        for written, value in stores:
            slot = self.writing.arrays[written.out]
            indices = self.indices(written.place)
            assert isinstance(slot.now, Var)
            out = self.fresh.like(slot.now)
            self.root.stmts.append(Stage(out, "store", (slot.now, *indices, value), _at(len(indices))))
            slot.now = out
        return self.root.stmts

    def indices(self, place: Place) -> tuple[Atom, ...]:
        """Where this cell lies in an array."""
        return tuple(self.point[axis] if isinstance(axis, int) else self.writing.current(axis) for axis in place)

    # ------------------------------------------------------------------------------------------ what becomes of a cell

    def final(self, one: Part, written: Written) -> Atom:
        """What a part leaves of this cell."""
        if not written.adds:
            return self.chosen(one, written)
        total = self.before(written, self.root)
        for test, terms in groupby(in_order(one, written.terms), key=lambda term: self.test(one, term.by)):
            if test is False:
                continue
            scope = self.root if test is True else Scope(self.root)
            before = total
            for term in terms:
                total = self.added(written, total, self.value(one, term.value, term.by, scope), term, scope)
            total = total if test is True else self.branch(test, (scope, total), (Scope(), before))
        return total

    def chosen(self, one: Part, written: Written) -> Atom:
        """The value that a trip gives to this cell, or what it was before."""
        term = written.terms[0]
        test = self.test(one, term.by)
        if isinstance(test, bool):
            return self.value(one, term.value, term.by, self.root) if test else self.before(written, self.root)
        then, orelse = Scope(self.root), Scope(self.root)
        return self.branch(test, (then, self.value(one, term.value, term.by, then)), (orelse, self.before(written, orelse)))

    def added(self, written: Written, total: Atom, value: Atom, term: Term, scope: Scope) -> Atom:
        out = self.fresh.var(self.word(written.out), replace(written.out.type, rank=0))
        first = isinstance(total, Lit)
        note = term.note if scope is self.root else ""
        scope.stmts.append(Stage(out, "copy" if first else "add", (value,) if first else (total, value), note=note, span=term.span))
        return out

    def before(self, written: Written, scope: Scope) -> Atom:
        """What this cell was before the part."""
        base = self.plan.base(written)
        if base in self.left and isinstance(base, Var):
            return self.left[base]
        return self.load(base, self.indices(written.place), scope) if base.type.rank else base

    def total(self, one: Part, total: Total) -> None:
        """Adds what the trip for this cell adds to a total."""
        by = (0,) * len(self.point)
        test = self.test(one, by)
        if test is False:
            return
        slot = self.writing.totals[total.out]
        for stage, summand in total.stages:
            scope = self.root if test is True else Scope(self.root)
            value = self.value(one, summand, by, scope)
            if test is not True:
                value = self.branch(test, (scope, value), (Scope(), Lit(0.0, value.type)))
            out = self.fresh.like(stage.out)
            note = stage.note if test is True else ""
            self.root.stmts.append(replace(stage, out=out, args=(slot.now, value), note=note))
            slot.now = out

    def branch(self, test: Atom | bool, then: tuple[Scope, Atom], orelse: tuple[Scope, Atom]) -> Var:
        """One value or the other."""
        assert not isinstance(test, bool)
        value = then[1] if isinstance(then[1], Var) else orelse[1]
        out = self.fresh.like(value) if isinstance(value, Var) else self.fresh.var("", value.type)
        arms = [Block(tuple(scope.stmts), (result,)) for scope, result in (then, orelse)]
        self.root.stmts.append(If(test, arms[0], arms[1], (out,)))
        return out

    def test(self, one: Part, by: Offset) -> Test:
        """Does a trip of the part reach this cell? The cells that are not near the end of an axis are reached along it by all."""
        asked = list[Atom]()
        reached = ends(one, by)
        for axis in sorted(self.rim):
            before, behind = reached[axis]
            if axis in self.known_reach:
                front, back = self.known_reach[axis]
                if before > front or behind > back:
                    return False
                continue
            most = self.writing.margins[axis]
            if before >= most[0] and behind >= most[1]:
                return False
            if before or behind:
                asked.append(self.tests[axis, before, behind])
        if not asked:
            return True
        test = asked[0]
        for other in asked[1:]:
            known = self.root.known.get(("and", test, other))
            if known is None:
                known = self.root.known["and", test, other] = self.fresh.var("", BOOL)
                assert isinstance(known, Var)
                self.root.stmts.append(Stage(known, "and", (test, other)))
            test = known
        return test

    # ------------------------------------------------------------------------------------------ what trips compute

    def value(self, one: Part, atom: Atom, by: Offset, scope: Scope) -> Atom:
        """A number as the trip computes it whose own cell is so far behind this one."""
        if not isinstance(atom, Var):
            return atom
        if atom in one.counted:
            axis, ahead = one.counted[atom]
            return self.index(axis, ahead - by[axis])
        made = one.makers.get(atom)
        if made is None:
            return self.writing.current(atom)
        key = (id(one), atom, by)
        known = scope.find(key)
        if known is None:
            known = self.stage(one, made, by, scope) if isinstance(made, Stage) else self.choice(one, made, atom, by, scope)
            scope.known[key] = known
        return known

    def stage(self, one: Part, stage: Stage, by: Offset, scope: Scope) -> Atom:
        """The result of a stage of such a trip, computed once in all that is written for this cell."""
        if stage.op == "load":
            array = one.array_of(stage)
            if isinstance(array, Var) and array in self.left:
                return self.left[array]
            return self.load(self.plan.same(array), tuple(self.value(one, index, by, scope) for index in stage.args[1:]), scope)
        args = tuple(self.value(one, arg, by, scope) for arg in stage.args)
        if stage.op == "copy":
            return args[0]
        if stage.op == "add" and any(literal_is(arg, 0.0) for arg in args):
            return args[literal_is(args[0], 0.0)]
        key = (stage.op, args, stage.attrs)
        known = scope.find(key)
        if known is None:
            known = scope.known[key] = self.fresh.like(stage.out)
            note = stage.note if scope is self.root and not any(by) else ""
            assert isinstance(known, Var)
            scope.stmts.append(replace(stage, out=known, args=args, note=note))
        return known

    def choice(self, one: Part, stmt: If, atom: Var, by: Offset, scope: Scope) -> Atom:
        """The result of a branch of such a trip."""
        test = self.value(one, stmt.test, by, scope)
        arms = []
        for block in (stmt.then, stmt.orelse):
            arm = Scope(scope)
            results = tuple(self.value(one, result, by, arm) for result in block.results)
            arms.append(Block(tuple(arm.stmts), results))
        outs = tuple(map(self.fresh.like, stmt.outs))
        scope.stmts.append(If(test, arms[0], arms[1], outs, span=stmt.span))
        scope.known.update({(id(one), old, by): new for old, new in zip(stmt.outs, outs, strict=True)})
        return dict(zip(stmt.outs, outs, strict=True))[atom]

    def load(self, array: Atom, indices: tuple[Atom, ...], scope: Scope) -> Atom:
        """An element of an array, read once in all that is written for this cell."""
        array = self.writing.current(array)
        if array in self.writing.read_as:
            array = self.writing.read_as[array].now
        key = ("load", array, indices)
        known = scope.find(key)
        if known is None:
            assert isinstance(array, Var)
            known = scope.known[key] = self.fresh.var(self.word(array, indices), replace(array.type, rank=0))
            assert isinstance(known, Var)
            scope.stmts.append(Stage(known, "load", (array, *indices), _at(len(indices))))
        return known

    def index(self, axis: int, ahead: int) -> Var:
        """An index so many cells ahead of this one."""
        if not ahead:
            return self.point[axis]
        key = ("index", axis, ahead)
        if key not in self.root.known:
            index = self.writing.emit(self.root.stmts, "add" if ahead > 0 else "sub", self.point[axis], literal(abs(ahead)))
            self.root.known[key] = index
        found = self.root.known[key]
        assert isinstance(found, Var)
        return found

    def word(self, array: Var, indices: tuple[Atom, ...] = ()) -> str:
        """What an element of an array is called: ``u_ip1j``."""
        ahead = {atom: (key[1], key[2]) for key, atom in self.root.known.items() if isinstance(key, tuple) and key[0] == "index"}
        ahead |= {index: (axis, 0) for axis, index in enumerate(self.point)}
        found = list[str]()
        for index in indices or self.point:
            axis, by = ahead.get(index, (-1, 0))
            if axis >= 0:
                found.append(self.writing.names[axis] + (f"{'p' if by > 0 else 'm'}{abs(by)}" if by else ""))
        return f"{array.name}_{''.join(found)}" if array.name and found else array.name


def in_order(one: Part, terms: Sequence[Term]) -> list[Term]:
    """The terms in the order in which the trips of a part add them to one cell."""
    return sorted(terms, key=lambda term: tuple(-step * ahead for step, ahead in zip(one.steps, term.by, strict=True)))


def _at(count: int) -> tuple[tuple[str, Attr], ...]:
    return (("at", f"[{', '.join(f'{{{k}}}' for k in range(count))}]"), ("rank", 0))
