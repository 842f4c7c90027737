"""Which sizes are known where: for each dimension of a block an array that can be asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from stagegrad.ir import Block, Var, binds
from stagegrad.passes.fuse.nodes import Nodes
from stagegrad.shapes import Dim, left_of

#: For each dimension an array that has it, and along which axis.
Sizes: TypeAlias = "dict[Dim, tuple[Var, int]]"


def with_sizes(known: Sizes, vars: Iterable[Var], nodes: Nodes) -> Sizes:
    """What is known, and what these arrays tell."""
    found = dict(known)
    for var in vars:
        _add(found, var, nodes.dims(var))
    return found


def _add(known: Sizes, var: Var, dims: Iterable[Dim]) -> None:
    """Notes which array can be asked for a dimension; what is only less than a known one is computed from that."""
    for axis, dim in enumerate(dims):
        if left_of(dim)[0] not in known:
            known.setdefault(dim, (var, axis))


class Known:
    """When the sizes of a block are known: after which of its statements."""

    def __init__(self, block: Block, known: Sizes, nodes: Nodes, made: set[Var]) -> None:
        self.makers = {var: k for k, stmt in enumerate(block.stmts) for var in binds(stmt)}
        self.known = dict(known)
        for stmt in block.stmts:
            for var in binds(stmt):
                if var not in made and var not in nodes.views:
                    _add(self.known, var, nodes.dims(var))

    def place(self, dim: Dim) -> int:
        """The statement that makes the first array with this dimension; -1 for one around the block, the end where there is none."""
        if isinstance(dim, int):
            return -1
        if dim in self.known:
            return self.makers.get(self.known[dim][0], -1)
        whole, less = left_of(dim)
        return self.place(whole) if less else len(self.makers)

    def knows(self, dims: Iterable[Dim], out: Var) -> bool:
        """Are these sizes known before a value is made?"""
        return all(self.place(dim) < self.makers[out] for dim in dims)
