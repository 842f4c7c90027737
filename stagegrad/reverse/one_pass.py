"""A loop that only sums is undone while it runs: its backward body follows its forward body in the same trip, and nothing is recorded.

    for i in range(n):                    dloss = 1.0
        z = w * x[i]                      for i in range(n):
        loss += z * z                         z = w * x[i]
                                              loss += z * z
                                              dz = 2.0 * z * dloss
                                              dw += x[i] * dz

What such a loop carries is read by nothing but its own sum, so the gradient of the sum is the same in every trip. It must be known before
the loop begins: a constant, or computed from what was there before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from stagegrad.ir import (
    INT,
    Atom,
    Block,
    Carry,
    For,
    If,
    Lit,
    Remark,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    free,
    walk,
)  # fmt: skip
from stagegrad.names import count_reads
from stagegrad.ops import Builder, literal

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep

ZERO = literal(0.0)

#: Operations that never raise, whatever they are given.
_QUIET = frozenset({"add", "sub", "mul", "neg", "square", "cube", "abs", "max", "min", "tanh", "copy", "to_float", "lt", "le", "gt", "ge"})
#: Sizes, and what is computed of them; what is too large for an int is refused, before the loop or behind it.
_SIZES = _QUIET | {"extent", "size", "count", "add_int", "sub_int", "mul_int"}


def one_pass(sweep: Sweep, loop: For | While, gradients: Gradients, later: Sequence[Stmt]) -> tuple[list[Stmt], list[Stmt]] | None:
    """The loop that also undoes itself, and what is left to do after it; None for a loop that does more than sum.

    `later` are the statements of the backward pass so far: they made the gradients of what the loop yields.
    """
    sums = [carry for carry in loop.carries if carry.var in sweep.active]
    if loop.until is not None or not sums or sweep.lineages.written_in(loop.body) or not only_sums(loop, sums):
        return None
    early = Builder(sweep.fresh)
    seeds = _known_before(sweep, loop, [gradients.get(carry.out, ZERO) for carry in sums], later, early)
    if seeds is None:
        return None
    for carry in sums:
        gradients.pop(carry.out, None)
    inner: Gradients = {}
    carries = _shadows(sweep, loop, sums, inner, early)
    for carry, seed in zip(sums, seeds, strict=True):
        result = loop.body.results[loop.carries.index(carry)]
        if isinstance(result, Var):
            inner[result] = seed
    # The trip is undone before any later write: arrays are as the loop found them, and nothing is restored yet.
    restored, sweep.current = sweep.current, {}
    forward, undo = sweep.block(loop.body.stmts, inner)
    sweep.current = restored
    ends = Builder(sweep.fresh)
    totals = [sweep.whole(inner.get(var, ZERO), var, ends) for var, _ in carries]
    stmts = (Remark("forward pass"), *forward, Remark("backward pass"), *undo, *ends.stmts)
    # A value that only a test reads has no gradient here: it would be carried as the zero that it begins with.
    read = free(Block(stmts, ()))
    kept = [(var, carry, total) for (var, carry), total in zip(carries, totals, strict=True) if total != carry.var or carry.var in read]
    body = Block(stmts, (*loop.body.results, *(total for _, _, total in kept)))
    after = Builder(sweep.fresh)
    for var, carry, _ in kept:
        sweep.add(gradients, var, carry.out, after)
    for carry, seed in zip(sums, seeds, strict=True):
        sweep.add(gradients, carry.init, seed, after)
    return [*early.stmts, replace(loop, carries=(*loop.carries, *(carry for _, carry, _ in kept)), body=body)], after.stmts


def _shadows(sweep: Sweep, loop: For | While, sums: Sequence[Carry], inner: Gradients, early: Builder) -> list[tuple[Var, Carry]]:
    """For each active value from outside that the body reads: its gradient as the loop carries it, from zero on."""
    found: list[tuple[Var, Carry]] = []
    own = {carry.var for carry in sums}
    for var in sorted(free(loop.body), key=lambda v: (v.name, v.version)):
        if var in sweep.active and var not in own:
            word = sweep.gradient_word(var)
            carry = Carry(sweep.fresh.var(word, var.type), sweep.whole(ZERO, var, early), sweep.fresh.var(word, var.type))
            sweep.routed.update((carry.var, carry.out))
            found.append((var, carry))
            inner[var] = carry.var
    return found


# ---------------------------------------------------------------------------------------------- does it only sum?


def only_sums(loop: For | While, sums: Iterable[Carry]) -> bool:
    """Is every one of these carries read by nothing but sums that end in its own next value?"""
    reads = count_reads(loop.body)
    if isinstance(loop, While):
        reads.update(count_reads(loop.test))
    makers = {var: stmt for stmt in walk(loop.body) for var in binds(stmt)}
    for carry in sums:
        links: Counter[Var] = Counter()
        if not _sums_up(loop.body.results[loop.carries.index(carry)], carry.var, makers, links):
            return False
        if any(reads[var] != count for var, count in links.items()):
            return False
    return True


def _sums_up(end: Atom, start: Var, makers: dict[Var, Stmt], links: Counter[Var]) -> bool:
    """Does `end` come from `start` by additions alone? `links` counts the readings that make up the chain."""
    if not isinstance(end, Var):
        return False
    links[end] += 1
    if end == start:
        return True
    match makers.get(end):
        case Stage(op="add" | "sub" as op, args=(first, second)) if not end.type.rank:
            if _leads_to(first, start, makers):
                return _sums_up(first, start, makers, links)
            return op == "add" and _sums_up(second, start, makers, links)
        case If() as branch:
            place = branch.outs.index(end)
            return all(_sums_up(arm.results[place], start, makers, links) for arm in (branch.then, branch.orelse))
        case For(until=None) as loop:
            carry = next(c for c in loop.carries if c.out == end)
            result = loop.body.results[loop.carries.index(carry)]
            return _sums_up(result, carry.var, makers, links) and _sums_up(carry.init, start, makers, links)
        case _:
            return False


def _leads_to(atom: Atom, start: Var, makers: dict[Var, Stmt]) -> bool:
    return _sums_up(atom, start, makers, Counter())


# ---------------------------------------------------------------------------------------------- is its gradient known before?


def _known_before(sweep: Sweep, loop: For | While, gradients: Sequence[Atom], later: Sequence[Stmt], early: Builder) -> list[Atom] | None:
    """The gradients, computed before the loop; None where they depend on what the loop computes.

    Sizes that the function asks for behind the loop, ``total / len(x)``, can as well be asked for before it.
    """
    sizes = (stmt for stmt in sweep.function.body.stmts if isinstance(stmt, Stage) and stmt.out.type == INT)
    makers = {stmt.out: stmt for stmt in sizes if stmt.op in _SIZES}
    makers |= {stmt.out: stmt for stmt in later if isinstance(stmt, Stage)}
    before = sweep.outside_of(loop)
    if not before:
        return None
    moved: dict[Var, Atom] = {}
    # What moves before the loop must not raise before the loop does.
    quiet = all(stmt.op in _QUIET if isinstance(stmt, Stage) else isinstance(stmt, If) for stmt in walk(loop.body))

    def known(atom: Atom) -> bool:
        if isinstance(atom, Lit) or atom in before:
            return True
        return atom in makers and not atom.type.rank and all(map(known, makers[atom].args))

    def move(atom: Atom) -> Atom:
        if isinstance(atom, Lit) or atom in before:
            return atom
        if atom not in moved:
            made = makers[atom]
            op = "divided" if made.op == "div" and not quiet and not isinstance(made.args[1], Lit) else made.op
            copy = replace(made, op=op, out=sweep.fresh.like(atom), args=tuple(map(move, made.args)))
            early.stmts.append(copy)
            moved[atom] = copy.out
            if sweep.may_stop(atom):
                sweep.routed.add(copy.out)
        return moved[atom]

    if not all(map(known, gradients)):
        return None
    return [move(atom) for atom in gradients]
