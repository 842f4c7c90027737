"""Sums over the cells of a stencil, taken in the stencil's own loops: the cells are swept once, while they are in the cache.

total = sum(a * (b[1:] - b[:-1]))          for i in range(1, n - 1):
dx[:-1] -= a * d                    ->         dx[i] = a[i - 1] * d[i - 1] - a[i] * d[i]
dx[1:] += a * d                                total += a[i] * (b[i + 1] - b[i])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stagegrad.ir import Atom, Block, Remark, Stage, Var, binds
from stagegrad.passes.fuse.items import Item, binds_of, reads_of
from stagegrad.passes.fuse.nodes import Counting, Node, Nodes, cut
from stagegrad.passes.fuse.stencil import Stencil, Sum, chain

#: The most operations on an element that is summed up: it is computed once, but written four times, at the corners, the edges and inside.
_MOST = 30


def together(items: Sequence[Item], block: Block, nodes: Nodes, found: Mapping[Var, Node]) -> list[Item]:
    """The items of a block with sums as parts of the stencils that they fit."""
    kept = list(items)
    made = {var for stmt in block.stmts for var in binds(stmt)}
    for stencil in items:
        if isinstance(stencil, Stencil):
            sums = [one for node in found.values() if (one := _fitting(node, stencil, nodes, found, made)) is not None]
            inside = frozenset[Var]().union(*(one.inside for one in sums))
            if sums and inside.isdisjoint(_read(kept, block, nodes, {one.node.out for one in sums})):
                kept = _with_sums(kept, stencil, sums, nodes)
    return kept


def _read(items: Sequence[Item], block: Block, nodes: Nodes, without: set[Var]) -> set[Atom | Counting]:
    """What is read of the items' values, by the block's results and by what they come from, without these sums."""
    read: set[Atom | Counting] = {*block.results}
    for item in reversed(items):
        a_view = isinstance(item, Stage) and item.out in nodes.views
        if not (a_view or isinstance(item, Node)) or any(out in read and out not in without for out in binds_of(item)):
            read |= _bases(item, nodes)
    return read


def _bases(item: Item, nodes: Nodes) -> set[Atom | Counting]:
    """What an item reads, through views."""
    return {nodes.ref(atom).base if isinstance(atom, Var) else atom for atom in reads_of(item)}


def _fitting(node: Node, stencil: Stencil, nodes: Nodes, found: Mapping[Var, Node], made: set[Var]) -> Sum | None:
    """A sum over a section that one of the stencil's terms is added to, of what is cheap to compute from what the stencil reads."""
    base = node.refs[0].base
    rank = tuple(range(len(node.axes)))
    if node.stage.op != "sum" or node.place or not isinstance(base, Var) or node.refs[0].index != rank:
        return None
    dims, equal = nodes.dims(stencil.array), nodes.dimensions.equal
    # Any place would do; in the middle it reads what the terms read.
    margins = sorted({(term.before, term.behind) for term in stencil.terms}, key=lambda pair: (_askew(pair), pair))
    fits = (pair for pair in margins if node.axes == tuple(cut(equal(dim), *edge) for dim, *edge in zip(dims, *pair, strict=True)))
    section, cheap = next(fits, None), chain(base, nodes, found, _MOST)
    if section is None or cheap is None:
        return None
    outs = {inner.out for inner in cheap}
    needs = {ref.base for inner in cheap for ref in inner.refs if isinstance(ref.base, Var)} - outs
    if any(var not in stencil.needs and (var.type.rank or var in made) for var in needs):
        return None
    met = (*node.met, *(pair for inner in cheap for pair in inner.met))
    return Sum(node, *section, frozenset(outs), frozenset(needs), met)


def _askew(margins: tuple[tuple[int, ...], tuple[int, ...]]) -> int:
    """How far a section is from the middle of its array."""
    return sum(abs(before - behind) for before, behind in zip(*margins, strict=True))


def _with_sums(items: list[Item], stencil: Stencil, sums: list[Sum], nodes: Nodes) -> list[Item]:
    """The items with these sums in the stencil, if it does not need them itself."""
    totals = {one.node.out for one in sums}
    made: set[Atom | Counting] = set(totals)
    before: list[Item] = []
    behind: list[Item] = []  # what needs the sums
    others = [item for item in items if not (isinstance(item, Node) and item.out in totals)]
    place = next(k for k, item in enumerate(others) if item is stencil)
    for item in others[:place]:
        if made.isdisjoint(_bases(item, nodes)):
            before.append(item)
        else:
            made.update(binds_of(item))
            behind.append(item)
        if isinstance(item, Remark) and behind:
            return items
    if not made.isdisjoint(stencil.needs):
        return items
    needs = stencil.needs.union(*(one.needs for one in sums))
    met = tuple(dict.fromkeys((*stencil.met, *(pair for one in sums for pair in one.met))))
    return [*before, replace(stencil, sums=tuple(sums), needs=needs, met=met), *behind, *others[place + 1 :]]
