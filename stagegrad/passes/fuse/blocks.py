"""Finds what becomes loops in the blocks of a function, the blocks inside others first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from stagegrad.analysis import Rows
from stagegrad.ir import Atom, Block, For, Fresh, Function, Stage, Var, While, binds, inner_binds, variables, walk, with_blocks
from stagegrad.names import count_reads
from stagegrad.passes.fuse.items import LOOPS, Item, dims_in
from stagegrad.passes.fuse.nest import SIZE_WORDS, Fused
from stagegrad.passes.fuse.nodes import Node, Nodes
from stagegrad.passes.fuse.picked import computed_where_picked
from stagegrad.passes.fuse.sizes import Known, Sizes, with_sizes
from stagegrad.passes.fuse.stencil import Filling, counted, filling, stencils
from stagegrad.passes.fuse.together import together
from stagegrad.shapes import dimensions


class Fuser:
    """Fuses the blocks of one function."""

    def __init__(self, function: Function) -> None:
        self.function = function
        rows = _rows(function)
        self.other_rows = Counter(rows.values())
        self.nodes = Nodes(dimensions(function, hopeful=True), frozenset(rows) | _written_copies(function))
        self.fresh = Fresh(function)
        self.handed = _handed(function)
        taken = self.fresh.taken()
        self.words = [word for word in SIZE_WORDS if word not in taken] or ["size"]  # for sizes: none that is a variable of the user's

    def body(self) -> Block:
        """The function's body with loops in the place of array stages."""
        return self.block(self.function.body, with_sizes({}, self.function.params, self.nodes))

    def block(self, block: Block, known: Sizes) -> Block:
        """A block with loops; `known` are the dimensions of the arrays around it. What it finds to be equal holds inside it alone."""
        found = self.nodes.dimensions
        before, found.same_as = found.same_as, found.inside.get(id(block), found.same_as)
        changed = self.with_loops(block, known)
        found.same_as = before
        return changed

    def with_loops(self, block: Block, known: Sizes) -> Block:
        """A block with loops in the place of its array stages, those of the blocks inside it first."""
        items: list[Item] = []
        found, order = self.found(block, known)
        picked = computed_where_picked(block, found, self.nodes, self.fresh)
        counts = counted(block)
        chains = stencils(block, counts, self.nodes, found)
        chains = {out: one for out, one in chains.items() if order.knows({*self.nodes.dims(one.array), *dims_in(one.met)}, out)}
        inside = frozenset[Var]().union(*(stencil.inside for stencil in chains.values()))
        for stmt in block.stmts:
            if isinstance(stmt, Stage) and (stmt.out in chains or stmt.out in inside):
                items += [chains[stmt.out]] if stmt.out in chains else []
                continue
            if isinstance(stmt, Stage) and (stmt.out in self.nodes.views or stmt.out in picked):
                items += picked.get(stmt.out, (stmt,))
                continue
            node = found.get(stmt.out) or self.filled(stmt, order, counts, found) if isinstance(stmt, Stage) else None
            if node is None:
                around = with_sizes(known, inner_binds(stmt), self.nodes)
                stmt = with_blocks(stmt, lambda inner, around=around: self.block(inner, around))  # type: ignore[misc]
                known = with_sizes(known, (var for var in binds(stmt) if var not in self.nodes.views), self.nodes)
            items.append(node or stmt)
        items = together(items, block, self.nodes, found)
        if not any(isinstance(item, LOOPS) for item in items):
            return Block(tuple(item for item in items if not isinstance(item, LOOPS)), block.results)
        return Fused(self, block, found, known, order).run(items)

    def filled(self, stage: Stage, order: Known, counts: Mapping[Var, int], found: Mapping[Var, Node]) -> Node | Filling | None:
        """An assignment to a section as loops of its own, or as part of others; None for what is none."""
        one = filling(stage, self.nodes)
        if one is None or not order.knows({*one.axes, *dims_in(one.met)}, one.out):
            return None
        if stage.op == "accumulate" and any(counts[var] > 1 for var in variables(stage.args[:1])):
            return None  # who reads it as it was might need a copy of all of it
        return self.nodes.joined(one.node, order.place) if self.shares(one, counts, found) else one

    def shares(self, filling: Filling, counts: Mapping[Var, int], found: Mapping[Var, Node]) -> bool:
        """Can an assignment share a loop, as a record does with what it records?

        It can if nobody else reads the array that it changes. It should where the loop makes or reads what is assigned: a loop that
        comes later might find it changed in place, and a copy would be made.
        """
        array, value = filling.stage.args[0], filling.value.base
        if not isinstance(array, Var) or counts[array] > 1 + self.other_rows[array] or array in self.nodes.views or array in found:
            return False
        return value in found or any(ref.base == value for node in found.values() if node.axes == filling.axes for ref in node.refs)

    def found(self, block: Block, known: Sizes) -> tuple[dict[Var, Node], Known]:
        """The block's nodes; those that rely on what others find to be equal come last."""
        stages = [stmt for stmt in block.stmts if isinstance(stmt, Stage) and not self.nodes.view(stmt)]
        first = [node for stage in stages if stage.op != "load" and (node := self.nodes.node(stage)) is not None]
        self.nodes.met = {pair for node in first for pair in node.met}
        last = [node for stage in stages if stage.op == "load" and (node := self.nodes.node(stage)) is not None]
        order = Known(block, known, self.nodes, {node.out for node in (*first, *last)})
        nodes = [self.nodes.joined(node, order.place) for node in (*first, *last)]
        return {node.out: node for node in nodes if order.knows(node.sizes, node.out)}, order


def _handed(function: Function) -> dict[Var, Var]:
    """The arrays that the trips of loops yield, each for one carry: what they are in the next trip."""
    loops = (stmt for stmt in walk(function.body) if isinstance(stmt, (For, While)))
    pairs = [(result, carry.var) for loop in loops for carry, result in zip(loop.carries, loop.body.results, strict=True)]
    several = Counter(result for result, _ in pairs)
    return {result: var for result, var in pairs if isinstance(result, Var) and result.type.rank and several[result] == 1}


def _rows(function: Function) -> dict[Var, Atom]:
    """The rows of arrays that are read where another row is written to, and of which arrays."""
    stages = [stmt for stmt in walk(function.body) if isinstance(stmt, Stage)]
    stores = [stage for stage in stages if stage.op == "store" and stage.args[0].type.rank > 1]
    if not stores:
        return {}
    rows, writes = Rows(function), dict[Atom, list[Stage]]()
    for store in stores:
        writes.setdefault(rows.array(store.args[0]), []).append(store)
    loads = [stage for stage in stages if stage.op == "load" and stage.out.type.rank]
    near = ((load, writes.get(rows.array(load.args[0]), [])) for load in loads)
    return {load.out: load.args[0] for load, found in near if any(rows.are_apart(store, load.out) for store in found)}


def _written_copies(function: Function) -> frozenset[Var]:
    """Copies of arrays that are in memory anyway, which nothing is done with but that a section of them is written to."""
    reads = count_reads(function.body)
    stages = [stmt for stmt in walk(function.body) if isinstance(stmt, Stage)]
    made = {stage.out for stage in stages if stage.op != "load"}
    written = {stage.args[0] for stage in stages if stage.op == "store"}
    copies = (stage for stage in stages if stage.op == "duplicate" and stage.out in written and stage.args[0] not in made)
    return frozenset(stage.out for stage in copies if reads[stage.out] == 1)
