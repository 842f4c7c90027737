"""A write to the whole of an array -> the array anew: ``x.1 = store(x.0, [:], s)`` with ``s = add(x.0, y)`` -> ``x.1 = add(x.0, y)``.

``x += y`` means that to an array whose elements nobody reads through another name, and in the IR, where arrays are values, nobody
does. What was in x need not be put aside then, nor put back, and its gradient is that of the sum. It takes that the new elements are as
many as the old ones, which is known of sizes that met before the write: where it is not, the write stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from stagegrad.ir import Atom, Block, Function, Module, Stage, Stmt, Var, rename_function, substitute, walk, with_blocks
from stagegrad.ops import find
from stagegrad.shapes import Dimensions, walked

_EVERYTHING = re.compile(r"\[(:|\.\.\.)(, :)*\]")


def rebind(module: Module) -> Module:
    """The module whose arrays are made anew where all of an array is written to."""
    return Module(tuple(_rebound(function, module) for function in module.functions))


def _rebound(function: Function, module: Module) -> Function:
    if not any(isinstance(stmt, Stage) and _writes_all(stmt) for stmt in walk(function.body)):
        return function
    function = replace(function, body=_as_wholes(function.body))
    fitting = walked(_Fitting(module=module), function).fitting
    names: dict[Var, Var] = {}
    body = _anew(function.body, fitting, names)
    return rename_function(replace(function, body=body), names)


def _as_wholes(body: Block) -> Block:
    """The block in which what is read of an array as a whole, ``x[:]``, is the array."""
    whole: dict[Var, Atom] = {}
    for stmt in walk(body):
        if isinstance(stmt, Stage) and stmt.op == "load" and len(stmt.args) == 1 and _is_everything(stmt):
            array = stmt.args[0]
            whole[stmt.out] = whole.get(array, array) if isinstance(array, Var) else array
    return substitute(body, whole)


def _is_everything(stage: Stage) -> bool:
    return _EVERYTHING.fullmatch(str(dict(stage.attrs).get("at"))) is not None


def _writes_all(stage: Stage) -> bool:
    """Is every element of an array written to, by an array of its type?"""
    if stage.op != "store" or len(stage.args) != 2 or stage.args[1].type != stage.args[0].type or not isinstance(stage.args[1], Var):
        return False
    return _is_everything(stage)


@dataclass
class _Fitting(Dimensions):
    """A walk that notes which of these writes bring as many elements as there were, whenever they come to run."""

    fitting: set[Var] = field(default_factory=set)

    def stage(self, stage: Stage) -> None:
        super().stage(stage)
        if _writes_all(stage):
            old, new = (tuple(map(self.equal, self.shape(arg))) for arg in stage.args)
            (self.fitting.add if old == new else self.fitting.discard)(stage.out)  # the last walk through a loop is the one that counts


def _anew(block: Block, fitting: set[Var], names: dict[Var, Var]) -> Block:
    """The block without these writes; `names` takes what was written and had no name, which gets that of the array."""
    made = {stmt.out for stmt in block.stmts if isinstance(stmt, Stage) and find(stmt.op).kind in ("elementwise", "flat")}
    stmts: list[Stmt] = []
    for stmt in block.stmts:
        if not isinstance(stmt, Stage) or stmt.out not in fitting:
            stmts.append(with_blocks(stmt, lambda inner: _anew(inner, fitting, names)))
            continue
        value = stmt.args[1]
        if isinstance(value, Var) and not value.name and value in made and value not in names:
            names[value] = stmt.out
        else:
            stmts.append(replace(stmt, op="duplicate", args=(value,), attrs=()))
    return replace(block, stmts=tuple(stmts))
