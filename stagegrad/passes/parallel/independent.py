"""Can the trips of a loop run at once?"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from stagegrad.ir import Atom, Block, Carry, For, Raise, Stage, Stmt, Var, walk, with_blocks
from stagegrad.ops import literal
from stagegrad.passes.versions import are_apart, versions
from stagegrad.reverse.one_pass import only_sums

_SIZES = frozenset({"size", "extent", "count", "zeros_like"})


def obstacle(loop: For, later: Container[Var]) -> str | None:
    """Why the trips of a loop cannot run at once; None where they can. `later` are the values that are read behind it."""
    if loop.until is not None:
        return "it may end before its range does"
    if any(isinstance(stmt, Raise) for stmt in walk(loop.body)):
        return "it raises an error"  # which of the trips would raise it first is not known
    for carry in loop.carries:
        name = carry.var.name or "a value"
        if carry.var.type.rank:
            if not (has_elements_of_its_own(loop, carry) or is_added_to(loop, carry) or is_scratch(loop, carry, later)):
                return f"several trips read or write the same elements of `{name}`"
        elif carry.var.type.kind != "float" or not only_sums(_in_order(loop), [carry]):
            return f"a trip needs `{name}` from the trip before it"
    return None


_PLAIN = {"plus": "add", "minus": "sub"}


def _in_order(loop: For) -> For:
    """The loop with plain sums for those that may have any order."""

    def plain(block: Block) -> Block:
        return replace(block, stmts=tuple(map(of_one, block.stmts)))

    def of_one(stmt: Stmt) -> Stmt:
        return replace(stmt, op=_PLAIN.get(stmt.op, stmt.op)) if isinstance(stmt, Stage) else with_blocks(stmt, plain)

    return replace(loop, body=plain(loop.body))


def has_elements_of_its_own(loop: For, carry: Carry) -> bool:
    """Does each trip read and write only those elements of an array, or rows of it, that its own number chooses?"""
    found = versions(loop, carry)
    if loop.body.results[loop.carries.index(carry)] not in found:
        return False
    for stmt in walk(loop.body):
        if isinstance(stmt, Stage) and not found.isdisjoint(stmt.args) and stmt.op not in _SIZES:
            attrs = dict(stmt.attrs)
            first = str(attrs.get("at", "[{0}]")).startswith("[{0}") and not attrs.get("gather")
            is_access = stmt.op in ("load", "store", "accumulate") and stmt.args[0] in found and found.isdisjoint(stmt.args[1:])
            if not (is_access and first and stmt.args[1] == loop.index):
                return False
    return are_apart(loop, found)


def is_added_to(loop: For, carry: Carry) -> bool:
    """Do the trips do nothing with an array but add to its elements?"""
    found = versions(loop, carry)
    if carry.var.type.kind != "float" or loop.body.results[loop.carries.index(carry)] not in found:
        return False
    for stmt in walk(loop.body):
        if not isinstance(stmt, Stage) or found.isdisjoint(stmt.args) or stmt.op in _SIZES:
            continue
        if stmt.op != "accumulate" or not found.isdisjoint(stmt.args[1:]):
            return False
    return are_apart(loop, found)


def is_scratch(loop: For, carry: Carry, later: Container[Var]) -> bool:
    """Does each trip write all that it reads of an array, in loops of one range over it, and does nobody read it afterwards?"""
    found, ranges, written = versions(loop, carry), set[Atom](), False
    if carry.out in later or carry.var.type.rank != 1:
        return False
    for stmt in loop.body.stmts:
        touching = [inner for inner in walk(Block((stmt,))) if isinstance(inner, Stage) and not found.isdisjoint(inner.args)]
        if not touching:
            continue
        if not isinstance(stmt, For) or stmt.until is not None or (stmt.start, stmt.step) != (literal(0), literal(1)):
            return False
        ranges.add(stmt.stop)
        if not (written or touching[0].op == "store") or not all(_is_at(inner, stmt, found) for inner in touching):
            return False
        written = True
    return len(ranges) == 1 and are_apart(loop, found)


def _is_at(stage: Stage, loop: For, found: set[Atom]) -> bool:
    """Does a stage of a loop's own read or write the element of an array that the loop's index names?"""
    attrs = dict(stage.attrs)
    plain = stage.op in ("load", "store") and attrs.get("at", "[{0}]") == "[{0}]" and not attrs.get("gather")
    return plain and stage in loop.body.stmts and stage.args[1] == loop.index and found.isdisjoint(stage.args[1:])
