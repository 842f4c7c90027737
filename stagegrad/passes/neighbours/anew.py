"""Cells of an array that a loop hands around are written to a copy of it, before the function is differentiated.

    for k in range(steps):                      for k in range(steps):
        for i in range(1, n - 1):                   new = new.copy()
            new[i] = f(now[i - 1], ...)   ->        for i in range(1, n - 1):
        old, now, new = now, new, old                   new[i] = f(now[i - 1], ...)
                                                    old, now, new = now, new, old

What was there need not be recorded cell by cell then, nor put back: whoever still reads it has it as it was. Backward, the cells gather
from their neighbours, as those of a copy do that the user made. A border that is filled in place before all cells are computed anew
is filled in a copy, too:

    for k in range(steps):                      for k in range(steps):
        u[0] = u[1]                                 u = u.copy()
        new = u.copy()                    ->        u[0] = u[1]
        for i in range(1, n - 1): ...               new = u.copy()
        u = new                                     for i in range(1, n - 1): ...
                                                    u = new

The trip makes an array as long anyway. What its loops read is then recorded once for each trip, and not for each time that it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from stagegrad.ir import Atom, Block, For, Function, Lit, Module, Stage, Stmt, Var, While, substitute, walk, with_blocks
from stagegrad.passes.neighbours.facts import Facts
from stagegrad.passes.neighbours.plan import ZEROS, is_whole
from stagegrad.passes.neighbours.reading import part
from stagegrad.passes.versions import versions

_WRITES = frozenset({"store", "accumulate"})
#: What makes an array of its own, as long as another one.
_COPIES = frozenset({"duplicate", "empty_like", "ones_like", "full_like"})


def written_anew(module: Module) -> Module:
    """The module whose main function writes the cells of arrays that loops carry to copies of them."""
    loops = [stmt for stmt in walk(module.main.body) if isinstance(stmt, (For, While))]
    if not any(isinstance(inner, For) for loop in loops for inner in loop.body.stmts):
        return module
    return Module((_Copying(module.main).function(), *module.functions[1:]))


class _Copying:
    """One walk through a function."""

    def __init__(self, function: Function) -> None:
        self.of, self.facts = function, Facts(function)

    def function(self) -> Function:
        return replace(self.of, body=self.block(self.of.body))

    def block(self, block: Block) -> Block:
        return replace(block, stmts=tuple(map(self.stmt, block.stmts)))

    def stmt(self, stmt: Stmt) -> Stmt:
        """A statement; a loop with copies before the nests in it that write to what it carries."""
        stmt = with_blocks(stmt, self.block)
        if not isinstance(stmt, (For, While)):
            return stmt
        carried: dict[Atom, Atom] = {
            carry.var: result for carry, result in zip(stmt.carries, stmt.body.results, strict=True) if carry.var.type.rank
        }
        # What the trip has a copy of is read there: what is overwritten, nobody needs.
        for copied in (one.args[0] for one in stmt.body.stmts if isinstance(one, Stage) and one.op == "duplicate"):
            carried.pop(copied, None)
        stmts = list[Stmt]()
        for inner in stmt.body.stmts:
            stmts += self.nest(inner, carried) if isinstance(inner, For) and carried else [inner]
        return self.filled(replace(stmt, body=replace(stmt.body, stmts=tuple(stmts))))

    def filled(self, loop: For | While) -> For | While:
        """The loop with copies, where a trip begins, of what it writes parts of and reads in loops before it hands a new array on."""
        body, stmts = loop.body, list[Stmt]()
        for carry, result in zip(loop.carries, loop.body.results, strict=True):
            if carry.var.type.rank and _is_new(result, loop.body):
                found = versions(loop, carry)
                written = any(stage.op in _WRITES and stage.args[0] in found for stage in _stages(loop.body.stmts))
                if written and any(stage.op == "load" and stage.args[0] in found for stage in _stages(_loops(loop.body))):
                    copy = self.facts.fresh.like(carry.var)
                    body = substitute(body, {carry.var: copy})
                    stmts.append(Stage(copy, "duplicate", (carry.var,), span=loop.span))
        return replace(loop, body=replace(body, stmts=(*stmts, *body.stmts))) if stmts else loop

    def nest(self, loop: For, carried: Mapping[Atom, Atom]) -> list[Stmt]:
        """A nest, behind copies of the arrays that it sets cells of; `carried` says what they are in the next trip around it."""
        found = part(loop, self.facts)
        written = [one for one in found.written if is_whole(one) and not one.adds and one.entry in carried] if found is not None else []
        # All cells of an array that stays in its place are as well recorded one by one.
        entries = {one.entry for one in written if carried[one.entry] != one.out or (found is not None and any(map(any, found.margins)))}
        copies = {carry.init: self.facts.fresh.like(carry.var) for carry in loop.carries if carry.init in entries}
        stmts: list[Stmt] = [Stage(copy, "duplicate", (init,), span=loop.span) for init, copy in copies.items()]
        carries = tuple(replace(carry, init=copies.get(carry.init, carry.init)) for carry in loop.carries)
        return [*stmts, replace(loop, carries=carries)]


def _is_new(result: Atom, body: Block) -> bool:
    """Is what a trip yields an array that it makes itself, and then may write to?"""
    makers: dict[Atom, Atom | Stage] = {}
    for stmt in body.stmts:
        if isinstance(stmt, Stage):
            makers[stmt.out] = stmt.args[0] if stmt.op in _WRITES else stmt
        elif isinstance(stmt, (For, While)):
            makers |= {carry.out: carry.init for carry in stmt.carries}
    made: Atom | Stage | None = makers.get(result)
    while isinstance(made, (Var, Lit)):
        made = makers.get(made)
    return made is not None and (made.op in _COPIES or made.op in ZEROS)


def _stages(stmts: Iterable[Stmt]) -> Iterator[Stage]:
    return (stmt for stmt in walk(Block(tuple(stmts))) if isinstance(stmt, Stage))


def _loops(body: Block) -> list[Stmt]:
    return [stmt for stmt in body.stmts if isinstance(stmt, (For, While))]
