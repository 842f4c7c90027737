"""What a backward pass takes out of an element and puts back there stays in it.

``a[i] += v`` hands its gradient to v and keeps it: ``dv = da[i]``, where it was ``dv = da[i]; da[i] = 0.0; da[i] += dv``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from stagegrad.ir import Atom, Block, Function, Module, Stage, Var, literal_is, substitute, variables, with_blocks
from stagegrad.names import count_reads


def without_returns(module: Module) -> Module:
    """The module whose elements are not cleared where all that was in them returns."""
    return Module(tuple(map(_kept, module.functions)))


def _kept(function: Function) -> Function:
    body = _block(function.body, count_reads(function.body))
    return function if body == function.body else _kept(replace(function, body=body))  # one pair may lie between those of another


def _block(block: Block, reads: Counter[Var]) -> Block:
    """The block with each such pair of writes left out, and the array as it was in their place."""
    made = {stmt.out: stmt for stmt in block.stmts if isinstance(stmt, Stage)}
    gone: set[Var] = set()
    mapping: dict[Var, Atom] = {}
    for back in made.values():
        clearing = _cleared(back, made, reads)
        if clearing is not None and isinstance(clearing.args[0], Var):
            before = clearing.args[0]
            gone |= {clearing.out, back.out}
            mapping[back.out] = mapping.get(before, before)
    kept = (stmt for stmt in block.stmts if not (isinstance(stmt, Stage) and stmt.out in gone))
    stmts = tuple(with_blocks(stmt, lambda inner: _block(inner, reads)) for stmt in kept)
    return substitute(replace(block, stmts=stmts), mapping)


def _cleared(back: Stage, made: dict[Var, Stage], reads: Counter[Var]) -> Stage | None:
    """The write of zeros to what `back` adds to, if it adds what was there, and nothing reads the array in between."""
    if back.op != "accumulate" or dict(back.attrs).get("gather") or not all(isinstance(arg, Var) for arg in (back.args[0], back.args[-1])):
        return None
    clearing, returned = (made.get(var) for var in variables((back.args[0], back.args[-1])))
    while returned is not None and returned.op == "copy" and isinstance(returned.args[0], Var):
        returned = made.get(returned.args[0])
    if clearing is None or returned is None or clearing.op != "store" or returned.op != "load" or reads[clearing.out] != 1:
        return None
    same_place = clearing.args[1:-1] == back.args[1:-1] == returned.args[1:] and clearing.attrs == back.attrs == returned.attrs
    whole = returned.args[0] == clearing.args[0] and returned.out.type == back.args[-1].type
    return clearing if same_place and whole and literal_is(clearing.args[-1], 0.0) else None
