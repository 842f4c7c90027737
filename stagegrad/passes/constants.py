"""Constant arrays that a loop would make anew in every trip are made once, before everything else."""

from __future__ import annotations

from dataclasses import replace

from stagegrad.ir import Atom, Block, For, Function, Lit, Module, Stage, Var, While, blocks, substitute, walk, with_blocks


def constants_first(module: Module) -> Module:
    """The module whose functions begin with the constant arrays of their loops, equal ones once."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    loops = (stmt for stmt in walk(function.body) if isinstance(stmt, (For, While)))
    stmts = (stmt for loop in loops for block in blocks(loop) for stmt in walk(block))
    inside = {stmt.out: stmt for stmt in stmts if isinstance(stmt, Stage) and _is_constant(stmt)}
    if not inside:
        return function
    first: dict[object, Stage] = {}
    same: dict[Var, Atom] = {}
    for out, stage in inside.items():
        same[out] = first.setdefault((stage.args, stage.attrs, out.type), stage).out
    body = substitute(_without(function.body, inside), same)
    return replace(function, body=replace(body, stmts=(*first.values(), *body.stmts)))


def _is_constant(stage: Stage) -> bool:
    return stage.op == "array_of" and all(isinstance(arg, Lit) for arg in stage.args)


def _without(block: Block, gone: dict[Var, Stage]) -> Block:
    kept = (stmt for stmt in block.stmts if not (isinstance(stmt, Stage) and stmt.out in gone))
    return replace(block, stmts=tuple(with_blocks(stmt, lambda inner: _without(inner, gone)) for stmt in kept))
