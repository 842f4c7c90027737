"""Which variables need a value on paths that never compute one.

A path may leave a result undefined, ``Lit(None)``: nobody looks at it, and the variable may stay unbound in the text. But
where such a result is handed on, from one branch or trip to the next, under another variable, or recorded with what a trip
began with, Python would look: there the text gives it a value that nobody uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stagegrad.emit.inline import Plan
from stagegrad.ir import Atom, For, Function, If, Lit, Stage, Var, While, walk


def handed_on(plan: Plan, storage: Mapping[Var, str]) -> set[str]:
    """The variables that may be unbound where the text reads them to hand them on."""
    flows = list(_flows(plan.function))
    undefined = _undefined(flows)
    found: set[str] = set()
    for stmt in walk(plan.function.body):
        if isinstance(stmt, If) and (plan.is_inlined(stmt) or plan.is_expression(stmt)):
            leaves = [leaf for arm in (stmt.then, stmt.orelse) for leaf in plan.leaves(arm.results[0])]
            found.update(storage[leaf] for leaf in leaves if leaf in undefined)
        elif isinstance(stmt, Stage) and stmt.op in ("store", "to_float", "duplicate"):
            # A record is written on every trip; an int becomes a float, and an array is copied, on every way to where they join.
            found.update(storage[leaf] for leaf in plan.leaves(stmt.args[-1]) if leaf in undefined)
    for source, target in flows:
        if source in undefined and isinstance(source, Var) and source in storage and storage[source] != storage.get(target):
            found.add(storage[source])
    return found


def unbound(function: Function) -> set[Var]:
    """The values that are undefined on some path."""
    return _undefined(list(_flows(function)))


def _flows(function: Function) -> Iterator[tuple[Atom, Var]]:
    """Every (value, the value that it becomes) of the function: at the ends of arms and trips, and where loops begin."""
    for stmt in walk(function.body):
        if isinstance(stmt, If):
            for arm in (stmt.then, stmt.orelse):
                yield from zip(arm.results, stmt.outs, strict=True)
        elif isinstance(stmt, (For, While)):
            for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                yield from ((carry.init, carry.var), (result, carry.var), (carry.var, carry.out))


def _undefined(flows: list[tuple[Atom, Var]]) -> set[Var]:
    """The values that are undefined on some path."""
    becomes: dict[Atom, list[Var]] = {}
    for source, target in flows:
        becomes.setdefault(source, []).append(target)
    found: set[Var] = set()
    pending = [target for source, target in flows if isinstance(source, Lit) and source.value is None]
    while pending:
        var = pending.pop()
        if var not in found:
            found.add(var)
            pending += becomes.get(var, [])
    return found
