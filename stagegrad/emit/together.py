"""IR -> IR for compiled code: what a loop sums up, a later loop that reads the same elements sums up beside its own work.

    for i in range(n - 1):                     for i in range(n - 2):
        f = plus(f, g(x[i], x[i + 1]))             f = plus(f, g(x[i], x[i + 1]))
    for i in range(n - 2):               ->        dx[i + 1] = h(x[i], x[i + 1], x[i + 2])
        dx[i + 1] = h(...)                     for i in range(max(n - 2, 0), n - 1):
                                                   f = plus(f, g(x[i], x[i + 1]))

An array that does not fit into the cache comes from memory once instead of twice. The value of a stencil and its gradient, which gathers
over fewer elements, are such a pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stagegrad.emit.flags import innermost
from stagegrad.emit.sharing import WRITES, Sharing
from stagegrad.ir import INT, Atom, Block, Carry, For, Fresh, Function, Lit, Remark, Stage, Stmt, Var, clone, free, substitute, walk

_SUMS = ("plus", "minus")
_NOTHING, _ONE = Lit(0, INT), Lit(1, INT)
_TITLES = ("forward pass", "backward pass")


def taken_together(function: Function) -> Function:
    """The function with one loop for two of its own, where the earlier only sums and the later reads the same arrays."""
    inner = {id(loop) for loop in innermost(function)}
    own = [(place, stmt) for place, stmt in enumerate(function.body.stmts) if isinstance(stmt, For) and id(stmt) in inner]
    for place, first in own:
        for later, second in own:
            if place < later and _only_sums(first) and _fit(function, place, later):
                return replace(function, body=_joined(function, first, second, titled=_are_apart(function.body.stmts[place:later])))
    return function


def _are_apart(stmts: Sequence[Stmt]) -> bool:
    """Does the title of another part of the text stand among these statements?"""
    return any(isinstance(stmt, Remark) for stmt in stmts)


def _only_sums(loop: For) -> bool:
    """Does a loop do nothing but add to numbers, in any order?"""
    makers = {stmt.out: stmt for stmt in loop.body.stmts if isinstance(stmt, Stage)}
    sums = [makers.get(result) if isinstance(result, Var) else None for result in loop.body.results]
    return bool(sums) and all(stage is not None and stage.op in _SUMS for stage in sums)


def _fit(function: Function, place: int, later: int) -> bool:
    """May the trips of the loop at the first place be made with those of the loop at the later one, and do both read one array?"""
    stmts = function.body.stmts
    first, second = stmts[place], stmts[later]
    assert isinstance(first, For) and isinstance(second, For)
    starts = {first.start, second.start} == {_NOTHING} and {first.step, second.step} == {_ONE}
    if second.parallel or not starts or not _arrays(first) & _arrays(second):
        return False
    if not free(Block(stmts[place + 1 : later + 1])).isdisjoint(carry.out for carry in first.carries):
        return False
    makers = {stmt.out: stmt for stmt in stmts if isinstance(stmt, Stage)}
    (base, more), (other, further) = _as_sum(first.stop, makers), _as_sum(second.stop, makers)
    if base is None or base != other or further > more:
        return False
    sharing = Sharing(function)
    written = [sharing.of(stmt.args[0]) for stmt in walk(function.body) if isinstance(stmt, Stage) and stmt.op in WRITES]
    return not any(sharing.of(array) & memory for array in _arrays(first) for memory in written)


def _arrays(loop: For) -> set[Var]:
    """The arrays of which a loop reads elements."""
    return {stmt.args[0] for stmt in walk(loop.body) if isinstance(stmt, Stage) and stmt.op == "load" and isinstance(stmt.args[0], Var)}


def _as_sum(atom: Atom, makers: Mapping[Var, Stage]) -> tuple[Var | None, int]:
    """The end of a range from 0: ``max(n - 1, 0)`` -> (n, -1), which is no other range; a constant is so much more than None."""
    if isinstance(atom, Lit):
        return None, int(atom.value or 0)
    match makers.get(atom):
        case Stage(op="max", args=(first, second)) if second == _NOTHING:
            return _as_sum(first, makers)
        case Stage(op="add" | "sub" as op, args=(first, Lit(int() as by))):
            base, more = _as_sum(first, makers)
            return base, more + (by if op == "add" else -by)
    return atom, 0


def _joined(function: Function, first: For, second: For, *, titled: bool) -> Block:
    """The body of a function with the first loop's trips among the second's, and those that are left behind it."""
    fresh, block = Fresh(function), function.body
    makers = {stmt.out: stmt for stmt in block.stmts if isinstance(stmt, Stage)}
    whole = _as_sum(first.stop, makers) == _as_sum(second.stop, makers)
    halves = [Carry(c.var, c.init, c.out if whole else fresh.like(c.out)) for c in first.carries]
    summing = substitute(first.body, {first.index: second.index})
    titles = [(Remark(text),) if titled else () for text in _TITLES]
    body = Block((*titles[0], *summing.stmts, *titles[1], *second.body.stmts), (*summing.results, *second.body.results))
    new: list[Stmt] = [replace(second, carries=(*halves, *second.carries), body=body)]
    if not whole:
        new += _left(first, second.stop, halves, makers, fresh)
    stmts: list[Stmt] = []
    for stmt in block.stmts:
        if stmt is second:
            stmts += new
        elif stmt is not first and not (titled and isinstance(stmt, Remark)):
            stmts.append(stmt)
    return replace(block, stmts=tuple(stmts))


def _left(loop: For, done: Atom, halves: Sequence[Carry], makers: Mapping[Var, Stage], fresh: Fresh) -> list[Stmt]:
    """The trips of a loop from `done` on, which may be less than none."""
    copied, _ = clone(Block((loop,)), fresh)
    rest = copied.stmts[0]
    assert isinstance(rest, For)
    carries = tuple(Carry(c.var, half.out, old.out) for c, half, old in zip(rest.carries, halves, loop.carries, strict=True))
    stmts: list[Stmt] = []
    if isinstance(done, Var) and done in makers:
        again = replace(makers[done], out=fresh.var("", INT), note="")
        stmts.append(again)
        done = again.out
    start = Stage(fresh.var("", INT), "max", (done, _NOTHING), (), "", loop.span)
    return [*stmts, start, replace(rest, start=start.out, carries=carries)]
