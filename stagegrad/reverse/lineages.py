"""Which arrays a function writes to in place: the versions of an array from write to write are one lineage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stagegrad.ir import (
    Atom,
    Block,
    For,
    If,
    Stage,
    Var,
    While,
    bound,
    variables,
    walk,
)  # fmt: skip

#: Operations that ask an array for nothing but its shape, by the operands that they ask.
SHAPE_ONLY = dict.fromkeys(("extent", "size", "count", "zeros_like", "full_like"), (0,)) | {"unbroadcast": (1,), "broadcast_like": (1,)}
WRITES = ("store", "accumulate")


@dataclass(frozen=True)
class Lineages:
    """The arrays that become one another by writes: `root` names each array's lineage, `mutable` holds the lineages to be restored.

    A lineage that is only read when its last write is done, as a tape is, needs no restoring.
    """

    root: dict[Var, Var]
    mutable: frozenset[Var]

    def changing(self, atom: Atom) -> bool:
        return isinstance(atom, Var) and self.root.get(atom) in self.mutable

    def written_in(self, block: Block) -> set[Var]:
        """The lineages to be restored that a block writes to."""
        writes = (stmt.out for stmt in walk(block) if isinstance(stmt, Stage) and stmt.op in WRITES)
        return {self.root[var] for var in writes if self.changing(var)}


def lineages(params: Iterable[Var], block: Block) -> Lineages:
    """The lineages of a function's arrays."""
    parent: dict[Var, Var] = {}
    flows: list[tuple[Atom, Var]] = []
    readings: list[Var] = []
    written: set[Var] = set()
    for stmt in walk(block):
        match stmt:
            case Stage(op="store" | "accumulate" | "grow" | "reserve" | "copy"):
                flows.append((stmt.args[0], stmt.out))
                readings += variables(stmt.args[1:])
                if stmt.op in WRITES:
                    written.update(variables(stmt.args[:1]))
            case Stage():
                asked = SHAPE_ONLY.get(stmt.op, ())
                readings += variables(arg for k, arg in enumerate(stmt.args) if k not in asked)
            case If():
                flows += [pair for arm in (stmt.then, stmt.orelse) for pair in zip(arm.results, stmt.outs, strict=True)]
            case For() | While():
                for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                    flows += [(carry.init, carry.var), (result, carry.var), (carry.var, carry.out)]
    flows = [(a, b) for a, b in flows if b.type.rank and isinstance(a, Var)]

    def find(var: Var) -> Var:
        while parent.get(var, var) != var:
            var = parent[var]
        return var

    for a, b in flows:
        if isinstance(a, Var) and find(a) != find(b):
            parent[find(b)] = find(a)
    before = _reaching(written, flows)
    roots = {var: find(var) for var in (*params, *bound(block)) if var.type.rank}
    mutable = {roots[var] for var in (*readings, *variables(block.results)) if var in before and var in roots}
    return Lineages(roots, frozenset(mutable))


def _reaching(written: set[Var], flows: list[tuple[Atom, Var]]) -> set[Var]:
    """The arrays that a later write may change: those that are written to, and what becomes them."""
    sources: dict[Var, list[Var]] = {}
    for a, b in flows:
        if isinstance(a, Var):
            sources.setdefault(b, []).append(a)
    found, pending = set(written), list(written)
    while pending:
        for source in sources.get(pending.pop(), ()):
            if source not in found:
                found.add(source)
                pending.append(source)
    return found
