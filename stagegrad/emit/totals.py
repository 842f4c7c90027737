"""IR -> IR for compiled code: what every trip of a loop adds to one and the same element is added up in a number of its own.

    for j in range(n):                        ->    dxi = 0.0
        dx[i] += dx2                                for j in range(n):
                                                        dxi = plus(dxi, dx2)
                                                    if dxi != 0.0:
                                                        dx[i] += dxi

Only gradients are added to in this way, in an order that is nobody's. A loop without trips adds nothing, and asks for no element. The
elements of an array that a loop adds to may be one, for all that LLVM knows; without that one, its trips may become vector instructions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from stagegrad.ir import (
    BOOL,
    FLOAT,
    Atom,
    Attr,
    Block,
    Carry,
    For,
    Fresh,
    Function,
    If,
    Stage,
    Stmt,
    Var,
    blocks,
    bound,
    uses,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.ops import literal

ZERO = literal(0.0)
#: How and by which indices a stage names an element: as texts, ``[{0}, {1}]`` and ``[{1}, {0}]`` are two.
_Place: TypeAlias = tuple[tuple[tuple[str, Attr], ...], tuple[Atom, ...]]


def summed_apart(function: Function) -> Function:
    """The function with one sum for each element that all trips of a loop add to."""
    apart = _Apart(Fresh(function))
    body = apart.block(function.body)
    return replace(function, body=body) if apart.changed else function


def only_adds(loop: For) -> bool:
    """Does a trip hand nothing on but sums in any order: numbers, and elements of arrays that nothing else in the loop reads?"""
    reads = _Reads(loop)
    return all(
        result == carry.var or bool(reads.additions(place))
        for place, (carry, result) in enumerate(zip(loop.carries, loop.body.results, strict=True))
    )


@dataclass
class _Apart:
    """One walk through a function, innermost loops first."""

    fresh: Fresh
    changed: bool = False

    def block(self, block: Block) -> Block:
        return replace(block, stmts=tuple(new for stmt in block.stmts for new in self.stmt(stmt)))

    def stmt(self, stmt: Stmt) -> list[Stmt]:
        stmt = with_blocks(stmt, self.block)
        if not isinstance(stmt, For) or stmt.until is not None or stmt.parallel:
            return [stmt]
        loop, after = self.with_sums(stmt)
        self.changed = self.changed or bool(after)
        return [loop, *after]

    def with_sums(self, loop: For) -> tuple[For, list[Stmt]]:
        """The loop without what it adds to the same element on every trip, and the statements behind it that add that at once."""
        after: list[Stmt] = []
        inside = {*bound(loop.body), loop.index, *(carry.var for carry in loop.carries)}
        reads = _Reads(loop)
        for place, carry in enumerate(loop.carries):
            chain = reads.additions(place) if carry.var.type.rank and carry.var.type.bits == 64 else []
            steady = [stage for stage in chain if inside.isdisjoint(variables(stage.args[1:-1])) and isinstance(stage.args[-1], Var)]
            if steady:
                loop, behind = self.summed(loop, place, chain, steady)
                after += behind
        return loop, after

    def summed(self, loop: For, place: int, chain: Sequence[Stage], steady: Sequence[Stage]) -> tuple[For, list[Stmt]]:
        array = loop.carries[place]
        sums: dict[_Place, tuple[Stage, Carry]] = {}
        totals: dict[_Place, Atom] = {}
        replaced: dict[Var, Stage] = {}
        end: Atom = array.var
        for stage in chain:
            key = stage.attrs, stage.args[1:-1]
            if stage not in steady:
                replaced[stage.out] = replace(stage, args=(end, *stage.args[1:]))
                end = stage.out
                continue
            term = stage.args[-1]
            assert isinstance(term, Var)
            if key not in sums:
                carry = Carry(self.fresh.var(term.name, FLOAT), ZERO, self.fresh.var(term.name, FLOAT))
                sums[key], totals[key] = (stage, carry), carry.var
            total = self.fresh.var(term.name, FLOAT)
            replaced[stage.out] = Stage(total, "plus", (totals[key], term), (), stage.note, stage.span)
            totals[key] = total
        stmts = tuple(replaced.get(stmt.out, stmt) if isinstance(stmt, Stage) else stmt for stmt in loop.body.stmts)
        results = [*loop.body.results, *totals.values()]
        results[place] = end
        out = self.fresh.like(array.out)
        carries = (*loop.carries[:place], replace(array, out=out), *loop.carries[place + 1 :], *(carry for _, carry in sums.values()))
        return replace(loop, carries=carries, body=Block(stmts, tuple(results))), self.added(array.out, out, list(sums.values()))

    def added(self, final: Var, array: Var, sums: Sequence[tuple[Stage, Carry]]) -> list[Stmt]:
        """``if s != 0.0: a[i] += s`` for each sum: an element that no trip has asked for is not asked for here."""
        found: list[Stmt] = []
        for count, (like, carry) in enumerate(sums, 1):
            test = self.fresh.var("", BOOL)
            more = self.fresh.like(array)
            out = final if count == len(sums) else self.fresh.like(array)
            add = replace(like, out=more, args=(array, *like.args[1:-1], carry.out), note="")
            found += [Stage(test, "ne", (carry.out, ZERO)), If(test, Block((add,), (more,)), Block((), (array,)), (out,))]
            array = out
        return found


class _Reads:
    """Who reads what in the body of a loop."""

    def __init__(self, loop: For) -> None:
        self.loop = loop
        self.stages = {stmt.out: stmt for stmt in loop.body.stmts if isinstance(stmt, Stage)}
        self.count: Counter[Var] = Counter(variables(loop.body.results))
        for stmt in walk(loop.body):
            self.count.update(variables(uses(stmt)))
            self.count.update(var for inner in blocks(stmt) for var in variables(inner.results))

    def additions(self, place: int) -> list[Stage]:
        """The stages of a trip that make a carried value, in order, where all of them add to it and nothing else reads it."""
        carry, end = self.loop.carries[place], self.loop.body.results[place]
        found: list[Stage] = []
        while end != carry.var:
            stage = self.stages.get(end) if isinstance(end, Var) else None
            if stage is None or not _adds(stage) or self.count[stage.out] != 1:
                return []
            found.append(stage)
            end = stage.args[0]
        return found[::-1] if self.count[carry.var] == 1 else []


def _element(stage: Stage) -> tuple[Atom, ...] | None:
    """The index of the one element that a stage reads or writes; None for any other stage."""
    index = stage.args[1:] if stage.op == "load" else stage.args[1:-1] if stage.op in ("store", "accumulate") else ()
    axes = str(dict(stage.attrs).get("at", "[{0}]"))[1:-1].split(", ")
    one = all(re.fullmatch(r"\{\d+\}", axis) for axis in axes) and not any(atom.type.rank for atom in stage.args[1:])
    return index if one and len(index) == len(axes) == stage.args[0].type.rank else None


def _adds(stage: Stage) -> bool:
    """Is it a sum whose order is free, of numbers or of an element and a number?"""
    return stage.op in ("plus", "minus") or (stage.op == "accumulate" and _element(stage) is not None)
