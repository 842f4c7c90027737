"""Which variables need a value on paths that never compute one.

A path may leave a result undefined, ``Lit(None)``: nobody looks at it, and the variable may stay unbound in the text. But
where such a result is handed on, from one branch or trip to the next, under another variable, or recorded with what a trip
began with, or where its shape is asked, Python would look: there the text gives it a value that nobody uses. Numba looks
further: it wants each variable to be bound further up in the text than it is read, ``if k > 0: y = last`` before ``last = x``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stagegrad.analysis import flows, unbound
from stagegrad.emit.inline import Plan
from stagegrad.emit.sharing import SHAPE_ONLY
from stagegrad.ir import Atom, Block, Call, For, If, Lit, Raise, Stage, Stmt, Var, While, binds, blocks, uses, variables, walk


def handed_on(plan: Plan, storage: Mapping[Var, str]) -> set[str]:
    """The variables that may be unbound where the text reads them to hand them on."""
    undefined = unbound(plan.function)
    found: set[str] = set()
    for stmt in walk(plan.function.body):
        if isinstance(stmt, If) and (plan.is_inlined(stmt) or plan.is_expression(stmt)):
            leaves = [leaf for arm in (stmt.then, stmt.orelse) for leaf in plan.leaves(arm.results[0])]
            found.update(storage[leaf] for leaf in leaves if leaf in undefined)
        elif isinstance(stmt, Stage) and stmt.op in ("store", "to_float", "duplicate"):
            # A record is written on every trip; an int becomes a float, and an array is copied, on every way to where they join.
            found.update(storage[leaf] for leaf in plan.leaves(stmt.args[-1]) if leaf in undefined)
    found.update(storage[array] for array in _sizes_asked(plan.function.body) if array in undefined)
    for source, target in flows(plan.function):
        if source in undefined and isinstance(source, Var) and source in storage and storage[source] != storage.get(target):
            found.add(storage[source])
    return found


def _sizes_asked(block: Block) -> Iterator[Var]:
    """The arrays whose shape is asked for, be they there or not: that of a gradient before a loop, in which a branch adds to it."""
    for stmt in block.stmts:
        if isinstance(stmt, Stage) and stmt.op in SHAPE_ONLY:
            yield from variables([stmt.args[SHAPE_ONLY[stmt.op]]])
        for inner in blocks(stmt):
            yield from _sizes_asked(inner)


def read_before_bound(plan: Plan, storage: Mapping[Var, str]) -> set[str]:
    """The variables that may be unbound and that the text reads further up than it binds them."""
    walked = _TextOrder(plan, storage, unbound(plan.function))
    walked.bound.update(storage[param] for param in plan.function.params)
    walked.block(plan.function.body)
    return walked.found


class _TextOrder:
    """A walk in the order of the text, with the variables that are `bound` so far."""

    def __init__(self, plan: Plan, storage: Mapping[Var, str], undefined: set[Var]) -> None:
        self.plan, self.storage, self.undefined = plan, storage, undefined
        self.bound: set[str] = set()
        self.found: set[str] = set()

    def block(self, block: Block, targets: Iterable[Var] = ()) -> None:
        """The statements of a block, and then the variables that its results are moved to."""
        for stmt in block.stmts:
            self.statement(stmt)
        for result, target in zip(block.results, targets, strict=False):
            self.read(result)
            self.bind(result, target)

    def statement(self, stmt: Stmt) -> None:
        if isinstance(stmt, (Stage, Raise, Call, If)):
            for atom in uses(stmt):
                self.read(atom)
        if isinstance(stmt, If):
            self.block(stmt.then, stmt.outs)
            self.block(stmt.orelse, stmt.outs)
        elif isinstance(stmt, (For, While)):
            for carry in stmt.carries:
                self.bind(carry.init, carry.var)
            if isinstance(stmt, While):
                self.block(stmt.test)
            self.block(stmt.body, tuple(carry.var for carry in stmt.carries))
        elif isinstance(stmt, (Stage, Call)):
            self.bound.update(self.storage[out] for out in binds(stmt) if out in self.storage)

    def read(self, atom: Atom) -> None:
        unsure = (leaf for leaf in self.plan.leaves(atom) if leaf in self.undefined)
        self.found.update(self.storage[leaf] for leaf in unsure if self.storage[leaf] not in self.bound)

    def bind(self, value: Atom, target: Var) -> None:
        if target in self.storage and not (isinstance(value, Lit) and value.value is None):
            self.bound.add(self.storage[target])
