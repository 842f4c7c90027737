"""An element of an array that holds one number everywhere is that number, in the backward pass.

    df = full_like(f, dmean)                 for i in range(n - 1, -1, -1):
    for i in range(n - 1, -1, -1):    ->         dx[i] += 2.0 * x[i] * dmean
        dx[i] += 2.0 * x[i] * df[i]

That is what sums and means of arrays give whose elements are computed one by one: the array need not be made. What the backward pass
reads is where the forward pass has read or written, so that no index is out of range which would have to be asked for.
"""

from __future__ import annotations

from dataclasses import replace

from stagegrad.ir import Atom, Block, Function, Module, Remark, Stage, Stmt, Var, substitute, walk, with_blocks

#: What makes such an array, with the number behind the array whose shape it has.
_FILLED = "full_like"
_BACKWARD = "backward pass"


def without_filled(module: Module) -> Module:
    """The module whose backward passes read no element of an array that holds one number."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    stmts = function.body.stmts
    begin = next((k for k, stmt in enumerate(stmts) if isinstance(stmt, Remark) and stmt.text == _BACKWARD), len(stmts))
    behind = Block(stmts[begin:], function.body.results)
    makers = (stmt for stmt in stmts if isinstance(stmt, Stage) and stmt.op == _FILLED)
    numbers: dict[Atom, Atom] = {stage.out: stage.args[1] for stage in makers if stage.args[1].type == replace(stage.out.type, rank=0)}
    found = {
        stmt.out: numbers[stmt.args[0]]
        for stmt in walk(behind)
        if isinstance(stmt, Stage) and stmt.op == "load" and not stmt.out.type.rank and stmt.args[0] in numbers
    }
    if not found:
        return function
    changed = substitute(_without(behind, found), found)
    return replace(function, body=replace(changed, stmts=(*stmts[:begin], *changed.stmts)))


def _without(block: Block, found: dict[Var, Atom]) -> Block:
    """The block without the stages that read these."""

    def kept(stmt: Stmt) -> bool:
        return not (isinstance(stmt, Stage) and stmt.out in found)

    inner = (with_blocks(stmt, lambda inside: _without(inside, found)) for stmt in block.stmts if kept(stmt))
    return replace(block, stmts=tuple(inner))
