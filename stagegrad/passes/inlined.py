"""Functions of arrays -> their statements where they are called, so that it is known what becomes of the arrays.

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

from stagegrad.analysis import reachable
from stagegrad.ir import (
    Atom,
    Block,
    Call,
    Fresh,
    Function,
    Lit,
    Module,
    Stage,
    Stmt,
    Var,
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
    """The module with what short functions of arrays do where they are called; those that nobody calls any more are gone."""
    done = {function.name: function for function in module.functions}
    for function in reversed(module.functions):  # who calls stands before who is called
        names = {call.fn for call in _calls(function.body)} - {function.name, module.main.name}
        suited = {name: done[name] for name in names if _is_suited(done[name])}
        if suited:
            done[function.name] = replace(function, body=_Inlining(function, suited).block(function.body))
    found = Module(tuple(done.values()))
    return module if found == module else reachable(found)


def _calls(block: Block) -> list[Call]:
    return [stmt for stmt in walk(block) if isinstance(stmt, Call)]


def _is_suited(function: Function) -> bool:
    """Is a function a short one of arrays, which calls no other?"""
    arrays = any(result.type.rank for result in function.body.results)
    count = sum(1 for _ in walk(function.body))
    return arrays and count <= _LONG and not function.given and not _calls(function.body)


class _Inlining:
    """One walk through a function that calls them."""

    def __init__(self, caller: Function, suited: dict[str, Function]) -> None:
        self.fresh, self.suited = Fresh(caller, *suited.values()), suited  # what is new is no parameter of theirs either
        self.length = sum(1 for _ in walk(caller.body))

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
