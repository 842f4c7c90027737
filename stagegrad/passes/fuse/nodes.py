"""What a stage is as a loop: the axes that it runs over, and which element of each operand one trip reads.

A *node* runs over ``axes``, one dimension each. An operand is a `Ref`: an array and, for each of its axes, the number of the node's
axis that walks along it, or a fixed index (0, where an axis of one element is repeated). A reduction writes to fewer axes than it
runs over. Stages that only look at an array in another way (an axis more, a transpose, a broadcast) are no nodes: they become part
of the `Ref` of whoever reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from stagegrad.ir import INT, Atom, Attr, Lit, Stage, Var
from stagegrad.ops import find
from stagegrad.shapes import Dim, Dimensions, Shape, shorter

ZERO = Lit(0, INT)

#: Reductions by what combines two elements, and where they begin; None: at the first element.
COMBINED: dict[str, tuple[str, float]] = {
    "sum": ("add", 0.0),
    "prod": ("mul", 1.0),
    "amax": ("maximum", float("-inf")),
    "amin": ("minimum", float("inf")),
}

#: Elementwise operations on ints that do the same in every trip of a loop as on a whole array.
_ON_INTS = frozenset({"add", "sub", "mul", "neg", "where", "maximum", "minimum", "abs", "position"})


class Counting:
    """Stands for an array that holds 0, 1, 2, …: its element is its index."""


COUNTING = Counting()


@dataclass(frozen=True)
class Ahead:
    """An index: so many elements ahead of where an axis walks."""

    axis: int
    by: int


Entry: TypeAlias = "int | Ahead | Atom | Ref"


@dataclass(frozen=True)
class Ref:
    """An array as its reader sees it.

    `dims` are the dimensions of the view, `index` is, for each axis of `base`, the axis of the view that walks along it, a fixed
    index, or the view whose element is the index. Where `base` is a number, the view repeats it.
    """

    base: Atom | Counting
    index: tuple[Entry, ...]
    dims: Shape

    def moved(self, where: dict[int, int], dims: Shape) -> Ref:
        """The view with its axes in other places; an axis that has none stands for its only element."""

        def entry(old: Entry) -> Entry:
            match old:
                case int():
                    return where.get(old, ZERO)
                case Ahead(axis, by):
                    return Ahead(where[axis], by) if axis in where else Lit(by, INT)
                case Ref():
                    return old.moved(where, dims)
                case _:
                    return old

        return Ref(self.base, tuple(map(entry, self.index)), dims)

    @property
    def bases(self) -> Iterator[Ref]:
        """The view itself, and those that say where it is read."""
        yield self
        for entry in self.index:
            if isinstance(entry, Ref):
                yield from entry.bases
            elif isinstance(entry, Var):
                yield Ref(entry, (), ())


@dataclass(frozen=True)
class Node:
    """A stage that runs over `axes`; ``place[k]`` is the axis that walks along axis k of the result, or a fixed index.

    `refs` are the operands in terms of the axes; `met` are pairs of dimensions that must be equal although they have two names. One that
    writes to a section of an array has the element's indices in `into`.
    """

    stage: Stage
    axes: Shape
    refs: tuple[Ref, ...]
    place: tuple[int | Atom, ...]
    met: tuple[tuple[Dim, Dim], ...] = ()
    into: tuple[Entry, ...] = ()

    @property
    def out(self) -> Var:
        return self.stage.out

    @property
    def reads(self) -> Iterator[Ref]:
        """The operands, what says where they are read, and the array that is written to."""
        written = Ref(self.stage.args[0], self.into, ()).bases if self.into else ()
        return (seen for seen in (*(seen for ref in self.refs for seen in ref.bases), *written))

    @property
    def sizes(self) -> set[Dim]:
        """The dimensions that it has to know."""
        return {*self.axes, *(dim for pair in self.met for dim in pair)}

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes that the result keeps, in its order."""
        return tuple(k for k in self.place if isinstance(k, int))

    @property
    def first_gone(self) -> int:
        """The outermost axis that a reduction runs along; the number of axes where there is none."""
        return min((k for k in range(len(self.axes)) if k not in self.kept), default=len(self.axes))

    @property
    def reduces(self) -> bool:
        return self.stage.op in COMBINED


@dataclass
class Nodes:
    """Finds nodes and views; `views` are the stages that are only a way to look at another array."""

    dimensions: Dimensions
    own: frozenset[Var] = frozenset()  # what would be views, and is an array: rows beside those that are written to, copies to write to
    views: dict[Var, Ref] = field(default_factory=dict)
    met: set[tuple[Dim, Dim]] = field(default_factory=set)  # what some node of the block finds to be equal, or raises

    def dims(self, var: Atom) -> Shape:
        return self.dimensions.of[var] if isinstance(var, Var) and var in self.dimensions.of else ()

    def ref(self, atom: Atom) -> Ref:
        """How an operand is read: through its views to the array behind them."""
        if isinstance(atom, Var) and atom in self.views:
            return self.views[atom]
        dims = self.dims(atom)
        return Ref(atom, tuple(range(len(dims))), dims)

    def same(self, first: Dim, second: Dim) -> bool:
        return first == second or self.dimensions.equal(first) == self.dimensions.equal(second)

    # ------------------------------------------------------------------------------------------ views

    def view(self, stage: Stage) -> bool:
        """Is the stage a view? Then it is one from now on."""
        if not stage.out.type.rank or stage.out not in self.dimensions.of:
            return False
        found = self._view(stage)
        if found is None:
            return False
        self.views[stage.out] = found
        return True

    def _view(self, stage: Stage) -> Ref | None:
        attrs, dims = dict(stage.attrs), self.dims(stage.out)
        seen = self.ref(stage.args[0])
        rank = len(seen.dims)
        match stage.op:
            case "copy" | "duplicate" if (
                stage.out not in self.own
            ):  # in the IR both are values; `emit` puts copies where writes would be seen
                return seen
            case "arange" if stage.args[0] == ZERO and stage.args[2] == Lit(1, INT):
                return Ref(COUNTING, (0,), dims)
            case "expand_dims":
                axis = attrs["axis"]
                assert isinstance(axis, int)
                return seen.moved({k: k + (k >= axis) for k in range(rank)}, dims)
            case "squeeze" if isinstance(attrs["axis"], int) and seen.dims[attrs["axis"]] == 1:
                axis = attrs["axis"]
                return seen.moved({k: k - (k > axis) for k in range(rank) if k != axis}, dims)
            case "transpose" if isinstance(attrs.get("axes"), tuple):
                order = attrs["axes"]
                assert isinstance(order, tuple)
                return seen.moved({k: order.index(k) for k in range(rank)}, dims)
            case "transpose":
                return seen.moved({k: rank - 1 - k for k in range(rank)}, dims)
            case "broadcast_like":
                return self._wide(seen, dims)
            case "unbroadcast" if len(dims) == rank and all(map(self._alike, seen.dims, dims)):
                return replace(seen, dims=dims)
            case "load" if not attrs.get("gather") and stage.out not in self.own:
                return self._cut(stage, seen, dims)
            case "full_like":
                return Ref(stage.args[1], (), dims)
            case "zeros_like" | "ones_like":
                return Ref(Lit(float(stage.op == "ones_like"), replace(stage.out.type, rank=0)), (), dims)
        return None

    def _cut(self, stage: Stage, seen: Ref, dims: Shape) -> Ref | None:
        """A section: an element, or what is left of an axis without so many elements before and behind; ``x[1:, k]``."""
        parts = sections_of(stage, stage.args[1:], len(seen.dims))
        if parts is None or 1 in (*dims, *seen.dims) or any(isinstance(old, Ref) for old in seen.index):
            return None
        left = [(k, part) for k, part in enumerate(parts) if isinstance(part, tuple)]
        equal = self.dimensions.equal
        if len(left) != len(dims) or any(equal(cut(seen.dims[k], *part)) != equal(dim) for (k, part), dim in zip(left, dims, strict=True)):
            return None
        walked = {k: Ahead(axis, part[0]) for axis, (k, part) in enumerate(left)}

        def entry(old: Entry) -> Entry | None:
            axis, by = (old.axis, old.by) if isinstance(old, Ahead) else (old, 0)
            if not isinstance(axis, int):
                return axis
            part = parts[axis]
            if axis not in walked:
                return None if by or isinstance(part, tuple) else part
            moved = walked[axis]
            return Ahead(moved.axis, by + moved.by) if by + moved.by else moved.axis

        index = tuple(map(entry, seen.index))
        return None if None in index else Ref(seen.base, tuple(old for old in index if old is not None), dims)

    def _alike(self, first: Dim, second: Dim) -> bool:
        """Certainly the same, without a look: two names of one dimension must be asked for first."""
        return first == second

    def _wide(self, seen: Ref, dims: Shape) -> Ref | None:
        """A view repeated to these dimensions; None where it is not known that it can be."""
        more = len(dims) - len(seen.dims)
        pairs = list(zip(seen.dims, dims[more:], strict=True))
        if any(own not in (1, wide) for own, wide in pairs):
            return None
        return seen.moved({k: k + more for k, (own, wide) in enumerate(pairs) if own == wide}, dims)

    # ------------------------------------------------------------------------------------------ nodes

    def joined(self, node: Node, place: Callable[[Dim], int]) -> Node:
        """The node with one name for each dimension, where the block finds that several mean the same: the one that is known first."""
        several: dict[Dim, list[Dim]] = {}
        for dim in {dim for pair in self.met for dim in pair}:
            several.setdefault(self.dimensions.equal(dim), []).append(dim)
        names = {dim: min(alike, key=lambda name: (place(name), str(name))) for alike in several.values() for dim in alike}
        axes = tuple(names.get(dim, dim) for dim in node.axes)
        if axes == node.axes:
            return node
        asked = tuple((new, old) for new, old in zip(axes, node.axes, strict=True) if new != old)
        return replace(node, axes=axes, met=(*node.met, *asked))

    def node(self, stage: Stage) -> Node | None:
        """The stage as a node; None for one that is none."""
        if not any(arg.type.rank for arg in stage.args):
            return None
        if stage.op == "unbroadcast":
            return self._alike_after_all(stage)
        op = find(stage.op)
        if op.kind in ("elementwise", "flat"):
            return self._map(stage) if _same_in_loops(stage) else None
        if stage.op == "outer":
            return self._outer(stage)
        if stage.op == "load" and dict(stage.attrs).get("within"):
            return self._picked(stage)
        if stage.op in COMBINED and stage.out.type.kind == "float" and stage.args[0].type.kind == "float":
            return self._reduction(stage)
        return None

    def _map(self, stage: Stage) -> Node | None:
        if stage.out not in self.dimensions.of:
            return None
        dims = self.dims(stage.out)
        number = _numbers(dims)  # axes of one element are none
        axes = tuple(dim for dim in dims if dim != 1)
        refs: list[Ref] = []
        met: list[tuple[Dim, Dim]] = []
        if stage.op == "position" and self.ref(stage.args[0]).base is COUNTING:
            return None
        for arg in stage.args:
            seen = self.ref(arg)
            more = len(dims) - len(seen.dims)
            where: dict[int, int] = {}
            for k, own in enumerate(seen.dims):
                wide = dims[k + more]
                if own == 1:
                    continue
                if wide == 1 or not self.same(own, wide):
                    return None
                where[k] = number[k + more]
                if own != wide:
                    met.append((own, wide))
            refs.append(seen.moved(where, axes))
        place = tuple(number.get(k, ZERO) for k in range(len(dims)))
        return Node(stage, axes, tuple(refs), place, tuple(met))

    def _alike_after_all(self, stage: Stage) -> Node | None:
        """What is summed over no axis, if all of them are as long as they are taken to be."""
        seen, dims = self.ref(stage.args[0]), self.dims(stage.out)
        if len(seen.dims) != len(dims) or 1 in (*dims, *seen.dims) or not all(map(self.same, seen.dims, dims)):
            return None
        met = tuple((own, dim) for own, dim in zip(seen.dims, dims, strict=True) if own != dim)
        return Node(replace(stage, op="copy", args=stage.args[:1]), dims, (replace(seen, dims=dims),), tuple(range(len(dims))), met)

    def _outer(self, stage: Stage) -> Node | None:
        """Products of all pairs: a product over the axes of both."""
        seen = [self.ref(arg) for arg in stage.args]
        if any(len(ref.dims) != 1 or ref.dims[0] == 1 for ref in seen):
            return None
        axes = (seen[0].dims[0], seen[1].dims[0])
        refs = (seen[0].moved({0: 0}, axes), seen[1].moved({0: 1}, axes))
        return Node(replace(stage, op="mul"), axes, refs, (0, 1))

    def _picked(self, stage: Stage) -> Node | None:
        """What is read where index arrays say; None where one of them is too long for the axis that it counts along."""
        array, *indices = stage.args
        seen, dims = self.ref(array), self.dims(stage.out)
        if stage.out not in self.dimensions.of or any(dim == 1 for dim in (*dims, *seen.dims)):
            return None
        met: list[tuple[Dim, Dim]] = []
        where: dict[int, int | Atom | Ref] = {k: 1 + k - len(indices) for k in range(len(indices), len(seen.dims))}
        for k, index in enumerate(indices):
            place = self.ref(index)
            own = place.dims[0]
            if own != dims[0]:
                if not self._meets(own, dims[0]):
                    return None
                met.append((own, dims[0]))
            if place.base is COUNTING:
                if own != seen.dims[k]:
                    if not self._meets(own, seen.dims[k]):
                        return None
                    met.append((own, seen.dims[k]))
                where[k] = 0
            else:
                where[k] = place.moved({0: 0}, dims)
        index_of = tuple(where[k] if isinstance(k, int) else k for k in seen.index)
        return Node(stage, dims, (Ref(seen.base, index_of, dims),), tuple(range(len(dims))), tuple(met))

    def _meets(self, first: Dim, second: Dim) -> bool:
        """Does another node of the block find these to be equal, or raise?"""
        equal = self.dimensions.equal
        return any({equal(first), equal(second)} == {equal(a)} for a, _ in self.met)

    def _reduction(self, stage: Stage) -> Node | None:
        attrs = dict(stage.attrs)
        seen = self.ref(stage.args[0])
        number = _numbers(seen.dims)
        axes = tuple(dim for dim in seen.dims if dim != 1)
        rank = len(seen.dims)
        gone = axes_along(attrs.get("axis"), rank)
        if not fits_a_loop(seen.dims, gone):
            return None
        place: list[int | Atom] = []
        for k in range(rank):
            if k not in gone:
                place.append(number.get(k, ZERO))
            elif attrs.get("keepdims"):
                place.append(ZERO)
        return Node(stage, axes, (seen.moved(number, axes),), tuple(place))


_SLICE = re.compile(r"(\d*):(-\d+)?")
_ELEMENT = re.compile(r"\{(\d)\}")


def sections_of(stage: Stage, indices: Sequence[Atom], rank: int) -> tuple[tuple[int, int] | Atom, ...] | None:
    """What a subscript takes of each axis: all but so many elements before and behind, or the element at an index.

    None where an axis is cut in another way, or is new.
    """
    if dict(stage.attrs).get("gather") or any(index.type.rank for index in indices):
        return None
    at = str(dict(stage.attrs).get("at", "[{0}]"))
    if not (at.startswith("[") and at.endswith("]")) or "][" in at:
        return None
    found: list[tuple[int, int] | Atom] = []
    for part in at[1:-1].split(", "):
        if element := _ELEMENT.fullmatch(part):
            found.append(indices[int(element[1])])
            continue
        match = _SLICE.fullmatch(part.format(*(str(index.value) if isinstance(index, Lit) else "?" for index in indices)))
        if match is None:
            return None
        found.append((int(match[1] or 0), -int(match[2] or 0)))
    if len(found) > rank:
        return None
    return (*found, *((0, 0) for _ in range(rank - len(found))))


def cut(dim: Dim, before: int, behind: int) -> Dim:
    """The name of the dimension that is left of one (`Dimensions.cut`)."""
    return shorter(dim, before + behind)


def axes_along(axis: Attr, rank: int) -> set[int]:
    """The axes that a reduction runs along."""
    along = range(rank) if axis is None else (axis,) if isinstance(axis, int) else axis
    assert isinstance(along, (range, tuple))
    return {k % rank for k in along if isinstance(k, int)}


def fits_a_loop(dims: Shape, gone: set[int]) -> bool:
    """Can a sum along these axes run in loops? Not along one in the middle: it would begin anew in each trip around it."""
    longer = [k for k, dim in enumerate(dims) if dim != 1]
    first = min((place for place, k in enumerate(longer) if k in gone), default=0)
    return first == 0 or all(k in gone for k in longer[first:])


def _numbers(dims: Shape) -> dict[int, int]:
    """The axes that have more than one element, numbered."""
    longer = [k for k, dim in enumerate(dims) if dim != 1]
    return {k: number for number, k in enumerate(longer)}


def _same_in_loops(stage: Stage) -> bool:
    kind = stage.out.type.kind
    return kind != "int" or stage.op in _ON_INTS
