"""Writes the loops of a block, which `schedule` puts in order, one depth after the other.

What is computed and read in the same trip is a number. What is read in another loop lies in an array: one for all trips, made before
the nest. A reduction is carried by the loop that it runs along.

    max_i = -inf                       what softmax comes to: three loops over a row, while it is in the cache
    for j in range(m): ...
    for j in range(m): ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from stagegrad.ir import (
    FLOAT,
    INT,
    Atom,
    Attr,
    Block,
    Carry,
    For,
    Lit,
    Raise,
    Remark,
    Span,
    Stage,
    Stmt,
    Type,
    Var,
    read,
    substitute,
    variables,
)  # fmt: skip
from stagegrad.ops import ANY_ORDER, find
from stagegrad.passes.fuse.guests import hosts
from stagegrad.passes.fuse.items import SIZES, Item, binds_of, reads_of
from stagegrad.passes.fuse.nodes import COMBINED, ZERO, Ahead, Counting, Entry, Node, Ref
from stagegrad.passes.fuse.order import TITLES, Order, reads
from stagegrad.passes.fuse.places import Frame, Memory, Slot
from stagegrad.passes.fuse.schedule import Schedule, delayed
from stagegrad.passes.fuse.sizes import Known, Sizes
from stagegrad.passes.fuse.stencil import Filling, Stencil, Writer, counted
from stagegrad.shapes import Dim, left_of

if TYPE_CHECKING:
    from stagegrad.passes.fuse.blocks import Fuser

#: Names of loop indices, outermost first.
_LETTERS = "ijklm"
#: Words for sizes.
SIZE_WORDS = ("n", "m", "l", "n2", "m2", "l2")
#: What compiled code says where it finds sizes to differ; Python then says it better, unless it repeats an array of one element.
UNEQUAL = "operands could not be broadcast together"


class Fused:
    """One block on its way into loops."""

    def __init__(self, fuser: Fuser, block: Block, made: dict[Var, Node], known: Sizes, order: Known) -> None:
        self.nodes, self.fresh, self.words, self.handed = fuser.nodes, fuser.fresh, fuser.words, fuser.handed
        self.block, self.made, self.known, self.order, self.counts = block, made, known, order, counted(block)
        self.top: list[Stmt] = []
        self.out = self.top
        self.slots: list[Slot] = []
        self.frames: list[Frame] = []
        self.memory: dict[Var, Memory] = {}
        self.now: dict[Var, Atom] = {}  # what stands for a value from now on
        self.sizes: dict[Dim, Atom] = {}
        self.asked: dict[frozenset[Dim], Stmt] = {}  # the pairs of dimensions that were compared, and what raises if they differ
        self.sides: dict[Var, int] = {}  # whether the forward (0) or the backward pass (1) computes it
        self.virtual: set[Var] = set()  # what nodes make, which may never be an array
        self.guards: dict[int, list[Stmt]] = {}  # what has to be asked before a loop
        self.wanted: set[Var] = set()  # what is needed as an array, outside of all loops
        self.running: dict[Var, Slot] = {}  # the reductions that come to one number
        self.offsets: dict[Atom, tuple[Atom, int]] = {}  # indices that are other indices and so many elements
        self.loads: list[dict[tuple[Atom, ...], Atom]] = [{}]

    def run(self, items: Sequence[Item]) -> Block:
        items = delayed(self.demanded(self.untitled(items)), self.nodes, self.asked_for_sizes)
        self.wanted = set(variables(self.block.results)).union(*(self.reading(item) for item in items if not isinstance(item, Node)))
        self.scope(items, (), {})
        stmts = Order(self.sides, self.guards).arranged(self.top)
        return Block(stmts, tuple(self.current(atom) for atom in self.block.results))

    def untitled(self, items: Sequence[Item]) -> list[Item]:
        """Without the titles of the passes; what each item computes is known from now on to be of one or the other."""
        side = 0
        found: list[Item] = []
        for item in items:
            if isinstance(item, Remark):
                side = int(item.text == TITLES[1])
                continue
            self.sides.update(dict.fromkeys(binds_of(item), side))
            self.virtual |= {item.out} if isinstance(item, Node) and not item.into else set()
            found.append(item)
        return found

    def demanded(self, items: Sequence[Item]) -> list[Item]:
        """Without the views that nobody needs as an array, and with the sizes that others ask for as numbers."""
        kept: list[Item] = []
        needed = set(variables(self.block.results))
        for item in reversed(items):
            if isinstance(item, Node):
                kept.append(item)
                continue
            if isinstance(item, Stage) and item.out in self.nodes.views and item.out not in needed:
                continue
            kept.append(item)
            if not (isinstance(item, Stage) and self.sizes_of(item) is not None):
                needed |= set(item.needs) if isinstance(item, (Stencil, Filling)) else reads(item)
        return kept[::-1]

    def sizes_of(self, stage: Stage) -> tuple[Dim, ...] | None:
        """The dimensions that a stage needs of an array that is none in memory; None where it reads an array, or needs none."""
        if stage.args[0] not in self.nodes.views and stage.args[0] not in self.virtual:
            return None  # an array in memory, which can be asked itself
        if stage.op in SIZES:
            dims, axis = self.nodes.dims(stage.args[0]), dict(stage.attrs).get("axis")
            if stage.op == "size":
                dims = dims[:1]
            elif axis is not None and dims:
                dims = tuple(dims[k] for k in (axis if isinstance(axis, tuple) else (axis,)) if isinstance(k, int))
        elif stage.op in ("zeros_like", "ones_like", "full_like"):
            dims = self.nodes.dims(stage.out)
        else:
            return None
        return dims if dims and self.order.knows(dims, stage.out) else None

    def scope(self, items: Sequence[Item], indices: tuple[Atom, ...], values: dict[Var, Atom]) -> None:
        """Writes what is left of these at one depth: numbers as they are, the rest in loops."""
        plan = Schedule(self, items, len(indices))
        guests = hosts(plan)
        readers = Counter(base for item in plan.items for base in (reads_of(item) if isinstance(item, Node) else self.reading(item)))
        for singles, groups in plan.times():
            for item in singles:
                self.single(item, indices, values)
            for group in groups:
                own = Counter(base for node in group for base in reads_of(node))
                self.invite(group, guests)
                self.loop(group, {node.out for node in group if readers[node.out] > own[node.out]}, indices, values)

    # ------------------------------------------------------------------------------------------ statements

    def single(self, item: Item, indices: tuple[Atom, ...], values: dict[Var, Atom]) -> None:
        """Something that runs in no loop of its own."""
        if isinstance(item, Node):
            self.compute(item, indices, values)
        elif isinstance(item, Filling):
            self.now[item.out] = item.write(self)
        elif isinstance(item, Stencil):
            self.now[item.out] = Writer(self, item, self.made).write()
        elif isinstance(item, Stage) and (dims := self.sizes_of(item)) is not None:
            self.sized(item, dims)
        else:
            self.out += substitute(Block((item,)), self.now).stmts

    def asked_for_sizes(self, item: Item) -> set[Atom]:
        """The arrays that are asked for the sizes which the loops of an item have to know."""
        dims = item.sizes if isinstance(item, Node) else item.axes if isinstance(item, Filling) else ()
        found = (self.known.get(dim) or self.known.get(left_of(dim)[0]) for dim in dims if not isinstance(dim, int))
        return {one[0] for one in found if one is not None}

    def sized(self, stage: Stage, dims: tuple[Dim, ...]) -> None:
        """A stage that asks for sizes, in terms of arrays that there are."""
        sizes = [self.size(dim) for dim in dims]
        if stage.op in SIZES:
            total = sizes[0]
            for size in sizes[1:]:
                total = self.emit("mul", total, size)
            less = dict(stage.attrs).get("less", 0)
            if less:
                assert isinstance(less, int)
                total = self.emit("sub", total, Lit(less, INT))
            self.now[stage.out] = total
            return
        value: Atom = self.current(stage.args[1]) if stage.op == "full_like" else Lit(float(stage.op == "ones_like"), Type("float"))
        attrs: dict[str, Attr] = {"kind": stage.out.type.kind, "bits": stage.out.type.bits}
        op, args = ("zeros_of", sizes) if stage.op == "zeros_like" else ("full_of", [value, *sizes])
        self.out.append(replace(stage, op=op, args=tuple(args), attrs=tuple(attrs.items())))

    def size(self, dim: Dim) -> Atom:
        """The number of elements along a dimension."""
        if isinstance(dim, int):
            return Lit(dim, INT)
        if dim not in self.sizes and dim not in self.known:
            whole, less = left_of(dim)
            before, self.out = self.out, self.top
            left = self.emit("sub", self.size(whole), Lit(less, INT))
            self.sizes[dim] = self.emit("max", left, ZERO, name=self.size_word)
            self.out = before
        if dim not in self.sizes:
            var, axis = self.known[dim]
            out = self.fresh.var(self.size_word, INT)
            array = self.current(var)
            self.top.append(Stage(out, "extent", (array,), (("axis", axis),)))
            self.sizes[dim] = out
        return self.sizes[dim]

    @property
    def size_word(self) -> str:
        """A word for the next size."""
        return self.words[len(self.sizes) % len(self.words)]

    def current(self, atom: Atom) -> Atom:
        """What stands for a value outside of loops."""
        return self.now.get(atom, atom) if isinstance(atom, Var) else atom

    def emit(self, op: str, *args: Atom, name: str = "") -> Var:
        """Writes a stage, and returns its result."""
        out = self.fresh.var(name, find(op).type_of([arg.type for arg in args], {}))
        self.out.append(Stage(out, op, args))
        return out

    # ------------------------------------------------------------------------------------------ loops

    def loop(self, group: Sequence[Node], outside: Set[Var], indices: tuple[Atom, ...], values: dict[Var, Atom]) -> None:
        """One loop, over the axis at this depth, for all nodes of a group; what they make of `outside` is read beside it too."""
        depth = len(indices)
        guards = [guard for node in group for guard in self.ask(node)] if not depth else []
        stop = self.size(group[0].axes[depth])
        self.make_room(group, outside if depth else outside | {*variables(self.block.results)}, depth)
        running = self.begin(group, indices)
        self.trips(depth, ZERO, stop, lambda index: self.scope(group, (*indices, index), dict(values)))
        if guards:
            self.guards[id(self.out[-1])] = guards
        for node, slot in running:
            self.slots.remove(slot)
            self.put(node, slot.now, indices, values)
        if not depth:
            self.slots.clear()
            self.now.update((node.out, self.memory[node.out].slot.now) for node in group if node.out in self.memory)

    def invite(self, group: Sequence[Node], guests: Mapping[Var, Var]) -> None:
        """Lets the elements of some nodes of a group lie where those of another will be."""
        for node in group:
            if node.out in guests:
                host = guests[node.out]
                self.memory[node.out] = replace(self.memory[host], note=f"{node.out.name} is kept where {host.name} will be")

    def trips(self, depth: int, start: Atom, stop: Atom, write: Callable[[Var], None]) -> None:
        """A loop, whose body `write` writes for its index; it carries what that changes."""
        index = self.fresh.var(_LETTERS[depth], INT)
        frame = Frame()
        for slot in self.slots:
            inside = self.fresh.like(slot.now) if isinstance(slot.now, Var) else self.fresh.var("", slot.now.type)
            frame.carried.append((slot, slot.now, inside))
            slot.now = inside
        self.frames.append(frame)
        before, self.out = self.out, []
        self.loads.append({})
        write(index)
        self.loads.pop()
        body, self.out = self.out, before
        self.frames.pop()
        self.close(frame, index, start, stop, body)

    def close(self, frame: Frame, index: Var, start: Atom, stop: Atom, body: list[Stmt]) -> None:
        """The loop as a statement; what it was ready to carry and did not change, it does not carry."""
        carries, results, same = [], [], {}
        for slot, init, inside in frame.carried:
            if slot.now == inside:
                same[inside] = init
                slot.now = init
                continue
            out = self.fresh.like(inside)
            carries.append(Carry(inside, init, out))
            results.append(slot.now)
            slot.now = out
        stmts = Order(self.sides, {}).sorted(body)
        block = self.pruned(substitute(Block(stmts, tuple(results)), same))
        self.out.append(For(index, start, stop, Lit(1, INT), tuple(carries), block))

    def pruned(self, block: Block) -> Block:
        """Without indices that nobody reads."""
        needed = read(block)
        unread = [s for s in block.stmts if isinstance(s, Stage) and s.out in self.offsets and s.out not in needed]
        return replace(block, stmts=tuple(stmt for stmt in block.stmts if stmt not in unread)) if unread else block

    def make_room(self, group: Sequence[Node], outside: Set[Var], depth: int) -> None:
        """An array for each value of a group that is read outside of its loop."""
        for node in group:
            if node.into and not depth:
                before = self.memory.get(node.stage.args[0]) if isinstance(node.stage.args[0], Var) else None
                slot = before.slot if before is not None and before.slot in self.slots else self.carried(self.current(node.stage.args[0]))
                self.memory[node.out] = Memory(slot, tuple(range(node.out.type.rank)))
            makes_its_own = node.reduces and node.first_gone == depth
            if node.out not in outside or node.out in self.memory or makes_its_own:
                continue
            old = self.replaced(node) if not depth else None
            if old is not None:
                slot = self.carried(self.current(old))
                self.memory[old] = self.memory[node.out] = Memory(slot, tuple(range(node.out.type.rank)), in_place=True)
            elif depth in node.kept or (not depth and node.out.type.rank):
                self.room(node, depth)

    def replaced(self, node: Node) -> Var | None:
        """The array that a loop around the block carries, if a node makes the next one of it, and nobody else reads it.

        ``dw = dw + g`` then adds to what is there, rather than to write a new matrix in each trip.
        """
        before = self.handed.get(node.out)
        own = [ref for ref in node.refs if ref.base == before]
        once = before is not None and self.counts[before] == self.counts[node.out] == 1 and before not in self.nodes.views
        if before is None or not once or len(own) != 1 or before.type != node.out.type or node.reduces or node.into:
            return None
        return before if own[0].index == node.place == tuple(range(len(node.axes))) else None

    def reading(self, item: Stencil | Filling | Stmt) -> set[Var]:
        """The values that an item needs as arrays."""
        if isinstance(item, (Stencil, Filling)):
            return set(item.needs)
        return set() if isinstance(item, Stage) and item.op in SIZES and self.sizes_of(item) is not None else reads(item)

    def room(self, node: Node, depth: int, op: str = "empty_of", value: Atom | None = None) -> Memory:
        """An array for what a node makes from this depth on, made before the nest and carried through the loops that are open."""
        axes = tuple(k for k, axis in enumerate(node.place) if not depth or (isinstance(axis, int) and axis >= depth))
        sizes = [self.size(node.axes[axis]) if isinstance(axis, int) else Lit(1, INT) for axis in (node.place[k] for k in axes)]
        type_ = Type(node.out.type.kind, len(axes), node.out.type.bits)
        made = self.array(node.out.name, type_, sizes, op, value)
        slot = Slot(made)
        for frame in self.frames:
            inside = self.fresh.like(made)
            frame.carried.append((slot, slot.now, inside))
            slot.now = inside
        self.slots.append(slot)
        self.memory[node.out] = Memory(slot, axes)
        return self.memory[node.out]

    def array(self, name: str, type_: Type, sizes: Sequence[Atom], op: str = "empty_of", value: Atom | None = None) -> Var:
        """A new array, made before the nest."""
        made = self.fresh.var(name, type_)
        args = (*sizes,) if value is None else (value, *sizes)
        self.top.append(Stage(made, op, args, (("kind", type_.kind), ("bits", type_.bits))))
        return made

    def carried(self, start: Atom) -> Slot:
        """Something that the loops from now on carry."""
        slot = Slot(start)
        self.slots.append(slot)
        return slot

    def begin(self, group: Sequence[Node], indices: tuple[Atom, ...]) -> list[tuple[Node, Slot]]:
        """Where the reductions along this axis begin; returns those that come to one number."""
        depth = len(indices)
        running = []
        for node in group:
            if not node.reduces or node.first_gone != depth:
                continue
            _, neutral = COMBINED[node.stage.op]
            if any(axis > depth for axis in node.kept):
                if neutral:
                    self.room(node, depth, "full_of", Lit(neutral, Type("float")))
                else:
                    self.room(node, depth, "zeros_of")
                continue
            slot = Slot(self.start(node, neutral))
            self.slots.append(slot)
            self.running[node.out] = slot
            running.append((node, slot))
        return running

    def start(self, node: Node, neutral: float) -> Atom:
        type_ = replace(node.out.type, rank=0)
        start = Lit(neutral, Type("float"))
        out = self.fresh.var(node.out.name, type_)
        self.out.append(Stage(out, "cast" if type_.bits == 32 else "copy", (start,), (("bits", 32),) if type_.bits == 32 else ()))
        return out

    def ask(self, node: Node) -> list[Stmt]:
        """Raises where dimensions differ that the stage itself would have found to differ; returns what raises."""
        guards = self.compare(node.met, node.stage.span)
        if node.stage.op in ("amax", "amin") and not dict(node.stage.attrs).get("initial"):
            guards += self.ask_for_one(node)
        return guards

    def compare(self, met: Iterable[tuple[Dim, Dim]], span: Span | None) -> list[Stmt]:
        """Raises where the dimensions of a pair differ; returns what raises."""
        guards = []
        for pair in met:
            if frozenset(pair) not in self.asked:
                test = self.emit("ne", self.size(pair[0]), self.size(pair[1]))
                self.asked[frozenset(pair)] = Raise(test, "ValueError", (UNEQUAL,), span=span)
                self.out.append(self.asked[frozenset(pair)])
            guards.append(self.asked[frozenset(pair)])
        return guards

    @contextmanager
    def guarded(self, met: Iterable[tuple[Dim, Dim]], span: Span | None) -> Iterator[None]:
        """While this lasts, loops are written that rely on pairs of dimensions to be equal: that is asked before each of them."""
        guards = self.compare(met, span)
        before = len(self.top)
        yield
        self.guards.update((id(stmt), guards) for stmt in self.top[before:] if isinstance(stmt, For))

    def ask_for_one(self, node: Node) -> list[Stmt]:
        """The largest of no elements is an error, as it is in NumPy, even where none has to be found."""
        guards: list[Stmt] = []
        for k, dim in enumerate(node.axes):
            if k not in node.kept:
                test = self.emit("eq", self.size(dim), ZERO)
                guards.append(Raise(test, "ValueError", ("zero-size array to reduction operation has no identity",), span=node.stage.span))
                self.out.append(guards[-1])
        return guards

    # ------------------------------------------------------------------------------------------ elements

    def compute(self, node: Node, indices: tuple[Atom, ...], values: dict[Var, Atom]) -> None:
        """One element of a node."""
        args = tuple(self.element(ref, indices, values) for ref in node.refs)
        if node.into:
            slot = self.memory[node.out].slot
            place = tuple(self.entry(entry, indices, values) for entry in node.into)
            self.write(node.stage.op, slot, place, args[0], node.stage.note)
            assert isinstance(slot.now, Var)
            self.sides[slot.now] = self.sides[node.out]
            return
        if node.reduces and node.first_gone < len(node.axes):
            self.combine(node, args[0], indices)
            return
        stage = node.stage
        if stage.op == "sum":  # of one element; it begins at 0.0, and so is not -0.0
            stage, args = replace(stage, op="add", attrs=()), (args[0], Lit(0.0, FLOAT))
        elif node.reduces or stage.op == "load":
            self.put(node, args[0], indices, values)
            return
        out = self.fresh.var(_named(node, indices), replace(node.out.type, rank=0))
        self.out.append(replace(stage, out=out, args=args))
        self.sides[out] = self.sides[node.out]
        self.put(node, out, indices, values)

    def combine(self, node: Node, value: Atom, indices: tuple[Atom, ...]) -> None:
        """Adds an element to a reduction."""
        op, _ = COMBINED[node.stage.op]
        if node.out in self.running:
            slot = self.running[node.out]
            out = self.fresh.var(node.out.name, slot.now.type)
            self.out.append(Stage(out, op, (slot.now, value), (ANY_ORDER,), note=node.stage.note))
            self.sides[out] = self.sides[node.out]
            slot.now = out
            return
        memory = self.memory[node.out]
        index = self.index(node, memory, indices)
        if op != "add":
            value = self.emit(op, self.load(memory.slot.now, index), value)
        self.write("accumulate" if op == "add" else "store", memory.slot, index, value, node.stage.note)

    def put(self, node: Node, value: Atom, indices: tuple[Atom, ...], values: dict[Var, Atom]) -> None:
        """Makes an element known to the rest of the trip, and to others where it has a place."""
        values[node.out] = value
        if not indices and node.out.type.rank and node.out in self.wanted and node.out not in self.memory:
            self.room(node, 0)
        memory = self.memory.get(node.out)
        if memory is not None:
            self.write("store", memory.slot, self.index(node, memory, indices), value, memory.note)
        if not indices:
            self.now[node.out] = value if memory is None else memory.slot.now

    def index(self, node: Node, memory: Memory, indices: tuple[Atom, ...]) -> tuple[Atom, ...]:
        found = []
        for k in memory.axes:
            axis = node.place[k]
            found.append(indices[axis] if isinstance(axis, int) else axis)
        return tuple(found)

    def write(self, op: str, slot: Slot, index: tuple[Atom, ...], value: Atom, note: str) -> None:
        assert isinstance(slot.now, Var)
        out = self.fresh.like(slot.now)
        self.out.append(Stage(out, op, (slot.now, *index, value), _at(index), note))
        slot.now = out

    def element(self, ref: Ref, indices: tuple[Atom, ...], values: dict[Var, Atom]) -> Atom:
        """The element of an operand that this trip reads."""
        base = ref.base
        if isinstance(base, Counting):
            return self.entry(ref.index[0], indices, values)
        if not isinstance(base, Var) or not base.type.rank:
            return values.get(base, self.current(base)) if isinstance(base, Var) else base
        if base in values:
            return values[base]
        entries = [self.entry(entry, indices, values) for entry in ref.index]
        memory = self.memory.get(base)
        if memory is not None:
            return self.load(memory.slot.now, tuple(entries[k] for k in memory.axes), base.name)
        return self.load(self.current(base), tuple(entries))

    def entry(self, entry: Entry, indices: tuple[Atom, ...], values: dict[Var, Atom]) -> Atom:
        """An index: the trip's, a fixed one, or what an index array holds."""
        if isinstance(entry, Ref):
            return self.element(entry, indices, values)
        if isinstance(entry, Ahead):
            return self.shifted(indices[entry.axis], entry.by)
        return indices[entry] if isinstance(entry, int) else self.current(entry)

    def shifted(self, index: Atom, by: int) -> Atom:
        """An index so many elements ahead."""
        base, ahead = self.offsets.get(index, (index, 0))
        ahead += by
        key = (base, Lit(ahead, INT))
        known = next((found[key] for found in self.loads if key in found), base if not ahead else None)
        if known is None:
            known = self.emit("add" if ahead > 0 else "sub", base, Lit(abs(ahead), INT))
            self.offsets[known] = key[0], ahead
            self.loads[-1][key] = known
        return known

    def load(self, array: Atom, index: tuple[Atom, ...], name: str | None = None) -> Atom:
        """An element of an array, loaded once in a trip; it is named after the array, or the value that lies there."""
        for known in self.loads:
            if (array, *index) in known:
                return known[array, *index]
        assert isinstance(array, Var)
        name = array.name if name is None else name
        name = f"{name}_{''.join(i.name for i in index if isinstance(i, Var))}" if name else ""
        out = self.fresh.var(name, replace(array.type, rank=0))
        self.out.append(Stage(out, "load", (array, *index), _at(index)))
        self.loads[-1][array, *index] = out
        return out


def _at(index: Sequence[Atom]) -> tuple[tuple[str, str | int], ...]:
    return (("at", f"[{', '.join(f'{{{k}}}' for k in range(len(index)))}]"), ("rank", 0))


def _named(node: Node, indices: Sequence[Atom]) -> str:
    letters = "".join(i.name for i in indices if isinstance(i, Var))
    return f"{node.out.name}_{letters}" if node.out.name and letters else node.out.name
