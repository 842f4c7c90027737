"""IR -> IR for compiled code: what a trip divides by more than once, it divides by once, and multiplies by the reciprocal.

    pull = num / den                     ->    per_den = 1.0 / den
    dnum = dpull / den                         pull = num * per_den
    dden = -pull * dpull / den                 dnum = dpull * per_den
                                               dden = -pull * dpull * per_den

A division takes as long as ten products, and is what the loops of gradients wait for. Only where the divisor certainly stays away from
zero: the reciprocal of a tiny number would be infinite where a quotient is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from stagegrad.emit.flags import innermost
from stagegrad.emit.rounding import Roundings
from stagegrad.ir import FLOAT, Atom, Block, For, Fresh, Function, Lit, Stage, Stmt, Var, with_blocks
from stagegrad.names import Words, reserved

_DIVISIONS = ("div", "divided")


def divided_once(function: Function) -> Function:
    """The function with one division for each divisor of an innermost loop, where no branch can see how quotients are rounded."""
    loops = [loop for loop in innermost(function) if _divisors(loop)]
    if not loops:
        return function
    roundings = Roundings(function)
    chosen: dict[int, list[Var]] = {}
    for loop in loops:
        found = [var for var in _divisors(loop) if roundings.least(var)]
        if found and roundings.harmless({stage.out for stage in _divisions(loop) if stage.args[1] in found}):
            chosen[id(loop)] = found
    if not chosen:
        return function
    return replace(function, body=_Reciprocals(function, chosen).block(function.body))


def _divisions(loop: For) -> list[Stage]:
    """The divisions of numbers by a number that a trip makes, no branch around them."""
    stages = (stmt for stmt in loop.body.stmts if isinstance(stmt, Stage) and stmt.op in _DIVISIONS)
    return [stage for stage in stages if stage.out.type == FLOAT and all(arg.type == FLOAT for arg in stage.args)]


def _divisors(loop: For) -> list[Var]:
    """What a trip divides by more than once, first come first."""
    times = Counter(stage.args[1] for stage in _divisions(loop))
    return [var for var, count in times.items() if isinstance(var, Var) and count > 1]


class _Reciprocals:
    """One walk through a function: `chosen` are the divisors of each loop, which is named by its identity."""

    def __init__(self, function: Function, chosen: Mapping[int, list[Var]]) -> None:
        self.chosen, self.fresh, self.words = chosen, Fresh(function), Words(reserved(function))

    def block(self, block: Block) -> Block:
        return replace(block, stmts=tuple(map(self.stmt, block.stmts)))

    def stmt(self, stmt: Stmt) -> Stmt:
        if isinstance(stmt, For) and id(stmt) in self.chosen:
            return replace(stmt, body=self.divided_once(stmt, set(self.chosen[id(stmt)])))
        return with_blocks(stmt, self.block)

    def divided_once(self, loop: For, divisors: set[Var]) -> Block:
        """The body of a loop with a reciprocal before the first quotient of each divisor, and products in the quotients' places."""
        divisions = _divisions(loop)
        reciprocals: dict[Atom, Var] = {}
        stmts: list[Stmt] = []
        for stmt in loop.body.stmts:
            if not isinstance(stmt, Stage) or stmt not in divisions or stmt.args[1] not in divisors:
                stmts.append(stmt)
                continue
            number, divisor = stmt.args
            if divisor not in reciprocals:
                assert isinstance(divisor, Var)
                reciprocals[divisor] = self.fresh.var(self.words.fresh(f"per_{divisor.name or 'it'}"), FLOAT)
                stmts.append(Stage(reciprocals[divisor], "div", (Lit(1.0, FLOAT), divisor), (), stmt.note, stmt.span))
            stmts.append(replace(stmt, op="mul", args=(number, reciprocals[divisor]), attrs=()))
        return replace(loop.body, stmts=tuple(stmts))
