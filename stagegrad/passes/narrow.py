"""IR in 64-bit floats -> the same IR in floats of 32 bits.

`narrow` takes a module of numbers and returns one in which every float, parameters, locals and results alike, is as narrow as NumPy's
float32; what is made of ints alone (``n / 3``, ``float(n)``) is converted once:

    f(x: float, n: int): %1 = mul(x, 0.5); %2 = div(n, 3)  ->  f(x: float32, n: int): %1 = mul(x, 0.5); %3 = div(n, 3); %2 = cast(%3)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from stagegrad.ir import (
    FLOAT,
    Atom,
    Block,
    Call,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Remark,
    Stage,
    Stmt,
    Type,
    Var,
    While,
    bound,
    rename_function,
    with_blocks,
)  # fmt: skip
from stagegrad.ops import find

FLOAT32 = Type("float", 0, 32)


def can_narrow(module: Module) -> bool:
    """Whether a module computes with numbers alone: of an array, the width of its elements is part of how it is made."""
    return not any(var.type.rank for function in module.functions for var in _values(function))


def narrow(module: Module) -> Module:
    """The module with 32 bits in every float; only for what `can_narrow`."""
    return fit_constants(Module(tuple(map(_narrowed, module.functions))))


def fit_constants(module: Module) -> Module:
    """The module with constants as narrow as the values that they are carried into, yielded for or passed as."""
    return Module(tuple(_Fitting(module).function(function) for function in module.functions))


def _values(function: Function) -> Iterator[Var]:
    yield from function.params
    yield from bound(function.body)


# ---------------------------------------------------------------------------------------------- values


def _narrowed(function: Function) -> Function:
    mapping = {var: replace(var, type=FLOAT32) for var in _values(function) if var.type == FLOAT}
    renamed = rename_function(function, mapping)
    body = _converting(renamed.body, Fresh(renamed))
    results = (replace(r, type=FLOAT32) if isinstance(r, Lit) and r.type == FLOAT else r for r in body.results)
    return replace(renamed, body=replace(body, results=tuple(results)))


def _converting(block: Block, fresh: Fresh) -> Block:
    """The block with a conversion behind each stage that gives a wider float than its result has become."""
    stmts: list[Stmt] = []
    for stmt in block.stmts:
        if isinstance(stmt, Stage):
            stmts += _converted(stmt, fresh)
        else:
            stmts.append(with_blocks(stmt, lambda inner: _converting(inner, fresh)))
    return replace(block, stmts=tuple(stmts))


def _converted(stage: Stage, fresh: Fresh) -> list[Stmt]:
    types = [arg.type for arg in stage.args]
    if stage.op == "to_float" and types == [FLOAT32]:
        return [replace(stage, op="copy")]
    if stage.out.type != FLOAT32 or find(stage.op).type_of(types, dict(stage.attrs)) == FLOAT32:
        return [stage]
    wide = fresh.var("", FLOAT)
    return [replace(stage, out=wide), Stage(stage.out, "cast", (wide,), (("bits", 32),), stage.note, stage.span)]


# ---------------------------------------------------------------------------------------------- constants


class _Fitting:
    """Gives constants the type of what they become; in arithmetic they may stay as they are."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def function(self, function: Function) -> Function:
        return replace(function, body=self.block(function.body))

    def block(self, block: Block) -> Block:
        return replace(block, stmts=tuple(map(self.stmt, block.stmts)))

    def stmt(self, stmt: Stmt) -> Stmt:
        stmt = with_blocks(stmt, self.block)
        match stmt:
            case If():
                return replace(stmt, then=_yielding(stmt.then, stmt.outs), orelse=_yielding(stmt.orelse, stmt.outs))
            case For() | While():
                vars = [carry.var for carry in stmt.carries]
                inits = _fitted([carry.init for carry in stmt.carries], vars)
                carries = tuple(replace(carry, init=init) for carry, init in zip(stmt.carries, inits, strict=True))
                return replace(stmt, carries=carries, body=_yielding(stmt.body, vars))
            case Call():
                return replace(stmt, args=_fitted(stmt.args, self.module[stmt.fn].params))
            case Stage() | Raise() | Remark():
                return stmt
            case _:
                raise TypeError(f"not a statement: {stmt!r}")


def _yielding(block: Block, vars: Sequence[Var]) -> Block:
    return replace(block, results=_fitted(block.results, vars))


def _fitted(atoms: Sequence[Atom], vars: Sequence[Var]) -> tuple[Atom, ...]:
    pairs = zip(atoms, vars, strict=True)
    return tuple(replace(a, type=FLOAT32) if var.type == FLOAT32 and isinstance(a, Lit) and a.type == FLOAT else a for a, var in pairs)
