"""What a block consists of on its way into loops: nodes, stencils and fillings, and the statements that stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from stagegrad.ir import Atom, Stmt, Var, binds
from stagegrad.passes.fuse.nodes import Counting, Node
from stagegrad.passes.fuse.order import reads
from stagegrad.passes.fuse.stencil import Filling, Stencil
from stagegrad.shapes import Dim

Item: TypeAlias = "Node | Stencil | Filling | Stmt"

#: What becomes loops.
LOOPS = (Node, Stencil, Filling)
#: Stages that only ask for the size of an array.
SIZES = frozenset({"extent", "size", "count", "number_along"})


def reads_of(item: Item) -> set[Atom | Counting]:
    """Every value that an item reads, through its views."""
    if isinstance(item, (Stencil, Filling)):
        return {*item.needs}
    return {ref.base for ref in item.reads} if isinstance(item, Node) else {*reads(item)}


def binds_of(item: Item) -> tuple[Var, ...]:
    """The values that an item makes."""
    if isinstance(item, Stencil):
        return (item.out, *(one.node.out for one in item.sums))
    return (item.out,) if isinstance(item, (Node, Filling)) else binds(item)


def dims_in(met: Iterable[tuple[Dim, Dim]]) -> set[Dim]:
    """The dimensions of some pairs."""
    return {dim for pair in met for dim in pair}
