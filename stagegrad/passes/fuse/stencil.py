"""Sums into shifted sections of one array: what a stencil's reverse is, gathered instead of scattered.

    dx = zeros_like(x)              dx[0] = d[0] * ...                 (only what reaches the border)
    dx[:-1] += a            ->      for i in range(1, n - 1):
    dx[1:] += b                         dx[i] = a[i] + b[i - 1]
                                    dx[n - 1] = ...

Each element is written once, by a loop that the compiler can turn into vector instructions; the elements that not every section
reaches, near the borders, have loops of their own. A term that is cheap to compute is computed where it is needed, from what lies
in memory, rather than put into an array first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from stagegrad.ir import INT, Atom, Block, If, Lit, Span, Stage, Var, literal_is, variables
from stagegrad.ops import ANY_ORDER, literal
from stagegrad.passes.fuse.nodes import ZERO, Ahead, Entry, Node, Nodes, Ref, cut, sections_of
from stagegrad.passes.fuse.order import reads
from stagegrad.shapes import Dim, Shape

if TYPE_CHECKING:
    from stagegrad.passes.fuse.nest import Fused
    from stagegrad.passes.fuse.places import Slot

#: Pairs of dimensions that must be equal although they have two names.
Pairs: TypeAlias = "tuple[tuple[Dim, Dim], ...]"
#: Up to so many operations, a term is computed again for each element that it is added to.
CHEAP = 12
#: What is cheap.
ARITHMETIC = frozenset({"add", "sub", "mul", "neg", "square", "where", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not"})


@dataclass(frozen=True)
class Term:
    """A value that is added to a section: how many elements the section leaves out before and behind, along each axis."""

    value: Var
    before: tuple[int, ...]
    behind: tuple[int, ...]
    note: str
    span: Span | None
    met: Pairs


@dataclass(frozen=True)
class Sum:
    """A sum over a section of the array: of what lies `inside` it, the values that are computed on the way, from what it `needs`."""

    node: Node
    before: tuple[int, ...]
    behind: tuple[int, ...]
    inside: frozenset[Var]
    needs: frozenset[Var]
    met: Pairs


@dataclass(frozen=True)
class Stencil:
    """``out = array; out[section] += value`` for each of the terms, one after the other.

    `zeroed` is a section of the array that is zero before that, as (before, behind) along each axis: what an assignment undone leaves.
    """

    out: Var
    array: Var
    terms: tuple[Term, ...]
    inside: frozenset[Var] = frozenset()  # what stands between
    again: frozenset[Var] = frozenset()  # the values of terms that are computed where they are needed
    needs: frozenset[Var] = frozenset()  # what has to lie in memory
    met: Pairs = ()  # dimensions that must be equal although they have two names
    zeroed: tuple[tuple[int, int], ...] = ()
    sums: tuple[Sum, ...] = ()  # what is summed up in the same loops
    apart: bool = False  # whether the result is an array of its own, because the terms read the old one, or little of it is left

    def most(self, axis: int) -> tuple[int, int]:
        """How many elements at either end are not reached by all terms, or are not zero before."""
        margins = [(term.before[axis], term.behind[axis]) for term in self.terms] + [*self.zeroed[axis : axis + 1]]
        return max(before for before, _ in margins), max(behind for _, behind in margins)


def counted(block: Block) -> Counter[Var]:
    """How many statements of a block read each value; its results count as well."""
    counts = Counter(var for stmt in block.stmts for var in reads(stmt))
    counts.update(variables(block.results))
    return counts


def stencils(block: Block, counts: Mapping[Var, int], views: Nodes, nodes: Mapping[Var, Node]) -> dict[Var, Stencil]:
    """The chains of such sums in a block, by the result of the last; what stands between is read by nobody else."""
    found: dict[Var, Stencil] = {}
    for stmt in block.stmts:
        term = _term(stmt, views) if isinstance(stmt, Stage) else None
        if term is None:
            continue
        assert isinstance(stmt, Stage)
        array = stmt.args[0]
        assert isinstance(array, Var)
        before = found.pop(array, None) if counts[array] == 1 else None
        if before is None:
            before = Stencil(array, array, ())
        found[stmt.out] = Stencil(stmt.out, before.array, (*before.terms, term), before.inside | {array})
    shifted = {out: one for out, one in found.items() if any(any(t.before) or any(t.behind) for t in one.terms)}
    makers = {stmt.out: stmt for stmt in block.stmts if isinstance(stmt, Stage) and counts[stmt.out] == 1}
    whole = {out: one for out, old in shifted.items() if _whole(one := _with_zeroed(old, makers, views), views)}
    return {out: _with_needs(one, views, nodes) for out, one in whole.items()}


def _with_zeroed(stencil: Stencil, makers: Mapping[Var, Stage], views: Nodes) -> Stencil:
    """The stencil with the assignment of zeros to a section right before it, if there is one."""
    made = makers.get(stencil.array)
    if made is None or made.op != "store" or not isinstance(made.args[0], Var):
        return stencil
    parts = sections_of(made, made.args[1:-1], stencil.array.type.rank)
    margins = [part for part in parts or () if isinstance(part, tuple)]
    if not literal_is(views.ref(made.args[-1]).base, 0.0) or len(margins) < stencil.array.type.rank:
        return stencil
    return replace(stencil, array=made.args[0], inside=stencil.inside | {stencil.array}, zeroed=tuple(margins))


def _whole(stencil: Stencil, views: Nodes) -> bool:
    """Is the array that it adds to zero everywhere, or an array in memory with just these axes?"""
    seen = views.ref(stencil.array)
    return literal_is(seen.base, 0.0) or (isinstance(seen.base, Var) and seen.index == tuple(range(stencil.array.type.rank)))


def _with_needs(stencil: Stencil, views: Nodes, nodes: Mapping[Var, Node]) -> Stencil:
    again: set[Var] = set()
    base = views.ref(stencil.array).base
    needs = {base} if isinstance(base, Var) else set()
    met = [pair for term in stencil.terms for pair in term.met]
    for term in stencil.terms:
        cheap = chain(term.value, views, nodes)
        if cheap is not None:
            again.add(term.value)
            needs |= {ref.base for node in cheap for ref in node.refs if isinstance(ref.base, Var)} - {node.out for node in cheap}
            met += [pair for node in cheap for pair in node.met]
        else:
            value = views.ref(term.value).base
            needs |= {value} if isinstance(value, Var) else set()
    read = {ref.base for value in again for node in chain(value, views, nodes) or () for ref in node.refs}
    return replace(
        stencil,
        inside=stencil.inside - {stencil.array},
        again=frozenset(again),
        needs=frozenset(needs),
        met=tuple(dict.fromkeys(met)),
        apart=bool(stencil.zeroed) or base in read,
    )


def _term(stage: Stage, nodes: Nodes) -> Term | None:
    """What an `accumulate` adds to a section that is as far from the borders in every run; None for any other statement."""
    if stage.op != "accumulate":
        return None
    array, *indices, value = stage.args
    if not isinstance(value, Var) or not isinstance(array, Var) or value.type.rank != array.type.rank or value.type != array.type:
        return None
    dims, own, parts = nodes.dims(array), nodes.dims(value), sections_of(stage, indices, array.type.rank)
    if parts is None or not dims or not own or any(isinstance(dim, int) for dim in (*dims, *own)):
        return None
    margins = [part for part in parts if isinstance(part, tuple)]
    equal = nodes.dimensions.equal
    if len(margins) != len(parts):
        return None
    left = [cut(equal(dim), *margin) for dim, margin in zip(dims, margins, strict=True)]
    if any(equal(dim) != equal(size) for dim, size in zip(left, own, strict=True)):
        return None
    before, behind = zip(*margins, strict=True)
    met = tuple((dim, size) for dim, size in zip(left, own, strict=True) if dim != size)
    return Term(value, before, behind, stage.note, stage.span, met)


def chain(var: Var, views: Nodes, nodes: Mapping[Var, Node], most: int = CHEAP) -> list[Node] | None:
    """The nodes that compute an element of a value from what lies in memory; None where that is dear, or cannot be."""
    found: dict[Var, Node] = {}

    def visit(node: Node) -> bool:
        found[node.out] = node
        if node.reduces or node.stage.op not in ARITHMETIC or len(found) > most or node.place != tuple(range(len(node.axes))):
            return False
        for ref in node.refs:
            inner = nodes.get(ref.base) if isinstance(ref.base, Var) and ref.base.type.rank else None
            if inner is not None and not (_is_alike_or_shifted(ref, node) and visit(inner)):
                return False
        return True

    seen = views.ref(var)
    if not isinstance(seen.base, Var) or seen.base not in nodes or seen.index != tuple(range(len(seen.dims))):
        return None
    return list(found.values()) if visit(nodes[seen.base]) else None


def _is_alike_or_shifted(ref: Ref, node: Node) -> bool:
    """Does a node read of a value the element where it is itself, or one so many elements ahead?"""
    axes = tuple(entry.axis if isinstance(entry, Ahead) else entry for entry in ref.index)
    return axes == tuple(range(len(node.axes)))


class Writer:
    """Writes the loops of a stencil."""

    def __init__(self, fused: Fused, stencil: Stencil, nodes: Mapping[Var, Node]) -> None:
        self.fused, self.stencil, self.nodes = fused, stencil, nodes
        self.sizes = [fused.size(dim) for dim in fused.nodes.dims(stencil.array)]
        self.fills = False
        self.sums: list[tuple[Sum, Slot]] = []
        self.old: Atom | None = None

    def write(self) -> Atom:
        """Writes them; returns the array that they filled."""
        fused, type_ = self.fused, self.stencil.out.type
        base = fused.nodes.ref(self.stencil.array).base
        self.old = fused.current(base) if isinstance(base, Var) else None
        self.fills = self.old is None or self.stencil.apart  # each element is written once, to an array of its own
        start = fused.array(self.stencil.out.name, type_, self.sizes) if self.fills else self.old
        assert start is not None
        self.slot = fused.carried(start)
        self.sums = [(one, fused.carried(fused.start(one.node, 0.0))) for one in self.stencil.sums]
        with fused.guarded(self.stencil.met, self.stencil.terms[0].span):
            self.part((), ())
        for one, slot in self.sums:
            fused.slots.remove(slot)
            fused.now[one.node.out] = slot.now
        fused.slots.remove(self.slot)
        return self.slot.now

    def part(self, indices: tuple[Atom, ...], asked: tuple[bool, ...]) -> None:
        """What is left of the loops: along each axis the elements that all terms reach, and those near the borders."""
        axis = len(indices)
        if axis == len(self.sizes):
            self.element(indices, asked)
            return
        fused, size = self.fused, self.sizes[axis]
        before, behind = self.stencil.most(axis)
        edge = fused.emit("min", literal(before + behind), size, name="edge")
        behind_edge = fused.emit("sub", size, edge)

        def near(trip: Var) -> None:
            """The first of these trips stand at the front, the others at the back."""
            front = fused.emit("lt", trip, literal(before))
            moved = fused.emit("add", trip, behind_edge)
            index = fused.fresh.var(trip.name, INT)
            fused.out.append(If(front, Block((), (trip,)), Block((), (moved,)), (index,)))
            self.part((*indices, index), (*asked, True))

        if before + behind:
            fused.trips(axis, ZERO, edge, near)
        # Counted from 0, so that Numba sees of no index that is read that it could be negative.
        inner = fused.emit("sub", size, literal(before + behind)) if before + behind else size
        fused.trips(axis, ZERO, inner, lambda trip: self.part((*indices, fused.shifted(trip, before)), (*asked, False)))

    def element(self, indices: tuple[Atom, ...], asked: tuple[bool, ...]) -> None:
        fused = self.fused
        total: Atom | None = None
        for term in self.stencil.terms:
            value = self.guarded(term, indices, asked)
            if total is None:
                total = value
                continue
            out = fused.fresh.var("", replace(self.stencil.out.type, rank=0))
            fused.out.append(Stage(out, "add", (total, value), note=term.note))
            total = out
        assert total is not None
        old = self.kept(indices, asked) if self.fills else None
        if old is not None:
            total = fused.emit("add", old, total)
        for one, slot in self.sums:
            self.add(one, slot, indices, asked)
        fused.write("store" if self.fills else "accumulate", self.slot, indices, total, self.stencil.terms[0].note)
        assert isinstance(self.slot.now, Var)
        fused.sides[self.slot.now] = fused.sides[self.stencil.out]

    def add(self, one: Sum, slot: Slot, indices: tuple[Atom, ...], asked: tuple[bool, ...]) -> None:
        """Adds what belongs to an element to a sum, where the sum reaches it."""

        def value() -> Atom:
            places = tuple(self.fused.shifted(index, -before) for index, before in zip(indices, one.before, strict=True))
            return self.at(one.node.refs[0], places, True, {})

        test = self.reached(tuple(zip(one.before, one.behind, strict=True)), indices, asked)
        more = value() if test is None else self.either(test, value, lambda: self.zero)
        out = self.fused.fresh.var(one.node.out.name, slot.now.type)
        self.fused.out.append(Stage(out, "add", (slot.now, more), (ANY_ORDER,), note=one.node.stage.note))
        self.fused.sides[out] = self.fused.sides[one.node.out]
        slot.now = out

    def kept(self, indices: tuple[Atom, ...], asked: tuple[bool, ...]) -> Atom | None:
        """What the element was before; None where it was zero."""
        old = self.old
        if old is None:
            return None
        if not self.stencil.zeroed:
            return self.fused.load(old, indices)
        test = self.reached(self.stencil.zeroed, indices, asked)
        return None if test is None else self.either(test, lambda: self.zero, lambda: self.fused.load(old, indices))

    def guarded(self, term: Term, indices: tuple[Atom, ...], asked: tuple[bool, ...]) -> Atom:
        """A term's value at an element; near a border 0.0 where the section does not reach it."""
        test = self.reached(tuple(zip(term.before, term.behind, strict=True)), indices, asked)
        if test is None:
            return self.value(term, indices)
        return self.either(test, lambda: self.value(term, indices), lambda: self.zero)

    def reached(self, margins: tuple[tuple[int, int], ...], indices: tuple[Atom, ...], asked: tuple[bool, ...]) -> Atom | None:
        """Whether a section reaches an element, which need only be `asked` along some axes; None where it is known to."""
        fused, tests = self.fused, []
        for axis, (index, (before, behind)) in enumerate(zip(indices, margins, strict=True)):
            if asked[axis] and before:
                tests.append(fused.emit("ge", index, literal(before)))
            if asked[axis] and behind:
                last = fused.emit("sub", self.sizes[axis], literal(behind))
                tests.append(fused.emit("lt", index, last))
        if not tests:
            return None
        test = tests[0]
        for other in tests[1:]:
            test = fused.emit("and", test, other)
        return test

    @property
    def zero(self) -> Lit:
        return Lit(0.0, replace(self.stencil.out.type, rank=0))

    def either(self, test: Atom, yes: Callable[[], Atom], no: Callable[[], Atom]) -> Atom:
        """A branch, whose arms write what they need."""
        out = self.fused.fresh.var("", replace(self.stencil.out.type, rank=0))
        self.fused.out.append(If(test, self.arm(yes), self.arm(no), (out,)))
        return out

    def arm(self, value: Callable[[], Atom]) -> Block:
        fused = self.fused
        outer, fused.out = fused.out, []
        fused.loads.append({})
        result = value()
        fused.loads.pop()
        stmts, fused.out = fused.out, outer
        return fused.pruned(Block(tuple(stmts), (result,)))

    def value(self, term: Term, indices: tuple[Atom, ...]) -> Atom:
        """The element of a term's value that is added to this element of the array."""
        fused = self.fused
        places: list[Atom] = []
        for index, before in zip(indices, term.before, strict=True):
            places.append(fused.shifted(index, -before))
        return self.at(fused.nodes.ref(term.value), tuple(places), term.value in self.stencil.again, {})

    def at(self, ref: Ref, places: tuple[Atom, ...], again: bool, known: dict[tuple[Var, tuple[Atom, ...]], Atom]) -> Atom:
        """An element of an operand, computed anew where the value is in no array."""
        base = ref.base
        if not again or not isinstance(base, Var) or base not in self.nodes or not base.type.rank:
            return self.fused.element(ref, places, {})
        there = tuple(self.fused.entry(entry, places, {}) for entry in ref.index)
        if (base, there) not in known:
            node = self.nodes[base]
            args = tuple(self.at(inner, there, again, known) for inner in node.refs)
            out = self.fused.fresh.var("", replace(node.out.type, rank=0))
            self.fused.out.append(replace(node.stage, out=out, args=args, note=""))
            known[base, there] = out
        return known[base, there]


@dataclass(frozen=True)
class Filling:
    """``out = array; out[section] = value``, or ``+= value``, element by element; `index` says where, in terms of the axes."""

    stage: Stage
    axes: Shape
    index: tuple[Entry, ...]
    value: Ref
    met: Pairs

    @property
    def out(self) -> Var:
        return self.stage.out

    @property
    def needs(self) -> frozenset[Var]:
        """What has to lie in memory."""
        array = self.stage.args[0]
        fixed = (entry for entry in self.index if isinstance(entry, Var))
        read = (seen.base for seen in self.value.bases)
        return frozenset(atom for atom in (array, *fixed, *read) if isinstance(atom, Var))

    @property
    def node(self) -> Node:
        """The same as a node, for where nobody reads the old array: then it shares the loop in which the values are made."""
        return Node(self.stage, self.axes, (self.value,), tuple(range(len(self.axes))), self.met, self.index)

    def write(self, fused: Fused) -> Atom:
        """Writes the loops; returns the array that they filled."""
        slot = fused.carried(fused.current(self.stage.args[0]))

        def trips(indices: tuple[Var, ...]) -> None:
            if len(indices) < len(self.axes):
                size = fused.size(self.axes[len(indices)])
                fused.trips(len(indices), ZERO, size, lambda index: trips((*indices, index)))
                return
            value = fused.element(self.value, indices, {})
            place = tuple(fused.entry(entry, indices, {}) for entry in self.index)
            fused.write(self.stage.op, slot, place, value, self.stage.note)
            assert isinstance(slot.now, Var)
            fused.sides[slot.now] = fused.sides[self.out]

        with fused.guarded(self.met, self.stage.span):
            trips(())
        fused.slots.remove(slot)
        return slot.now


def filling(stage: Stage, nodes: Nodes) -> Filling | None:
    """A `store` to a section, or sums into a row, as loops, which Numba runs faster than its own; None where a shape is not known."""
    if stage.op not in ("store", "accumulate") or not isinstance(stage.args[0], Var):
        return None
    array, *indices, value = stage.args
    dims, parts = nodes.dims(array), sections_of(stage, indices, array.type.rank)
    if (
        parts is None
        or len(dims) != len(parts)
        or 1 in dims
        or (stage.op == "accumulate" and all(isinstance(part, tuple) for part in parts))
    ):
        return None
    axes: list[Dim] = []
    index: list[Entry] = []
    for dim, part in zip(dims, parts, strict=True):
        if not isinstance(part, tuple):
            index.append(part)
            continue
        index.append(Ahead(len(axes), part[0]) if part[0] else len(axes))
        axes.append(cut(nodes.dimensions.equal(dim), *part) if any(part) else dim)
    seen, equal = nodes.ref(value), nodes.dimensions.equal
    same = len(seen.dims) == len(axes) and all(equal(own) == equal(dim) for own, dim in zip(seen.dims, axes, strict=True))
    if not axes or not (same or not value.type.rank) or value.type.kind != array.type.kind:
        return None
    met = tuple((dim, own) for dim, own in zip(axes, seen.dims, strict=True) if dim != own) if same else ()
    return Filling(stage, tuple(axes), tuple(index), seen, met)


__all__ = ["Filling", "Stencil", "Sum", "Term", "Writer", "chain", "counted", "filling", "stencils"]
