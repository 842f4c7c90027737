"""A trip that runs again and is then undone asks each of its questions twice; it need ask only once.

if x > 1.0:                           if x > 1.0:
    y = a * x                             y = a * x
else:                                     dx += ...
    y = b * x                 ->      else:
if x > 1.0:                               y = b * x
    dx += ...                             dx += ...
else:
    dx += ...
"""

from __future__ import annotations

from stagegrad.ir import Block, If, Lit, Stage, Stmt, free, substitute, walk
from stagegrad.ops import find


def joined(block: Block) -> Block:
    """The block with one branch for two on the same test, in its arms too, where all between them may as well come before both."""
    stmts: list[Stmt] = []
    for stmt in block.stmts:
        place = _first_half(stmts, stmt) if isinstance(stmt, If) else None
        if place is None:
            stmts.append(stmt)
            continue
        first = stmts.pop(place)
        assert isinstance(first, If) and isinstance(stmt, If)
        stmts.append(_as_one(first, stmt))
    return Block(tuple(stmts), block.results)


def _first_half(stmts: list[Stmt], branch: If) -> int | None:
    """The place of the last branch on the same test, if nothing behind it needs it or must stay behind it."""
    if isinstance(branch.test, Lit):
        return None
    for place in range(len(stmts) - 1, -1, -1):
        stmt = stmts[place]
        if isinstance(stmt, If) and stmt.test == branch.test:
            between = stmts[place + 1 :]
            return place if free(Block(tuple(between))).isdisjoint(stmt.outs) else None
        if not _only_computes(stmt):
            return None
    return None


#: Of the operations that are no arithmetic, those that read and neither write nor ask for memory.
_READINGS = frozenset({"load", "copy", "to_float", "to_int", "is_true", "extent", "size"})


def _only_computes(stmt: Stmt) -> bool:
    """Does a statement do nothing but compute, so that it may as well come a little earlier?"""
    inside = walk(Block((stmt,))) if isinstance(stmt, If) else (stmt,)
    return all(isinstance(one, If) or (isinstance(one, Stage) and _is_reading(one)) for one in inside)


def _is_reading(stage: Stage) -> bool:
    return stage.op in _READINGS or find(stage.op).kind != "structural"


def _as_one(first: If, second: If) -> If:
    """Two branches on one test, the second behind the first in each arm."""
    arms = []
    for before, after in ((first.then, second.then), (first.orelse, second.orelse)):
        known = dict(zip(first.outs, before.results, strict=True))
        behind = substitute(after, known)
        arms.append(joined(Block((*before.stmts, *behind.stmts), (*before.results, *behind.results))))
    return If(first.test, arms[0], arms[1], (*first.outs, *second.outs), second.note, second.span)
