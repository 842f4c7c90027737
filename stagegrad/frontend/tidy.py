"""Takes out of a lowered function what nobody reads, and numbers its values in the order of the text.

    if c -> (x.3, %7):        if c -> (x.1):
      yield 1.0, True           yield 1.0
    else:                     else:
      yield 2.0, False          yield 2.0

Merged values, carried values, flags and conversions go; the user's own operations stay, since they may raise.
"""

from __future__ import annotations

from dataclasses import replace

from stagegrad.ir import (
    BOOL,
    Block,
    Carry,
    For,
    Function,
    If,
    Lit,
    Raise,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    inner_binds,
    read,
    rename_function,
    uses,
    variables,
    walk,
)  # fmt: skip

#: Operations that cannot raise and that lowering adds on its own.
_OURS = frozenset({"to_float", "is_true", "not", "size", "extent"})


def tidy(function: Function) -> Function:
    """The function without unread merges and carries, its values numbered from 0 under each name."""
    body = _prune(function.body, set(variables(function.body.results)))
    function = replace(function, body=body)
    versions: dict[str, int] = {}
    mapping: dict[Var, Var] = {}
    for var in (*function.params, *(var for stmt in walk(body) for var in (*inner_binds(stmt), *binds(stmt)))):
        versions[var.name] = versions.get(var.name, -1) + 1
        mapping[var] = Var(var.name, var.type, versions[var.name])
    return rename_function(function, mapping)


def _prune(block: Block, needed: set[Var]) -> Block:
    """The block without what is not in `needed`; the values that it reads itself are added to `needed`."""
    kept: list[Stmt] = []
    for stmt in reversed(block.stmts):
        left = _pruned(stmt, needed)
        if left is not None:
            kept.append(left)
            needed.update(variables(uses(left)))
    return Block(tuple(reversed(kept)), block.results)


def _pruned(stmt: Stmt, needed: set[Var]) -> Stmt | None:
    match stmt:
        case Stage(out, op, args) if out not in needed and (op in _OURS or (op == "to_int" and args[0].type == BOOL)):
            return None
        case If():
            return _branch(stmt, needed)
        case For() | While():
            return _loop(stmt, needed)
        case Raise(Lit(False)):
            return None
        case _:
            return stmt


def _branch(stmt: If, needed: set[Var]) -> If | None:
    wanted = [k for k, out in enumerate(stmt.outs) if out in needed]
    arms = []
    for arm in (stmt.then, stmt.orelse):
        results = tuple(arm.results[k] for k in wanted)
        inside = set(variables(results))
        arms.append(_prune(Block(arm.stmts, results), inside))
        needed |= inside
    if not wanted and not arms[0].stmts and not arms[1].stmts:
        return None
    return replace(stmt, then=arms[0], orelse=arms[1], outs=tuple(stmt.outs[k] for k in wanted))


def _loop(stmt: For | While, needed: set[Var]) -> For | While:
    """Keeps the carries that are read after the loop, and those that these need, until no more are found."""
    wanted = {k for k, carry in enumerate(stmt.carries) if carry.out in needed or carry.var == stmt.until}
    while True:
        order = sorted(wanted)
        results = tuple(stmt.body.results[k] for k in order)
        inside: set[Var] = set(variables(results))
        body = _prune(Block(stmt.body.stmts, results), inside)
        if isinstance(stmt, While):
            inside |= read(stmt.test)
        more = {k for k, carry in enumerate(stmt.carries) if carry.var in inside} - wanted
        if not more:
            break
        wanted |= more
    needed |= inside
    carries: tuple[Carry, ...] = tuple(stmt.carries[k] for k in order)
    if isinstance(stmt, For):
        return replace(stmt, carries=carries, body=body)
    return replace(stmt, carries=carries, test=_prune(stmt.test, set(variables(stmt.test.results))), body=body)
