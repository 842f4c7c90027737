"""The gradients that a backward loop hands from trip to trip, whichever way the loop is undone.

A gradient arrives behind the loop, enters the backward loop as a carry, and leaves it for where the value came from: the initial value
of a carry, or the surroundings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from stagegrad.ir import Atom, Carry, For, Var, While, free
from stagegrad.ops import Builder, literal

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Gradients, Sweep

#: A value that the loop reads or changes, and the carry of its gradient.
Carried: TypeAlias = "tuple[Var, Carry]"

ZERO = literal(0.0)


def in_order(vars: Iterable[Var]) -> list[Var]:
    """Values in an order that does not depend on the process."""
    return sorted(vars, key=lambda var: (var.name, var.version))


def gradient_carries(
    sweep: Sweep, loop: For | While, outs: Sequence[Var], gradients: Gradients, before: Builder
) -> tuple[list[Carried], Gradients]:
    """For each active carry, and each active value from outside that the body reads: the value, and its gradient's carry.

    `outs` are what the carries are called behind the loop. What comes first is also what a trip knows of gradients from outside.
    """
    found: list[Carried] = []
    inner: Gradients = {}
    for carry, out in zip(loop.carries, outs, strict=True):
        if carry.var in sweep.active:
            start = sweep.whole(gradients.pop(out, ZERO), out, before)
            found.append((carry.var, _carry(sweep, carry.var, start)))
    carried = {carry.var for carry in loop.carries}
    for var in in_order(free(loop.body)):
        if var in sweep.active and var not in carried:
            start = sweep.whole(gradients.get(var, ZERO), var, before)
            found.append((var, _carry(sweep, var, start)))
            inner[var] = found[-1][1].var
    return found, inner


def _carry(sweep: Sweep, var: Var, start: Atom) -> Carry:
    """The carry of a value's gradient, which begins as `start`."""
    word = sweep.gradient_word(var)
    carry = Carry(sweep.fresh.var(word, var.type), start, sweep.fresh.var(word, var.type))
    if sweep.may_stop(start):
        sweep.routed.add(carry.var)
    return carry


def hand_on(sweep: Sweep, kept: Sequence[Carried], owned: Mapping[Var, Carry], gradients: Gradients, after: Builder) -> None:
    """After the loop: values from outside keep what reached them, and the initial value of each of its carries receives its gradient."""
    for var, carry in kept:
        if sweep.may_stop(carry.var):
            sweep.routed.add(carry.out)
        if var not in owned:
            gradients[var] = carry.out
    for var, carry in kept:
        if var in owned:
            sweep.add(gradients, owned[var].init, carry.out, after)
