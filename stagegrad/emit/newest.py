"""Of which version of an array the text asks the shape.

``da = np.zeros_like(a)`` may come long after ``a`` was written to. In the IR it reads the version of `a` that it is the gradient of,
which would then need a variable of its own, beside that of the later versions; the newest version has the same shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from stagegrad.analysis import unbound
from stagegrad.emit.sharing import SHAPE_ONLY, arrays
from stagegrad.ir import Block, Function, Stage, Stmt, Type, Var, binds, inner_binds, walk, with_blocks
from stagegrad.shapes import Shape, shapes


def sized_by_newest(function: Function) -> Function:
    """``a1 = store(a0, i, x); da = zeros_like(a0)`` -> ``da = zeros_like(a1)``, where both certainly have one shape."""
    if not any(isinstance(stmt, Stage) and stmt.op in SHAPE_ONLY for stmt in walk(function.body)):
        return function
    newest = _Newest(shapes(function, certain=True), unbound(function))
    return replace(function, body=newest.block(function.body, {}, function.params))


_Known: TypeAlias = dict[tuple[str, Type], Var]


class _Newest:
    """Walks down with the newest version of each array that has a name, by name and type."""

    def __init__(self, shape: Mapping[Var, Shape], unbound: set[Var]) -> None:
        self.shape, self.unbound = shape, unbound

    def bind(self, vars: Iterable[Var], known: _Known) -> None:
        known.update(((var.name, var.type), var) for var in arrays(vars) if var.name and var not in self.unbound)

    def block(self, block: Block, around: _Known, bound: Iterable[Var] = ()) -> Block:
        """`around` is what is known outside; `bound` are the parameters, or what a loop binds for its body."""
        known = dict(around)
        self.bind(bound, known)
        stmts: list[Stmt] = []
        for stmt in block.stmts:
            if isinstance(stmt, Stage) and stmt.op in SHAPE_ONLY:
                stmt = self.stage(stmt, known)
            else:
                stmt = with_blocks(stmt, partial(self.block, around=known, bound=inner_binds(stmt)))
            stmts.append(stmt)
            self.bind(binds(stmt), known)
        return Block(tuple(stmts), block.results)

    def stage(self, stage: Stage, known: _Known) -> Stage:
        position = SHAPE_ONLY[stage.op]
        asked = stage.args[position]
        if not isinstance(asked, Var):
            return stage
        newest = known.get((asked.name, asked.type), asked)
        if self.shape[newest] != self.shape[asked]:
            return stage
        return replace(stage, args=(*stage.args[:position], newest, *stage.args[position + 1 :]))
