"""Loops that begin at 2 or later -> loops that certainly do not end before they begin, as LLVM has to be told.

    for i in range(2, n):             for i in range(2, max(n, 2)):
        v[i] = u[i] - u[i - 1]   ->       v[i] = u[i] - u[i - 1]

It is the same loop. But without, LLVM does not see that no index is negative, keeps Numba's question whether one counts from the end of
its array, and makes no vector instructions of the loop: three to five times slower. What begins at 0 or 1 it sees through. Of what counts
down it does not see it, and has to be told where the loops inside read by its index:

    for t in range(n - 1, -1, -1):         for t in range(n - 1, -1, -1):
        for i in range(m):            ->       t2 = max(t, 0)
            dk += u_tape[t, i] * dv[i]         for i in range(m):
                                                   dk += u_tape[t2, i] * dv[i]
"""

from __future__ import annotations

from dataclasses import replace

from stagegrad.ir import INT, Atom, Block, For, Fresh, Function, Lit, Module, Stage, Stmt, Var, blocks, bound, walk, with_blocks

_INDEXING = frozenset({"load", "store", "accumulate"})


def with_plain_ranges(module: Module) -> Module:
    """The module whose loops over the elements of arrays end behind where they begin."""
    return Module(tuple(_Ranges(function).function() for function in module.functions))


class _Ranges:
    """One walk through a function."""

    def __init__(self, function: Function) -> None:
        self.of, self.fresh = function, Fresh(function)
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}

    def function(self) -> Function:
        """The function with its loops changed; itself, where there are none to change."""
        if not any(isinstance(stmt, For) and (self.ends(stmt) or self.reads(stmt)) for stmt in walk(self.of.body)):
            return self.of
        return replace(self.of, body=self.block(self.of.body))

    def block(self, block: Block) -> Block:
        """A block with its loops, and those of the blocks in it, changed."""
        stmts = list[Stmt]()
        for old in block.stmts:
            stmt = with_blocks(old, self.block) if blocks(old) else old
            ends = self.ends(stmt) if isinstance(stmt, For) else None
            if ends is not None and isinstance(stmt, For):
                least, upward = ends
                end = self.fresh.var("", INT)
                stmts.append(Stage(end, "max", (stmt.stop if upward else stmt.start, least)))
                stmt = replace(stmt, stop=end) if upward else replace(stmt, start=end)
            stmts.append(self.counted(stmt) if isinstance(stmt, For) else stmt)
        return replace(block, stmts=tuple(stmts))

    def ends(self, loop: For) -> tuple[Lit, bool] | None:
        """The end of a loop's range that is a number of 2 or more, and whether it begins there; None where nothing has to be said."""
        if not isinstance(loop.step, Lit) or not isinstance(loop.step.value, int) or not loop.step.value:
            return None
        upward = loop.step.value > 0
        known, other = (loop.start, loop.stop) if upward else (loop.stop, loop.start)
        if not isinstance(known, Lit) or not isinstance(known.value, int) or known.value < 2 - (not upward):
            return None
        indexes = any(isinstance(stmt, Stage) and stmt.op in _INDEXING for stmt in walk(loop.body))
        return (known, upward) if indexes and not isinstance(other, Lit) and not self.is_said(other, known) else None

    def reads(self, loop: For) -> set[Var]:
        """What is read, in loops inside one that counts down to 0, of arrays from outside by its index."""
        if loop.step != Lit(-1, INT) or loop.stop not in (Lit(-1, INT), Lit(0, INT)):
            return set()
        own = bound(loop.body) | {carry.var for carry in loop.carries}
        inside = (stmt for inner in loop.body.stmts if isinstance(inner, For) for stmt in walk(inner.body))
        loads = (stmt for stmt in inside if isinstance(stmt, Stage) and stmt.op == "load" and not stmt.out.type.rank)
        return {load.out for load in loads if loop.index in load.args[1:] and load.args[0] not in own}

    def counted(self, loop: For) -> For:
        """The loop with an index that is said not to be negative, where loops inside read by it."""
        reads = self.reads(loop)
        if not reads:
            return loop
        index = self.fresh.like(loop.index)

        def told(block: Block) -> Block:
            return replace(block, stmts=tuple(map(by_index, block.stmts)))

        def by_index(stmt: Stmt) -> Stmt:
            if not isinstance(stmt, Stage):
                return with_blocks(stmt, told)
            return replace(stmt, args=tuple(index if arg == loop.index else arg for arg in stmt.args)) if stmt.out in reads else stmt

        body = told(loop.body)
        return replace(loop, body=replace(body, stmts=(Stage(index, "max", (loop.index, Lit(0, INT))), *body.stmts)))

    def is_said(self, other: Atom, known: Lit) -> bool:
        """Is one end of a range made so that it is not less than the other?"""
        made = self.makers.get(other) if isinstance(other, Var) else None
        return made is not None and made.op == "max" and known in made.args
