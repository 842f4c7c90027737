"""IR -> IR whose backward loops add products of matrices up where the sum lies, and turn a matrix once that every trip multiplies by.

    for t in range(n - 1, -1, -1):            wT = w.T.copy()
        dw = dw + x[t].T @ dz          ->     for t in range(n - 1, -1, -1):
        dh = dz @ w.T                             dw[:, :] += x[t].T @ dz
        ...                                       dh = dz @ wT
                                                  ...

A sum that is made anew in each trip is as much memory to write as all that the trip works on, and BLAS takes up to twice as long for a
small product whose second matrix does not lie row after row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from stagegrad.ir import Block, Carry, For, Fresh, Function, Module, Remark, Stage, Stmt, Var, binds, free, substitute, walk, with_blocks
from stagegrad.names import count_reads

#: Where the part of a function begins that computes gradients.
_BACKWARD = Remark("backward pass")


def trip_products(module: Module) -> Module:
    """The module with sums of products in their own memory, and matrices that loops multiply by turned before these."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    products = any(isinstance(stmt, Stage) and stmt.op == "matmul" for stmt in walk(function.body))
    behind = _backward_part(function.body) if products else len(function.body.stmts)
    counts, fresh = count_reads(function.body), Fresh(function)
    stmts = list(function.body.stmts[:behind])
    for stmt in function.body.stmts[behind:]:
        changed = _adding(stmt, counts)
        if isinstance(changed, For):
            turned, changed = _turned(changed, counts, fresh)
            stmts += turned
        stmts.append(changed)
    return replace(function, body=replace(function.body, stmts=tuple(stmts)))


def _backward_part(body: Block) -> int:
    """The position behind the last statement that is titled as the backward pass, or that does both; the end where there is none."""
    titled = (k for k, stmt in enumerate(body.stmts, 1) if _BACKWARD in (stmt, *walk(Block((stmt,)))))
    return max(titled, default=len(body.stmts))


# ---------------------------------------------------------------------------------------------- sums


def _adding(stmt: Stmt, counts: Counter[Var]) -> Stmt:
    """A statement whose loops add to the arrays that they carry, where they made the sum anew."""
    stmt = with_blocks(stmt, lambda block: replace(block, stmts=tuple(_adding(inner, counts) for inner in block.stmts)))
    if not isinstance(stmt, For):
        return stmt
    made = {var: inner for inner in stmt.body.stmts for var in binds(inner)}
    sums: dict[Var, Stage] = {}
    for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
        total = made.get(result) if isinstance(result, Var) else None
        if isinstance(total, Stage) and counts[total.out] == 1 and (added := _added(carry, total, made, counts)) is not None:
            at = f"[{', '.join(':' * carry.var.type.rank)}]"
            sums[total.out] = replace(total, op="accumulate", args=(carry.var, added), attrs=(("at", at), ("rank", carry.var.type.rank)))
    stmts = tuple(sums.get(inner.out, inner) if isinstance(inner, Stage) else inner for inner in stmt.body.stmts)
    return replace(stmt, body=replace(stmt.body, stmts=stmts))


def _added(carry: Carry, total: Stage, made: dict[Var, Stmt], counts: Counter[Var]) -> Var | None:
    """What a trip adds to an array that nothing else in it reads: a product as large; None where it does something else."""
    if total.op != "add" or not carry.var.type.rank or counts[carry.var] != 1 or carry.var not in total.args:
        return None
    (other,) = (arg for arg in total.args if arg != carry.var)
    maker = made.get(other) if isinstance(other, Var) else None
    product = isinstance(maker, Stage) and maker.op == "matmul"
    return other if product and isinstance(other, Var) and other.type == carry.var.type else None


# ---------------------------------------------------------------------------------------------- turned matrices


def _turned(loop: For, counts: Counter[Var], fresh: Fresh) -> tuple[list[Stmt], For]:
    """Copies of the matrices that a loop multiplies by turned, and the loop that takes those."""
    outside, before, mapping = free(loop.body), list[Stmt](), dict[Var, Var]()
    factors = Counter(_second_factors(loop.body))
    for stage in (stmt for stmt in walk(loop.body) if isinstance(stmt, Stage)):
        matrix = stage.args[0] if stage.op == "transpose" and not stage.attrs else None
        if matrix in outside and stage.out.type.rank == 2 and factors[stage.out] == counts[stage.out] > 0:
            view, copied = fresh.like(stage.out), fresh.like(stage.out)
            before += [replace(stage, out=view), Stage(copied, "duplicate", (view,), span=stage.span)]
            mapping[stage.out] = copied
    if not mapping:
        return [], loop
    (changed,) = _without(substitute(Block((loop,)), mapping), mapping).stmts
    assert isinstance(changed, For)
    return before, changed


def _second_factors(block: Block) -> Iterator[Var]:
    """What matrices are multiplied by, for each product of two."""
    for stmt in walk(block):
        if (
            isinstance(stmt, Stage)
            and stmt.op == "matmul"
            and all(arg.type.rank == 2 for arg in stmt.args)
            and isinstance(stmt.args[1], Var)
        ):
            yield stmt.args[1]


def _without(block: Block, gone: dict[Var, Var]) -> Block:
    """The block without the stages that made these."""
    kept = (stmt for stmt in block.stmts if not (isinstance(stmt, Stage) and stmt.out in gone))
    return replace(block, stmts=tuple(with_blocks(stmt, lambda inner: _without(inner, gone)) for stmt in kept))
