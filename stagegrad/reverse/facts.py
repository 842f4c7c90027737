"""What a sweep knows of its function before it begins: facts about values that only the backward pass asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from stagegrad.analysis import reached
from stagegrad.ir import (
    Atom,
    Attr,
    Block,
    Call,
    For,
    Function,
    If,
    Lit,
    Stage,
    Var,
    While,
    binds,
    blocks,
    uses,
    walk,
)  # fmt: skip
from stagegrad.ops import find


def scopes(function: Function) -> list[Var]:
    """The arrays that are there all through a function: its parameters, then what its own statements make, no branch or loop around."""
    outer = [*function.params, *(var for stmt in function.body.stmts for var in binds(stmt))]
    return [var for var in outer if var.type.rank]


#: Operations whose value overflows at an ordinary operand, and the angle of the origin, which has no slope.
GROWING = {"atan2", "exp", "exp2", "expm1", "sinh", "cosh", "pow", "powi", "pow_positive", "gamma", "lgamma"}
_BOUNDED = {"tanh", "sigmoid", "logistic", "cosigmoid", "atan", "erf", "erfc"}


def unbounded(block: Block, handed: Iterable[Atom]) -> set[Atom]:
    """The values that can be infinite or nan at ordinary parameters, because an operation with a pole or an overflow made them.

    `handed` are values that a caller may have made infinite. A product of such a value with a gradient of zero would be nan, so where
    a zero gradient can arrive it is guarded.
    """
    found: set[Atom] = {*filter(is_infinite, atoms(block)), *handed}
    flows: list[tuple[Atom, Var]] = []
    for stmt in walk(block):
        if isinstance(stmt, Stage) and stmt.out.type.kind == "float":
            op = find(stmt.op)
            if op.pole or op.name in GROWING:
                found.add(stmt.out)
            elif op.name not in _BOUNDED:
                flows += [(arg, stmt.out) for arg in stmt.args]
        elif isinstance(stmt, If):
            flows += [pair for arm in (stmt.then, stmt.orelse) for pair in zip(arm.results, stmt.outs, strict=True)]
        elif isinstance(stmt, (For, While)):
            for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                flows += [(carry.init, carry.var), (result, carry.var), (carry.var, carry.out)]
        elif isinstance(stmt, Call):
            found.update(stmt.outs)
    return reached(found, flows)


def atoms(block: Block) -> Iterator[Atom]:
    """Every atom that is read somewhere in a block."""
    yield from block.results
    for stmt in block.stmts:
        yield from uses(stmt)
        for inner in blocks(stmt):
            yield from atoms(inner)


def is_infinite(atom: Atom) -> bool:
    """Is it a constant infinity (or nan)? What it meets may be multiplied by a zero that it has made itself: exp(-inf)."""
    return isinstance(atom, Lit) and isinstance(atom.value, float) and not math.isfinite(atom.value)


def library(block: Block) -> tuple[tuple[str, Attr], ...]:
    """How divisions fail in a function that calls NumPy: its numbers are NumPy's then, which do not raise at a pole."""
    stages = (stmt for stmt in walk(block) if isinstance(stmt, Stage))
    return (("lib", "numpy"),) if any(dict(stage.attrs).get("lib") == "numpy" for stage in stages) else ()


def conditional(block: Block) -> set[Var]:
    """The arrays that only one arm of a branch makes: their size can be asked for only where that arm ran."""
    found: set[Var] = set()
    for stmt in walk(block):
        if isinstance(stmt, If):
            for out, *results in zip(stmt.outs, stmt.then.results, stmt.orelse.results, strict=True):
                if out.type.rank and any(isinstance(r, Lit) or r in found for r in results):
                    found.add(out)
    return found
