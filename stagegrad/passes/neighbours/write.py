"""Writes the loops of a group: over the cells that all terms reach, and over those near the borders.

Along each axis the cells near its ends are known by how far the terms reach, so that the loops over all others ask nothing. The order
in which a cell's terms are added is that in which the trips of the nest would have added them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, groupby

from stagegrad.ir import BOOL, INT, Atom, Attr, Block, Carry, For, Fresh, If, Lit, Remark, Stage, Stmt, Var, literal_is, read, substitute
from stagegrad.names import count_reads
from stagegrad.ops import find, literal
from stagegrad.passes.neighbours.facts import Facts
from stagegrad.passes.neighbours.parts import Offset, Part, Place, Term, Total, Written

#: What makes an array of zeros.
ZEROS = frozenset({"zeros", "zeros_of", "zeros_like"})
#: Names of the loops over cells near the ends of an axis, outermost first.
_NEAR = ("k", "l", "o", "p", "q")
#: A condition that holds, or does not, whatever the sizes; or a number that says so.
Test = bool | Atom


class Plan:
    """Which arrays the parts of a group begin with, and which of their results lie where."""

    def __init__(self, parts: Sequence[Part], facts: Facts, reads: Counter[Var]) -> None:
        self.parts, self.facts = parts, facts
        inside = Counter[Var]()
        for one in parts:
            inside.update(count_reads(Block((one.loop,))))
        self.left = {var: count for var, count in reads.items() if count > inside[var]}
        self.outs = {written.out: written for one in parts for written in one.written}

    def margin(self, axis: int) -> tuple[int, int]:
        """How many cells at either end of an axis some term does not reach."""
        reached = [ends(one, by)[axis] for one in self.parts for by in offsets(one)]
        return max(before for before, _ in reached), max(behind for _, behind in reached)

    def is_needed(self, out: Var) -> bool:
        """Is a result read by others?"""
        return out in self.left

    def same(self, array: Atom) -> Atom:
        """The array that an array is a copy of, where nobody else needs the copy."""
        made = self.facts.makers.get(array) if isinstance(array, Var) else None
        if made is None or made.op != "duplicate" or self.is_needed(made.out):
            return array
        return self.same(made.args[0])

    def base(self, written: Written) -> Atom:
        """What a cell was before: an array, or a number for all of them."""
        made = self.facts.makers.get(written.entry) if isinstance(written.entry, Var) else None
        if made is not None and made.op in ZEROS:
            return Lit(0.0, replace(written.out.type, rank=0))
        return self.same(written.entry)

    def in_place(self, written: Written) -> bool:
        """May the cells be written where they were read: does no cell need what others were, nor anybody else?"""
        base = self.base(written)
        if not is_whole(written):
            return True
        if not isinstance(base, Var) or base != written.entry or self.is_needed(base) or base in self.outs:
            return False
        return self.is_read_in_place(written)

    def is_possible(self) -> bool:
        """Can what is written to a part of an array be written to it in place?"""
        return all(is_whole(written) or self.is_read_in_place(written) for written in self.outs.values())

    def is_read_in_place(self, written: Written) -> bool:
        """Does each cell need of an array, as it was before, no other element than its own?"""
        own = (0,) * len(self.parts[0].grid)
        for one in self.parts:
            for load in one.loads():
                if self.same(one.array_of(load)) == self.same(written.entry):
                    seen = one.offset_of(load, written.place)
                    if seen is None or any(tuple(a - b for a, b in zip(seen, by, strict=True)) != own for by in offsets(one)):
                        return False
        return True


def is_whole(written: Written) -> bool:
    """Is it an array with the axes of the grid, and no others?"""
    return all(isinstance(axis, int) for axis in written.place)


def ends(one: Part, by: Offset) -> list[tuple[int, int]]:
    """How many cells at either end are not reached by what trips give to the cells that are so far from their own."""
    return [(before + ahead, behind - ahead) for (before, behind), ahead in zip(one.margins, by, strict=True)]


def offsets(one: Part) -> set[Offset]:
    """How far the cells are from the trip's own to which a part gives something."""
    found = {term.by for written in one.written for term in written.terms}
    return found | {(0,) * len(one.grid)} if one.totals else found


@dataclass(eq=False)
class _Slot:
    """What loops carry; `now` is its newest version."""

    now: Atom


@dataclass(eq=False)
class _Scope:
    """Statements that are written one after the other, and what they have computed."""

    outer: _Scope | None = None
    stmts: list[Stmt] = field(default_factory=list)
    known: dict[object, Atom] = field(default_factory=dict)

    def find(self, key: object) -> Atom | None:
        return self.known[key] if key in self.known else self.outer.find(key) if self.outer else None


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
        self.ranges()
        rims = [axis for axis in self.axes if any(self.margins[axis])]
        some = list(chain.from_iterable(combinations(rims, count) for count in range(len(rims) + 1)))
        for number, rim in enumerate(some):
            if number == 1:
                self.out.append(Remark("near the borders"))
            self.strip(frozenset(rim))
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

    def ranges(self) -> None:
        """Along each axis where the cells end that all terms reach, how many others there are, and how far the last of these are."""
        self.stops, self.edges, self.rests = list[Atom](), list[Atom](), list[Atom]()
        for size, (before, behind) in zip(self.sizes, self.margins, strict=True):
            last = self.emit(self.out, "sub", size, literal(behind)) if behind else size
            # LLVM sees by this that no index is negative, and makes vector instructions of the loop.
            self.stops.append(self.emit(self.out, "max", last, literal(before), name="end") if before + behind else last)
            edge = self.emit(self.out, "min", literal(before + behind), size, name="edge") if before + behind else literal(0)
            self.edges.append(edge)
            self.rests.append(self.emit(self.out, "sub", size, edge, name="rest") if behind else literal(0))

    def emit(self, into: list[Stmt], op: str, *args: Atom, name: str = "") -> Var:
        out = self.fresh.var(name, find(op).type_of([arg.type for arg in args], {}))
        into.append(Stage(out, op, args))
        return out

    def current(self, atom: Atom) -> Atom:
        return self.now.get(atom, atom) if isinstance(atom, Var) else atom

    # ------------------------------------------------------------------------------------------ loops

    def strip(self, rim: frozenset[int]) -> None:
        """The cells that lie near the ends of these axes, and not of the others. The loops over many cells are inside."""
        order = [*sorted(rim), *(axis for axis in self.axes if axis not in rim)]
        point: dict[int, Var] = {}
        tests: dict[tuple[int, int, int], Atom] = {}

        def level(depth: int) -> list[Stmt]:
            if depth == len(order):
                return _Cell(self, tuple(point[axis] for axis in self.axes), rim, tests).write()
            axis = order[depth]
            if axis not in rim:
                return [self.loop(self.names[axis], literal(self.margins[axis][0]), self.stops[axis], lambda i: inner(depth, axis, i))]
            return [self.loop(_NEAR[depth], literal(0), self.edges[axis], lambda trip: near(depth, axis, trip))]

        def inner(depth: int, axis: int, index: Var) -> list[Stmt]:
            point[axis] = index
            return level(depth + 1)

        def near(depth: int, axis: int, trip: Var) -> list[Stmt]:
            stmts = list[Stmt]()
            index = self.near(axis, trip, stmts)
            self.ask(axis, index, stmts, tests)
            return [*stmts, *inner(depth, axis, index)]

        self.out += level(0)

    def near(self, axis: int, trip: Var, stmts: list[Stmt]) -> Var:
        """The first of the cells near the ends of an axis are those at its front."""
        before, behind = self.margins[axis]
        if not behind:
            return trip
        index = self.fresh.var(self.names[axis], INT)
        if not before:
            return self.emit(stmts, "add", trip, self.rests[axis])
        front, arm = self.emit(stmts, "lt", trip, literal(before)), list[Stmt]()
        moved = self.emit(arm, "add", trip, self.rests[axis])
        stmts.append(If(front, Block((), (trip,)), Block(tuple(arm), (moved,)), (index,)))
        return index

    def ask(self, axis: int, index: Var, stmts: list[Stmt], tests: dict[tuple[int, int, int], Atom]) -> None:
        """Which terms reach a cell near the ends of an axis."""
        all_ends = {ends(one, by)[axis] for one in self.plan.parts for by in offsets(one)}
        for before, behind in sorted(all_ends):
            asked = [self.emit(stmts, "ge", index, literal(before))] if before else []
            if behind:
                asked.append(self.emit(stmts, "lt", index, self.emit(stmts, "sub", self.sizes[axis], literal(behind))))
            if asked:
                tests[axis, before, behind] = asked[0] if len(asked) == 1 else self.emit(stmts, "and", *asked)

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


class _Cell:
    """What is done to one cell."""

    def __init__(self, writing: Writing, point: tuple[Var, ...], rim: frozenset[int], tests: Mapping[tuple[int, int, int], Atom]) -> None:
        self.writing, self.point, self.rim, self.tests = writing, point, rim, tests
        self.plan, self.fresh = writing.plan, writing.fresh
        self.root = _Scope()
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
            scope = self.root if test is True else _Scope(self.root)
            before = total
            for term in terms:
                total = self.added(written, total, self.value(one, term.value, term.by, scope), term, scope)
            total = total if test is True else self.branch(test, (scope, total), (_Scope(), before))
        return total

    def chosen(self, one: Part, written: Written) -> Atom:
        """The value that a trip gives to this cell, or what it was before."""
        term = written.terms[0]
        test = self.test(one, term.by)
        if isinstance(test, bool):
            return self.value(one, term.value, term.by, self.root) if test else self.before(written, self.root)
        then, orelse = _Scope(self.root), _Scope(self.root)
        return self.branch(test, (then, self.value(one, term.value, term.by, then)), (orelse, self.before(written, orelse)))

    def added(self, written: Written, total: Atom, value: Atom, term: Term, scope: _Scope) -> Atom:
        out = self.fresh.var(self.word(written.out), replace(written.out.type, rank=0))
        first = isinstance(total, Lit)
        note = term.note if scope is self.root else ""
        scope.stmts.append(Stage(out, "copy" if first else "add", (value,) if first else (total, value), note=note, span=term.span))
        return out

    def before(self, written: Written, scope: _Scope) -> Atom:
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
            scope = self.root if test is True else _Scope(self.root)
            value = self.value(one, summand, by, scope)
            if test is not True:
                value = self.branch(test, (scope, value), (_Scope(), Lit(0.0, value.type)))
            out = self.fresh.like(stage.out)
            note = stage.note if test is True else ""
            self.root.stmts.append(replace(stage, out=out, args=(slot.now, value), note=note))
            slot.now = out

    def branch(self, test: Atom | bool, then: tuple[_Scope, Atom], orelse: tuple[_Scope, Atom]) -> Var:
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

    def value(self, one: Part, atom: Atom, by: Offset, scope: _Scope) -> Atom:
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

    def stage(self, one: Part, stage: Stage, by: Offset, scope: _Scope) -> Atom:
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

    def choice(self, one: Part, stmt: If, atom: Var, by: Offset, scope: _Scope) -> Atom:
        """The result of a branch of such a trip."""
        test = self.value(one, stmt.test, by, scope)
        arms = []
        for block in (stmt.then, stmt.orelse):
            arm = _Scope(scope)
            results = tuple(self.value(one, result, by, arm) for result in block.results)
            arms.append(Block(tuple(arm.stmts), results))
        outs = tuple(map(self.fresh.like, stmt.outs))
        scope.stmts.append(If(test, arms[0], arms[1], outs, span=stmt.span))
        scope.known.update({(id(one), old, by): new for old, new in zip(stmt.outs, outs, strict=True)})
        return dict(zip(stmt.outs, outs, strict=True))[atom]

    def load(self, array: Atom, indices: tuple[Atom, ...], scope: _Scope) -> Atom:
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
