"""Vectors that a trip of a loop fills and forgets are made once, before the loop.

    for i in range(n):                        r = room(m)
        for j in range(n):                    for i in range(n):
            r = room(m)               ->          for j in range(n):
            for k in range(m):                        for k in range(m):
                r[k] = x[j, k] - x[i, k]                  r[k] = x[j, k] - x[i, k]
            s += dot(r, r)                            s += dot(r, r)

To make a vector and to free it takes as long as thirty operations on numbers, and a position in space has three. Such a vector has no
contents when it is made, so that it may as well hold what the trip before has left there. Nothing but its own trip reads it: it is not
yielded, nor is a view of it, and no function is given it. Its length is known before the loop.

`scratch_before_loops` is ``Module -> Module``, for the target "numba".
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from stagegrad.ir import (
    Atom,
    Block,
    Call,
    Carry,
    For,
    Fresh,
    Function,
    If,
    Module,
    Stage,
    Stmt,
    Var,
    While,
    blocks,
    bound,
    inner_binds,
    read,
    substitute,
    uses,
    walk,
    with_blocks,
)
from stagegrad.names import count_reads
from stagegrad.ops import find

_WRITES = frozenset({"store", "accumulate"})
#: How a length is computed; none of it raises.
_LENGTHS = frozenset({"extent", "size", "count", "add", "sub", "mul", "max", "min", "copy"})


def scratch_before_loops(module: Module) -> Module:
    """The module with vectors that trips of loops make for themselves before these loops."""
    return Module(tuple(_Scratch(function).function() for function in module.functions))


class _Scratch:
    """One walk through a function, innermost loops first."""

    def __init__(self, function: Function) -> None:
        self.of, self.fresh = function, Fresh(function)
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.copied = set[Var]()  # lengths that are computed before a loop, which may be in another one

    def function(self) -> Function:
        if not any(map(_makes_room, self.makers.values())):
            return self.of
        body = self.block(self.of.body, None)
        return replace(self.of, body=self.pruned(body, count_reads(body))) if self.copied or body != self.of.body else self.of

    def pruned(self, block: Block, reads: Mapping[Var, int]) -> Block:
        """The block without lengths that a vector took with it to where it is made now."""
        kept = (stmt for stmt in block.stmts if not isinstance(stmt, Stage) or stmt.out not in self.copied or reads[stmt.out])
        return replace(block, stmts=tuple(with_blocks(stmt, lambda inner: self.pruned(inner, reads)) for stmt in kept))

    def block(self, block: Block, inside: Set[Var] | None) -> Block:
        """A block; `inside` is what the loop around it binds, and None where there is no loop."""
        stmts = list[Stmt]()
        for stmt in block.stmts:
            own = {*inner_binds(stmt), *bound(Block((stmt,)))} if isinstance(stmt, (For, While)) else inside
            stmt = with_blocks(stmt, lambda inner, own=own: self.block(inner, own))  # type: ignore[misc]
            stmts += self.behind_vectors(stmt, own) if isinstance(stmt, (For, While, If)) and own is not None else [stmt]
        return replace(block, stmts=tuple(stmts))

    def behind_vectors(self, stmt: For | While | If, inside: Set[Var]) -> list[Stmt]:
        """A loop, or a branch in one, behind the vectors that it made for itself, as far as their lengths are known outside of the loop."""
        made = list[Stmt]()
        known = dict[Var, Atom]()
        arms = (stmt.then, stmt.orelse) if isinstance(stmt, If) else (stmt.body,)
        for number, arm in enumerate(arms):
            for stage in arm.stmts:
                if not isinstance(stage, Stage) or not _makes_room(stage):
                    continue
                now = blocks(stmt)[number] if isinstance(stmt, If) else blocks(stmt)[-1]
                last = _end(now, stage.out, set())
                length = self.length(stage.args[0], inside, known, made) if last is not None else None
                if last is not None and length is not None:
                    start = self.fresh.like(stage.out)
                    made.append(replace(stage, out=start, args=(length,)))
                    stmt = self.threaded(stmt, now, stage, start, last)
        return [*made, stmt]

    def length(self, atom: Atom, inside: Set[Var], found: dict[Var, Atom], first: list[Stmt]) -> Atom | None:
        """A length, computed before a statement; None for what is not known there."""
        if not isinstance(atom, Var) or (atom not in inside and atom not in self.copied):
            return atom
        if atom in found:
            return found[atom]
        made = self.makers.get(atom)
        if made is None or made.op not in _LENGTHS:
            return None
        args = [self.length(arg, inside, found, first) for arg in made.args]
        known = [arg for arg in args if arg is not None]
        if len(known) < len(args):
            return None
        copy = replace(made, out=self.fresh.like(atom), args=tuple(known), note="")
        first.append(copy)
        self.makers[copy.out] = copy
        self.copied.add(copy.out)
        found[atom] = copy.out
        return copy.out

    def threaded(self, stmt: For | While | If, block: Block, stage: Stage, start: Var, last: Var) -> For | While | If:
        """The statement with a vector from outside, which a loop carries and a branch hands on."""
        stmts = tuple(one for one in block.stmts if not (isinstance(one, Stage) and one.out == stage.out))
        out = self.fresh.like(stage.out)
        if not isinstance(stmt, If):
            return replace(stmt, carries=(*stmt.carries, Carry(stage.out, start, out)), body=Block(stmts, (*block.results, last)))
        own = substitute(Block(stmts, (*block.results, last)), {stage.out: start})
        first = block is stmt.then
        other = stmt.orelse if first else stmt.then
        other = replace(other, results=(*other.results, start))
        return replace(stmt, then=own if first else other, orelse=other if first else own, outs=(*stmt.outs, out))


def _makes_room(stage: Stage) -> bool:
    return stage.op == "empty_of" and stage.out.type.rank == 1


# ---------------------------------------------------------------------------------------------- what becomes of a vector


def _end(block: Block, now: Var, kept: Set[Var]) -> Var | None:
    """What the writes of a block make of an array, if nothing of it leaves the block in another way; None where that is not certain.

    `kept` are other values that lie in the same memory.
    """
    kept = {*kept, now}
    for stmt in block.stmts:
        if kept.isdisjoint(read(Block((stmt,)))):
            continue
        after = _after(stmt, now, kept)
        if after is None:
            return None
        now = after
        kept.add(now)
        if isinstance(stmt, Stage) and stmt.out.type.rank and _shares(stmt):
            kept.add(stmt.out)
    return now if kept.isdisjoint(block.results) else None


def _after(stmt: Stmt, now: Var, kept: Set[Var]) -> Var | None:
    """What a statement makes of an array."""
    own = [atom for atom in uses(stmt) if atom in kept]
    match stmt:
        case Stage(op=op) if op in _WRITES and stmt.args[0] in kept:
            return stmt.out if own == [now] else None
        case For() | While() if own:
            return _after_loop(stmt, now, kept) if own == [now] else None
        case If():
            return _after_branch(stmt, now, kept)
        case Call() if own:
            return None
        case _:
            return now if all(_end(inner, now, kept) == now for inner in blocks(stmt)) else None


def _after_loop(loop: For | While, now: Var, kept: Set[Var]) -> Var | None:
    place = next(k for k, carry in enumerate(loop.carries) if carry.init == now)
    carry, result = loop.carries[place], loop.body.results[place]
    test = [loop.test] if isinstance(loop, While) else []
    stays = _end(_without(loop.body, place), carry.var, kept) == result and all(_end(one, carry.var, kept) == carry.var for one in test)
    return carry.out if stays else None


def _after_branch(stmt: If, now: Var, kept: Set[Var]) -> Var | None:
    arms = (stmt.then, stmt.orelse)
    for place, out in enumerate(stmt.outs):
        if out.type == now.type and all(_end(_without(arm, place), now, kept) == arm.results[place] for arm in arms):
            return out
    return now if all(_end(arm, now, kept) == now for arm in arms) else None


def _without(block: Block, place: int) -> Block:
    """The block that does not yield one of its results."""
    return replace(block, results=(*block.results[:place], *block.results[place + 1 :]))


def _shares(stage: Stage) -> bool:
    """May the result of a stage lie in the memory of an operand?"""
    return stage.op in ("copy", "load") or find(stage.op).view
