"""IR -> IR for compiled code: divisions by one number in the trips of a loop share its reciprocal.

A division takes as long as ten products or more, and is what the loops of gradients wait for. There are two ways to share:

    pull = num / den                     ->    per_den = 1.0 / den
    dnum = dpull / den                         pull = num * per_den
    dden = -pull * dpull / den                 dnum = dpull * per_den
                                               dden = -pull * dpull * per_den

where a trip divides more than once by what certainly stays away from zero, as the reciprocal of a tiny number would be infinite where a
quotient is not, and where no branch can see how quotients are rounded. Elsewhere divisions are marked, and spelled ``kernels.over``,
which rounds as a division does: LLVM finds the same reciprocal in all of them. That takes vector instructions to be worth it, and there
it is also worth it for one division by what is the same in every trip.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import replace
from itertools import chain

from stagegrad.emit.flags import innermost
from stagegrad.emit.lanes import SHARED, are_independent, has_kernels
from stagegrad.emit.rounding import Roundings
from stagegrad.ir import Atom, Block, For, Fresh, Function, Lit, Stage, Stmt, Var, binds, walk, with_blocks
from stagegrad.names import Words, reserved
from stagegrad.ops import literal

#: Divisions by their divisor's place.
_DIVISIONS = {"div": 1, "divided": 1, "reciprocal": 0}


def shared_reciprocals(function: Function) -> Function:
    """The function with a reciprocal for each divisor that an innermost loop divides by several times, or in every trip."""
    plans = [_Plan(loop) for loop in innermost(function)]
    candidates = [plan for plan in plans if plan.repeated or plan.marked]
    if not candidates:
        return function
    roundings = Roundings(function) if any(plan.repeated for plan in candidates) else None
    for plan in candidates:
        if roundings is not None:
            plan.take_products(roundings)
    chosen = {id(plan.loop): plan for plan in candidates if plan.products or plan.marked}
    return replace(function, body=_Reciprocals(function, chosen).block(function.body)) if chosen else function


class _Plan:
    """One loop: the divisors that become reciprocals and products, and which of its other divisions are marked."""

    def __init__(self, loop: For) -> None:
        self.loop = loop
        self.made = {loop.index, *(carry.var for carry in loop.carries), *(out for stmt in walk(loop.body) for out in binds(stmt))}
        self.divisions = {stmt.out: stmt for stmt in walk(loop.body) if isinstance(stmt, Stage) and _divides(stmt)}
        self.own = {stmt.out for stmt in loop.body.stmts if isinstance(stmt, Stage)}  # what a trip makes, no branch around it
        self.repeated = self._repeated([stage for out, stage in self.divisions.items() if out in self.own])
        self.products: Set[Atom] = frozenset()
        self.in_vectors = bool(self.divisions) and are_independent(loop)

    def _repeated(self, stages: list[Stage]) -> list[Var]:
        """What a trip computes and divides by more than once in these stages, first come first."""
        times = Counter(map(divisor_of, stages))
        return [divisor for divisor, count in times.items() if count > 1 and isinstance(divisor, Var)]

    def take_products(self, roundings: Roundings) -> None:
        """Chooses the divisors that a reciprocal may stand for: no branch is around their quotients."""
        found = frozenset(divisor for divisor in self.repeated if roundings.least(divisor))
        if found and roundings.harmless({out for out, stage in self.divisions.items() if divisor_of(stage) in found}):
            self.products = found

    @property
    def marked(self) -> frozenset[Var]:
        """The other divisions whose divisor's reciprocal is computed for several quotients, or before the loop."""
        if not self.in_vectors:
            return frozenset()
        others = [stage for stage in self.divisions.values() if not self.becomes_product(stage)]
        repeated = self._repeated(others)
        sharing = [stage for stage in others if divisor_of(stage) in repeated or self.is_steady(divisor_of(stage))]
        has_words = has_kernels(self.loop) or any(isinstance(divisor_of(stage), Var) for stage in sharing)
        return frozenset(stage.out for stage in sharing) if has_words else frozenset()

    def becomes_product(self, stage: Stage) -> bool:
        """Is a stage of a trip a quotient for which a product is written?"""
        is_division = stage.out in self.divisions and stage.out in self.own
        return is_division and divisor_of(stage) in self.products

    def is_steady(self, divisor: Atom) -> bool:
        """Is a divisor the same in every trip, and its reciprocal not one that LLVM multiplies by anyway?"""
        return divisor not in self.made if isinstance(divisor, Var) else not _is_power_of_two(divisor)


def divisor_of(stage: Stage) -> Atom:
    """What a division divides by."""
    return stage.args[_DIVISIONS[stage.op]]


def _divides(stage: Stage) -> bool:
    """Is it a division of floats of one width?"""
    kind = stage.out.type
    return stage.op in _DIVISIONS and kind.kind == "float" and not kind.rank and all(arg.type == kind for arg in stage.args)


def _is_power_of_two(divisor: Lit) -> bool:
    """Is it one whose reciprocal is exact, so that LLVM multiplies by that, or none at all?"""
    size = abs(float(divisor.value or 0.0))
    return not 0.0 < size < math.inf or math.frexp(size)[0] == 0.5


class _Reciprocals:
    """One walk through a function: `chosen` are the plans of its loops, by their identity."""

    def __init__(self, function: Function, chosen: Mapping[int, _Plan]) -> None:
        self.chosen, self.fresh, self.words = chosen, Fresh(function), Words(reserved(function))

    def block(self, block: Block) -> Block:
        """A block with the loops in it changed."""
        return replace(block, stmts=tuple(chain.from_iterable(map(self.stmts, block.stmts))))

    def stmts(self, stmt: Stmt) -> list[Stmt]:
        """A statement changed; before a loop come the reciprocals that are the same in all its trips."""
        plan = self.chosen.get(id(stmt))
        if plan is None:
            return [with_blocks(stmt, self.block)]
        marked = plan.marked
        per: dict[Atom, Var] = {}
        before: list[Stmt] = []
        body: list[Stmt] = []
        for inner in plan.loop.body.stmts:
            if isinstance(inner, Stage) and plan.becomes_product(inner):
                divisor = divisor_of(inner)
                if divisor not in per:
                    reciprocal = self.reciprocal(divisor, inner)
                    per[divisor] = reciprocal.out
                    (before if plan.is_steady(divisor) else body).append(reciprocal)
                body.append(_product(inner, per[divisor]))
            else:
                body.append(_marked(inner, marked))
        return [*before, replace(plan.loop, body=replace(plan.loop.body, stmts=tuple(body)))]

    def reciprocal(self, divisor: Atom, quotient: Stage) -> Stage:
        """The stage that divides by a divisor, once."""
        assert isinstance(divisor, Var)
        out = self.fresh.var(self.words.fresh(f"per_{divisor.name or 'it'}"), divisor.type)
        return Stage(out, "div", (literal(1.0), divisor), (), quotient.note, quotient.span)


def _product(quotient: Stage, reciprocal: Var) -> Stage:
    """``x / y`` -> ``x * per_y``, and ``1.0 / y`` -> ``per_y``."""
    alone = quotient.op == "reciprocal"
    return replace(quotient, op="copy" if alone else "mul", args=(reciprocal,) if alone else (quotient.args[0], reciprocal), attrs=())


def _marked(stmt: Stmt, marked: frozenset[Var]) -> Stmt:
    """A statement with these of its divisions marked."""
    if isinstance(stmt, Stage):
        return replace(stmt, attrs=(*stmt.attrs, SHARED)) if stmt.out in marked else stmt
    return with_blocks(stmt, lambda block: replace(block, stmts=tuple(_marked(inner, marked) for inner in block.stmts)))
