"""Functions of arrays that a loop calls -> their statements in the loop, so that it is known there what becomes of the arrays.

    def rate(u, c):                          for k in range(steps):
        du = zeros_like(u)                       du = zeros_like(u)
        du[1:-1] = ...                           du[1:-1] = ...
        return du                    ->          u = u + h * du

    for k in range(steps):
        u = u + h * rate(u, c)

Apart, each would make its arrays, hand them over, and be run again backward; nobody would know that a rate has the shape of its state.
Functions of numbers stay what they are: LLVM puts them in their place itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stagegrad.ir import (
    Atom,
    Block,
    Call,
    For,
    Fresh,
    Function,
    Lit,
    Module,
    Stage,
    Stmt,
    Var,
    While,
    bound,
    clone,
    rename,
    substitute,
    walk,
    with_blocks,
)

#: Functions of more statements stay apart, and so does what would make the caller longer than that.
_LONG, _TOO_LONG = 60, 400


def inlined(module: Module) -> Module:
    """The module whose main function has short functions of arrays in its loops, rather than calls of them."""
    main = module.main
    names = {stmt.fn for loop in main.body.stmts if isinstance(loop, (For, While)) for stmt in _calls(Block((loop,)))}
    suited = {name: module[name] for name in names if _is_suited(module[name], main)}
    if not suited:
        return module
    found = _Inlining(main, suited)
    body = replace(main.body, stmts=tuple(new for stmt in main.body.stmts for new in found.outer(stmt)))
    return Module((replace(main, body=body), *module.functions[1:]))


def _calls(block: Block) -> list[Call]:
    return [stmt for stmt in walk(block) if isinstance(stmt, Call)]


def _is_suited(function: Function, main: Function) -> bool:
    """Is a function a short one of arrays, which calls no other?"""
    arrays = any(var.type.rank for var in function.params) and any(result.type.rank for result in function.body.results)
    count = sum(1 for _ in walk(function.body))
    return arrays and count <= _LONG and function is not main and not function.given and not _calls(function.body)


class _Inlining:
    """One walk through the main function."""

    def __init__(self, main: Function, suited: dict[str, Function]) -> None:
        self.fresh, self.suited = Fresh(main), suited
        self.length = sum(1 for _ in walk(main.body))

    def outer(self, stmt: Stmt) -> list[Stmt]:
        """A statement of the main function's own: what is called in its loops is put there."""
        return [with_blocks(stmt, self.block)] if isinstance(stmt, (For, While)) else [stmt]

    def block(self, block: Block) -> Block:
        stmts = list[Stmt]()
        for stmt in block.stmts:
            stmts += self.call(stmt) if isinstance(stmt, Call) else [with_blocks(stmt, self.block)]
        return replace(block, stmts=tuple(stmts))

    def call(self, call: Call) -> list[Stmt]:
        """What a function does, in the place of its call."""
        function = self.suited.get(call.fn)
        args = _passed(call.args, function.params) if function is not None else None
        if function is None or args is None or call.onto:
            return [call]
        length = sum(1 for _ in walk(function.body))
        if self.length + length > _TOO_LONG:
            return [call]
        self.length += length
        body, _ = clone(function.body, self.fresh)
        body = substitute(body, dict(zip(function.params, args, strict=True)))
        made, names, copies = bound(body), dict[Var, Var](), list[Stmt]()
        for out, result in zip(call.outs, body.results, strict=True):
            if isinstance(result, Var) and result in made and result not in names and result.type == out.type:
                names[result] = out
            else:
                copies.append(Stage(out, "copy", (names.get(result, result) if isinstance(result, Var) else result,), span=call.span))
        return [*rename(body, names).stmts, *copies]


def _passed(args: Sequence[Atom], params: Sequence[Var]) -> tuple[Atom, ...] | None:
    """The arguments of a call as the function's own values; None where they are converted on their way."""
    found = list[Atom]()
    for arg, param in zip(args, params, strict=True):
        if isinstance(arg, Lit) and param.type.kind == "float" and isinstance(arg.value, int) and not isinstance(arg.value, bool):
            arg = Lit(float(arg.value), param.type)
        if arg.type != param.type:
            return None
        found.append(arg)
    return tuple(found)
