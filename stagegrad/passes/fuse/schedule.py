"""When the items of a block run, and in which loops.

All stages whose first axis has the same dimension, and that need nothing that is only known after such a loop, share one loop over it;
inside it, the same question is asked again of what is left of them, one axis deeper. A stage that only a later loop reads is computed
in that loop, and one that is cheap in each loop that reads it, rather than put into an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from stagegrad.ir import Atom, For, Stage, Var, While
from stagegrad.passes.fuse.items import Item, binds_of, dims_in, reads_of
from stagegrad.passes.fuse.nodes import Counting, Node, Nodes, Ref
from stagegrad.passes.fuse.stencil import ARITHMETIC, Filling, Stencil
from stagegrad.shapes import Dim, left_of

if TYPE_CHECKING:
    from stagegrad.passes.fuse.nest import Fused

#: A time, and the dimension of the loop in which something runs then; None: in no loop.
Level: TypeAlias = "tuple[int, Dim | None]"
#: What costs at most so many operations is computed again where another loop needs it.
_CHEAP = 3


class Schedule:
    """The order of what is left of some items at one depth; `levels` has the level of each, by its identity."""

    def __init__(self, fused: Fused, items: Sequence[Item], depth: int) -> None:
        self.fused, self.depth = fused, depth
        self.overwritten: dict[Atom | Counting, int] = {}  # when arrays are written to, in whose place the new version may come
        self.levels = self.earliest(items)
        self.sink(items)
        self.items = self.computed_again(items)

    def times(self) -> Iterator[tuple[list[Item], list[list[Node]]]]:
        """What runs at each time: the items that run in no loop, then the loops with their nodes."""
        at: dict[int, list[Item]] = {}
        for item in self.items:
            at.setdefault(self.levels[id(item)][0], []).append(item)
        for time in range(max((level for level, _ in self.levels.values()), default=-1) + 1):
            now = at.get(time, [])
            dims = dict.fromkeys(self.levels[id(item)][1] for item in now)
            groups = (
                [item for item in now if isinstance(item, Node) and self.levels[id(item)][1] == dim] for dim in dims if dim is not None
            )
            yield [item for item in now if self.levels[id(item)][1] is None], list(groups)

    def earliest(self, items: Sequence[Item]) -> dict[int, Level]:
        """For each item the first time at which it can run, and the dimension of the loop that it runs in (None: in none)."""
        found: dict[int, Level] = {}
        makers: dict[Var, Node] = {}
        ready: dict[Atom | Counting, int] = {}
        read: dict[Atom | Counting, int] = {}  # when all that came before has read an array, and it may be written to
        for item in items:
            if not isinstance(item, Node) or len(item.axes) <= self.depth:
                written = written_by(item, self.fused.nodes)
                time = max((self.first_time(item, ready), *(read.get(array, 0) for array in written)))
                found[id(item)] = time, None
                ready.update(dict.fromkeys(binds_of(item), time))
                self.overwritten.update((array, min(time, self.overwritten.get(array, time))) for array in written)
                continue
            dim = item.axes[self.depth]
            time = max((self.provided(size, ready) for size in item.sizes), default=0)
            for ref in item.reads:
                maker = makers.get(ref.base) if isinstance(ref.base, Var) else None
                if maker is not None and maker.axes[self.depth] == dim and _in_step(maker, ref, self.depth) and self.is_next(maker, item):
                    time = max(time, found[id(maker)][0])
                else:
                    time = max(time, ready.get(ref.base, 0))
            makers[item.out] = item
            found[id(item)] = time, dim
            ready[item.out] = time + 1
            read.update((ref.base, max(time + 1, read.get(ref.base, 0))) for ref in item.reads)
        return found

    def is_next(self, maker: Node, reader: Node) -> bool:
        """May a reader share the maker's loop? What is written to an array may be read there by who writes next, if by nobody else."""
        return not maker.into or (bool(reader.into) and reader.stage.args[0] == maker.out and self.fused.counts[maker.out] == 1)

    def first_time(self, item: Item, ready: dict[Atom | Counting, int]) -> int:
        """When an item that runs in no loop at this depth has all that it reads."""
        if isinstance(item, Stage) and (dims := self.fused.sizes_of(item)) is not None:
            return max((*(self.provided(dim, ready) for dim in dims), *(ready.get(arg, 0) for arg in item.args[1:])), default=0)
        asked = self.asked_by(item) if isinstance(item, (Stencil, Filling)) else ()
        return max((*(ready.get(atom, 0) for atom in reads_of(item)), *(self.provided(dim, ready) for dim in asked)), default=0)

    def asked_by(self, item: Stencil | Filling) -> set[Dim]:
        """The dimensions that its loops have to know."""
        axes = item.axes if isinstance(item, Filling) else self.fused.nodes.dims(item.array)
        return {*axes, *dims_in(item.met)}

    def provided(self, dim: Dim, ready: dict[Atom | Counting, int]) -> int:
        """When a size is known."""
        if dim in self.fused.sizes or isinstance(dim, int):
            return 0
        if dim not in self.fused.known:
            return self.provided(left_of(dim)[0], ready)
        return ready.get(self.fused.known[dim][0], 0)

    def sink(self, items: Sequence[Item]) -> None:
        """Puts stages into the loop that reads them, rather than into the first that could run them and an array."""
        readers: dict[Atom | Counting, list[Item]] = {}
        for item in items:
            for base in reads_of(item):
                readers.setdefault(base, []).append(item)
        made = {item.out for item in items if isinstance(item, Node) and self.is_value(item)}
        for item in reversed(items):
            if not isinstance(item, Node) or self.levels[id(item)][1] is None or item.out not in made:
                continue
            own = readers.get(item.out, [])
            if not own or item.out in self.fused.wanted or not all(self.follows(reader, item) for reader in own):
                continue
            time, dim = self.levels[id(item)]
            later = min(self.levels[id(reader)][0] for reader in own)
            stuck = {
                ref.base for ref in item.reads for reader in readers[ref.base] if reader is not item and self.levels[id(reader)][0] < later
            } & made
            if later > time and len(stuck) <= 1 and self.still_there(item, later):
                self.levels[id(item)] = later, dim

    def still_there(self, node: Node, time: int) -> bool:
        """Are the arrays that it reads as they were, in the loops of this time?"""
        return all(self.overwritten.get(ref.base, time + 1) > time for ref in node.reads)

    def is_value(self, node: Node) -> bool:
        """Does a node make an element in each trip at this depth, which lies in no array yet?"""
        return self.depth in node.kept and node.out not in self.fused.memory and not node.into

    def follows(self, reader: Item, maker: Node) -> bool:
        """Does it read, in each trip of a loop over the same dimension, what the maker would make in that trip?"""
        if not isinstance(reader, Node) or self.levels[id(reader)][1] != self.levels[id(maker)][1]:
            return False
        return all(_in_step(maker, ref, self.depth) for ref in reader.reads if ref.base == maker.out)

    def computed_again(self, items: Sequence[Item]) -> list[Item]:
        """Cheap stages that another loop needs are put there once more, rather than into an array; those that nobody reads are gone."""
        makers = {item.out: item for item in items if isinstance(item, Node) and len(item.axes) > self.depth}
        found: list[Item] = []
        copies: dict[tuple[Var, Level], Node] = {}

        def again(node: Node, where: Level) -> Node:
            if (node.out, where) not in copies:
                refs = tuple(renewed(ref, node, where) for ref in node.refs)
                out = self.fused.fresh.like(node.out)
                self.fused.sides[out] = self.fused.sides[node.out]
                copy = replace(node, stage=replace(node.stage, out=out, note=""), refs=refs)
                copies[node.out, where] = copy
                self.levels[id(copy)] = where
                found.append(copy)
            return copies[node.out, where]

        def renewed(ref: Ref, reader: Node, where: Level) -> Ref:
            maker = self.elsewhere(ref, makers)
            # A loop over fewer elements than the maker's own is none of the maker's.
            if maker is None or self.levels[id(maker)] == where or maker.axes != reader.axes[: len(maker.axes)]:
                return ref
            return replace(ref, base=again(maker, where).out)

        for item in items:
            where = self.levels[id(item)]
            if isinstance(item, Node) and where[1] is not None:
                refs = list(item.refs)
                for k, ref in enumerate(refs):
                    maker = self.elsewhere(ref, makers)
                    if maker is not None and self.cost(maker, makers, where[0]) <= _CHEAP:
                        refs[k] = renewed(ref, item, where)
                if tuple(refs) != item.refs:
                    item = replace(item, refs=tuple(refs))
                    self.levels[id(item)] = where
                    makers[item.out] = item
            found.append(item)
        return self.live(found)

    def elsewhere(self, ref: Ref, makers: dict[Var, Node]) -> Node | None:
        """The node behind an operand that could be computed again, element by element, where the operand is read."""
        maker = makers.get(ref.base) if isinstance(ref.base, Var) else None
        if maker is None or not self.is_value(maker) or not _in_step_at_all(maker, ref):
            return None
        return maker

    def cost(self, node: Node, makers: dict[Var, Node], time: int, most: int = _CHEAP) -> int:
        """How many operations it takes to compute an element again from what lies in memory then; more than `most` are not counted.

        Where it cannot be computed again, it takes more than that too.
        """
        if node.reduces or node.stage.op not in ARITHMETIC or not self.still_there(node, time):
            return most + 1
        count = 1
        for ref in node.refs:
            maker = self.elsewhere(ref, makers) if count <= most else None
            if maker is not None:
                count += self.cost(maker, makers, time, most - count)
        return count

    def live(self, items: Sequence[Item]) -> list[Item]:
        """The items without nodes that nobody reads."""
        read: set[Atom | Counting] = set() if self.depth else set(self.fused.block.results)
        kept: list[Item] = []
        for item in reversed(items):
            kept_anyway = (read, self.fused.memory, self.fused.running)
            if isinstance(item, Node) and not any(item.out in where for where in kept_anyway):
                continue
            read |= reads_of(item)
            kept.append(item)
        return kept[::-1]


def delayed(items: Sequence[Item], nodes: Nodes, asked: Callable[[Item], Set[Atom]]) -> list[Item]:
    """The items with writes to arrays behind what still reads these as they were, where that does not need what is written.

    `asked` are the arrays whose sizes an item needs.
    """
    kept = list(items)
    bases = {id(item): {nodes.ref(atom).base if isinstance(atom, Var) else atom for atom in reads_of(item)} for item in items}
    needs = {id(item): bases[id(item)] | asked(item) for item in items}
    last_read = {base: k for k, item in enumerate(items) for base in bases[id(item)]}
    for k, item in enumerate(items):
        written = written_by(item, nodes)
        if not isinstance(item, (Filling, Stencil, Stage)) or all(last_read[base] <= k for base in written):
            continue
        place = next(k for k, other in enumerate(kept) if other is item)
        made: set[Atom | Counting] = set()  # by the write, and by what needs what it makes
        waiting: list[Item] = []
        ahead: list[Item] = []
        for end, other in enumerate(kept[place:], place + 1):
            if other is item or not made.isdisjoint(needs[id(other)]):
                made.update(binds_of(other))
                waiting.append(other)
                continue
            ahead.append(other)
            if not written.isdisjoint(bases[id(other)]):
                kept[place:end] = [*ahead, *waiting]
                place = end - len(waiting)
                ahead = []
    return kept


def written_by(item: Item, nodes: Nodes) -> set[Atom | Counting]:
    """The arrays that an item may write to in place: whoever reads them as they were has to come before, or a copy would be made."""
    match item:
        case Filling():
            arrays: Iterable[Atom] = item.stage.args[:1]
        case Stencil():
            arrays = () if item.apart else (item.array,)
        case Stage(op="store" | "accumulate"):
            arrays = item.args[:1]
        case For() | While():
            arrays = (carry.init for carry in item.carries if carry.var.type.rank)
        case _:
            arrays = ()
    return {base for array in arrays if isinstance(base := nodes.ref(array).base, Var)}


def _in_step(maker: Node, ref: Ref, depth: int) -> bool:
    """Does the reader need, in each trip along this axis, what the maker made in the same trip?"""
    return any(axis == depth and ref.index[k] == depth for k, axis in enumerate(maker.into or maker.place))


def _in_step_at_all(maker: Node, ref: Ref) -> bool:
    return all(axis == ref.index[k] for k, axis in enumerate(maker.place) if isinstance(axis, int))
