"""The reversal of a branch: the backward pass asks the same question again and undoes the arm that ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stagegrad.ir import (
    Atom,
    Block,
    If,
    Lit,
    Stmt,
    Var,
    binds,
    bound,
    free,
    substitute,
)  # fmt: skip
from stagegrad.ops import Builder
from stagegrad.reverse.carried import ZERO
from stagegrad.reverse.threads import Use, needed_with, same_facts

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep


class BranchReversal:
    """The reversal of one branch."""

    def __init__(self, sweep: Sweep, stmt: If) -> None:
        self.sweep, self.stmt = sweep, stmt

    def run(self, gradients: Gradients) -> tuple[list[Stmt], list[Stmt]]:
        """The branch with what its arms must record, and the branch that undoes it."""
        stmt = self.stmt
        seeds = {out: gradients.pop(out) for out in stmt.outs if out in gradients and out in self.sweep.active}
        start = dict(self.sweep.current)
        arms = [self._arm(arm, seeds, dict(gradients), dict(start)) for arm in (stmt.then, stmt.orelse)]
        local = bound(stmt.then) | bound(stmt.orelse)
        changed = _changed(gradients, [arm.gradients for arm in arms], local)
        restored = [var for var in _changed(start, [arm.current for arm in arms], local) if self.sweep.lineages.changing(var)]
        if not changed and not restored:
            self.sweep.current = start
            return [stmt], []
        for arm in arms:
            self._fill(changed, stmt.test, arm.gradients, arm.backward)
        outs = tuple(self.sweep.fresh.var(self.sweep.gradient_word(var), var.type) for var in changed)
        again = tuple(self.sweep.fresh.like(var) for var in restored)
        same_facts(self.sweep, dict(zip(restored, again, strict=True)))
        ends = [(*(arm.gradients.get(v, _nothing(v)) for v in changed), *(arm.current.get(v, v) for v in restored)) for arm in arms]
        back = [needed_with(arm.backward, end, arm.uses) for arm, end in zip(arms, ends, strict=True)]
        forward = If(stmt.test, Block(tuple(arms[0].forward), stmt.then.results), Block(tuple(arms[1].forward), stmt.orelse.results),
                     stmt.outs, stmt.note, stmt.span)  # fmt: skip
        forward, (then, orelse) = self._export(forward, back)
        for k, (var, out) in enumerate(zip(changed, outs, strict=True)):
            gradients[var] = out
            if any(self.sweep.may_stop(arm.results[k]) for arm in back):
                self.sweep.routed.add(out)
        self.sweep.current = {**start, **dict(zip(restored, again, strict=True))}
        backward = If(stmt.test, then, orelse, (*outs, *again), "", stmt.span)
        forward, backward = self._lead_through(forward, backward, [arm.uses for arm in arms])
        return [forward], [backward]

    def _arm(self, arm: Block, seeds: Gradients, gradients: Gradients, current: dict[Var, Atom]) -> _Arm:
        """One arm and what undoes it, with the arrays as they are after the branch at first."""
        builder = Builder(self.sweep.fresh)
        for out, result in zip(self.stmt.outs, arm.results, strict=True):
            if out in seeds:
                self.sweep.add(gradients, result, seeds[out], builder)
            if isinstance(result, Var) and self.sweep.lineages.changing(out):
                current[result] = current.get(out, out)
        self.sweep.current, levels, mark = current, self.sweep.levels, len(self.sweep.nest.uses) if self.sweep.nest else 0
        if levels:
            self.sweep.levels = [*levels, levels[-1].inside(arm)]
        forward, backward = self.sweep.block(arm.stmts, gradients)
        self.sweep.levels = levels
        uses = self.sweep.nest.uses[mark:] if self.sweep.nest else []
        if self.sweep.nest:
            del self.sweep.nest.uses[mark:]
        return _Arm(forward, [*builder.stmts, *backward], gradients, self.sweep.current, uses)

    def _lead_through(self, forward: If, backward: If, uses: list[list[Use]]) -> tuple[If, If]:
        """The threads of loops inside a branch pass through it: as they leave the loop in its own arm, unchanged in the other."""
        for side, threads in enumerate(uses):
            for use in threads:
                assert self.sweep.nest is not None
                out = self.sweep.fresh.like(use.leaves)
                forward = _with_out(forward, out, side, use.leaves, use.enters)
                back_out: Var | None = None
                if use.back_enters is not None and use.back_leaves is not None:
                    back_out = self.sweep.fresh.like(use.back_leaves)
                    backward = _with_out(backward, back_out, side, use.back_leaves, use.back_enters)
                self.sweep.nest.uses.append(Use(use.thread, use.enters, out, use.back_enters, back_out))
        return forward, backward

    def _fill(self, vars: Sequence[Var], test: Atom, gradients: Gradients, stmts: list[Stmt]) -> None:
        """At the end of an arm, the gradients of arrays are arrays; one that the arm has not touched is zero, if the array may be there."""
        builder = Builder(self.sweep.fresh)
        for var in vars:
            if var in gradients:
                gradients[var] = self.sweep.whole(gradients[var], var, builder)
            elif var.type.rank and (var not in self.sweep.conditional or self.sweep.questions.get(var) != test):
                gradients[var] = builder.emit("zeros_like", self.sweep.shaped_like(var), name=self.sweep.gradient_word(var))
        stmts += builder.stmts

    def _export(self, forward: If, back: list[Block]) -> tuple[If, list[Block]]:
        """What a backward arm reads of its forward arm becomes a result of the forward branch, undefined in the other arm."""
        outs, results = list(forward.outs), [list(forward.then.results), list(forward.orelse.results)]
        for side, arm in enumerate((forward.then, forward.orelse)):
            local = {var for stmt in arm.stmts for var in binds(stmt)}
            mapping: dict[Var, Atom] = {}
            for var in sorted(free(back[side]) & local, key=lambda v: (v.name, v.version)):
                if var in results[side]:
                    mapping[var] = outs[results[side].index(var)]
                    continue
                out = self.sweep.fresh.var(var.name or self.sweep.tape_words.get(var, ""), var.type)
                if var in self.sweep.active:
                    self.sweep.active.add(out)
                if var.type.rank:
                    self.sweep.conditional.add(out)
                mapping[var] = out
                outs.append(out)
                results[side].append(var)
                results[1 - side].append(Lit(None, var.type))
            back[side] = substitute(back[side], mapping)
        then, orelse = (Block(a.stmts, tuple(r)) for a, r in zip((forward.then, forward.orelse), results, strict=True))
        return If(forward.test, then, orelse, tuple(outs), forward.note, forward.span), back


@dataclass(frozen=True)
class _Arm:
    """One arm of a branch, and what undoes it."""

    forward: list[Stmt]
    backward: list[Stmt]
    gradients: Gradients
    current: dict[Var, Atom]
    uses: list[Use]


def _with_out(branch: If, out: Var, side: int, value: Var, other: Var) -> If:
    """The branch with one more result: `value` in the arm on this side, `other` in the other one."""
    results = (value, other) if side == 0 else (other, value)
    then, orelse = (replace(arm, results=(*arm.results, r)) for arm, r in zip((branch.then, branch.orelse), results, strict=True))
    return replace(branch, then=then, orelse=orelse, outs=(*branch.outs, out))


def _nothing(var: Var) -> Lit:
    """The gradient of what an arm does not touch; an array that the arm does not have has none."""
    return Lit(None, var.type) if var.type.rank else ZERO


def _changed(before: Gradients, after: list[Gradients], inside: set[Var]) -> list[Var]:
    """The values from outside an `If` whose gradient one of its arms changed, in the order of their first change."""
    found = {var: None for gradients in after for var in gradients if gradients[var] != before.get(var)}
    return [var for var in found if var not in inside]
