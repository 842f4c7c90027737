"""An array that a loop carries, as it enters a trip and as the trip's writes leave it: its *versions*, one after the other in its place."""

from __future__ import annotations

from stagegrad.ir import Atom, Block, Call, Carry, For, If, Stage, Var, While, walk


def versions(loop: For | While, carry: Carry) -> set[Atom]:
    """An array as it enters a trip, and all that the trip's writes make of it."""
    found: set[Atom] = {carry.var}
    joins = _joins(loop.body)
    writes = [stmt for stmt in walk(loop.body) if isinstance(stmt, Stage) and stmt.op in ("store", "accumulate")]
    size = 0
    while size != (size := len(found)):
        found |= {stage.out for stage in writes if stage.args[0] in found}
        found |= {out for out, sources in joins.items() if not found.isdisjoint(sources)}
    return found


def are_apart(loop: For, found: set[Atom]) -> bool:
    """Is where ways join all of it this array, or nothing of it, and does no function get it, which may read any of its elements?"""
    calls = (stmt for stmt in walk(loop.body) if isinstance(stmt, Call))
    if not all(found.isdisjoint(call.args) for call in calls):
        return False
    return all(found.issuperset(sources) or found.isdisjoint(sources) for sources in _joins(loop.body).values())


def _joins(body: Block) -> dict[Var, tuple[Atom, ...]]:
    """What the values of branches and inner loops may be."""
    found: dict[Var, tuple[Atom, ...]] = {}
    for stmt in walk(body):
        if isinstance(stmt, If):
            found |= dict(zip(stmt.outs, zip(stmt.then.results, stmt.orelse.results, strict=True), strict=True))
        elif isinstance(stmt, (For, While)):
            for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                found[carry.var] = found[carry.out] = (carry.init, result)
    return found
