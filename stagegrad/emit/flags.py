"""How compiled code may depart from Python's order of roundings: takes a module, and says it in the text.

Two liberties, each only where `rounding` finds that nothing but the last bits of results can change:

- *contract*, for a whole function: a product that is added to something need not be rounded first (one instruction instead of two);
- *any order*, for a sum that a loop carries: `plus` and `minus` in place of ``+`` and ``-`` let the loop add several trips at once.

Never more: were all of a function's additions and products free of their order (LLVM's ``reassoc``), ``x*a*b`` could become ``x*(a*b)``,
which overflows where the former does not; and without NaN and inf (``nnan``, ``ninf``) a test for them would be no test.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace

from stagegrad.emit.lanes import are_independent
from stagegrad.emit.rounding import Roundings
from stagegrad.emit.sharing import WRITES, Sharing
from stagegrad.emit.totals import only_adds
from stagegrad.ir import (
    INT,
    Atom,
    Block,
    Call,
    For,
    Function,
    Lit,
    Module,
    Raise,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    blocks,
    uses,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.names import count_reads
from stagegrad.ops import ANY_ORDER


def contracted(module: Module) -> frozenset[str]:
    """The functions of a module whose products need not be rounded before they are added."""
    found = {function: Roundings(function) for function in module.functions}
    if any(roundings.compensates for roundings in found.values()):
        return frozenset()
    alone = len(module.functions) == 1
    allowed = ((f.name, roundings.of_products(alone=alone), roundings) for f, roundings in found.items())
    return frozenset(name for name, sums, roundings in allowed if sums and roundings.harmless(sums))


# ---------------------------------------------------------------------------------------------- sums in any order


def any_order(function: Function) -> Function:
    """``s = add(s, x)`` -> ``s = plus(s, x)``, in innermost loops that do nothing with ``s`` but add to it.

    Sums that NumPy takes are so wherever they go; those that the user's loops take, where no branch, root or divisor can see it.
    """
    chains = [chain for loop in innermost(function) if not _is_sequential(loop) for chain in _chains(loop, _FREE)]
    if not chains:
        return function
    roundings = Roundings(function)
    user = [chain for chain in chains if not all(ANY_ORDER in roundings.stages[out].attrs for out in chain)]
    if not roundings.harmless({out for chain in user for out in chain}):
        chains = [chain for chain in chains if chain not in user or roundings.harmless(chain.keys())]
    totals = {out: total for chain in chains for out, total in chain.items()}
    return replace(function, body=_freed(function.body, totals)) if totals else function


_FREE = {"add": "plus", "sub": "minus"}


def _freed(block: Block, totals: Mapping[Var, Var]) -> Block:
    """The block with these sums in any order: `totals` says which operand of each is the total, which comes first."""

    def freed(stmt: Stmt) -> Stmt:
        if not isinstance(stmt, Stage):
            return with_blocks(stmt, lambda inner: _freed(inner, totals))
        if stmt.out not in totals:
            return stmt
        first, second = stmt.args
        return replace(stmt, op=_FREE[stmt.op], args=stmt.args if first == totals[stmt.out] else (second, first))

    return replace(block, stmts=tuple(map(freed, block.stmts)))


def sum_words(function: Function) -> set[str]:
    """The words for sums in any order, and for the parts of a loop, that the text of a function uses."""
    return {stmt.op for stmt in walk(function.body) if isinstance(stmt, Stage)} & {*_FREE.values(), "cut"}


# ---------------------------------------------------------------------------------------------- loops that may as well count up


def upward(function: Function) -> Function:
    """``for i in range(n - 1, -1, -1)`` -> ``for i in range(n)``, where trips that do not need one another become vector instructions.

    Numba asks of an index that counts down whether it is negative, and LLVM does not see that it never is.
    """
    makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
    found = list(_downward(function, makers))
    if not found:
        return function
    body = _turned(function.body, {id(loop): replace(loop, start=Lit(0, INT), stop=count, step=Lit(1, INT)) for loop, count in found})
    return replace(function, body=_without(body, {loop.start for loop, _ in found} - count_reads(body).keys()))


def _downward(function: Function, makers: Mapping[Var, Stage]) -> Iterator[tuple[For, Atom]]:
    """The loops from ``n - 1`` down to 0 that may be turned, each with n."""
    for loop in innermost(function):
        made = makers.get(loop.start) if isinstance(loop.start, Var) else None
        if (loop.stop, loop.step) != (Lit(-1, INT), Lit(-1, INT)) or made is None or made.op != "sub" or made.args[1] != Lit(1, INT):
            continue
        ends = [result for result, carry in zip(loop.body.results, loop.carries, strict=True) if not carry.var.type.rank]
        ordered = [makers[end].op in _FREE for end in ends if isinstance(end, Var) and end in makers]
        if not any(ordered) and (are_independent(loop) or only_adds(loop)):
            yield loop, made.args[0]


def _turned(block: Block, turned: Mapping[int, For]) -> Block:
    """The block with other loops in the places of these, which are named by their identity: to compare them is slow."""

    def turn(stmt: Stmt) -> Stmt:
        return turned.get(id(stmt)) or with_blocks(stmt, lambda inner: _turned(inner, turned))

    return replace(block, stmts=tuple(map(turn, block.stmts)))


def _without(block: Block, unread: Container[Atom]) -> Block:
    """The block without the stages that make these values."""
    kept = (stmt for stmt in block.stmts if not (isinstance(stmt, Stage) and stmt.out in unread))
    return replace(block, stmts=tuple(with_blocks(stmt, lambda inner: _without(inner, unread)) for stmt in kept))


# ---------------------------------------------------------------------------------------------- arrays that lie apart

#: So many pairs of addresses LLVM compares before a loop that writes to arrays, and no more.
_MOST_PAIRS = 128


def must_lie_apart(function: Function) -> bool:
    """Is there a loop over so many arrays that LLVM must be told that they lie apart, and do those that are given lie apart?

    Those that the function only reads do: what it writes to is its own, or was given to it for that.
    """
    loops = list(innermost(function))
    if sum(param.type.rank > 0 for param in function.params) == 0 or not any(_pairs(loop, None) > _MOST_PAIRS for loop in loops):
        return False
    sharing = Sharing(function)
    own = {param for position, param in enumerate(function.params) if position in function.given}
    foreign = [param for param in function.params if param.type.rank and param not in own]
    if any(sharing.of(write.into) & sharing.of(param) for write in sharing.writes for param in foreign):
        return False
    return any(_pairs(loop, sharing) > _MOST_PAIRS for loop in loops)


def _pairs(loop: For, sharing: Sharing | None) -> int:
    """How many pairs of arrays there are in a loop that may be one, where at least one of them is written to."""

    def places(ops: Container[str]) -> set[Atom | int]:
        found = (stmt.args[0] for stmt in walk(loop.body) if isinstance(stmt, Stage) and stmt.op in ops)
        return {array if sharing is None else sharing.of(array) for array in found}

    written = places(WRITES)
    read = places({"load"}) - written
    return len(written) * len(read) + len(written) * (len(written) - 1) // 2


# ---------------------------------------------------------------------------------------------- loops


def innermost(function: Function) -> Iterator[For]:
    """The loops that can become vector instructions: nothing in them loops, leaves, calls or works on a whole array."""
    for stmt in walk(function.body):
        if isinstance(stmt, For) and stmt.until is None and all(map(_is_of_one_trip, walk(stmt.body))):
            yield stmt


_ELEMENTS = frozenset({"load", "store", "accumulate", "size", "extent", "count"})


def _is_of_one_trip(stmt: Stmt) -> bool:
    if isinstance(stmt, Stage):
        whole = any(atom.type.rank for atom in (stmt.out, *stmt.args))
        return not whole or (stmt.op in _ELEMENTS and not (stmt.op == "load" and stmt.out.type.rank))
    return not isinstance(stmt, (For, While, Call, Raise))


def _is_sequential(loop: For) -> bool:
    """Does a trip compute with what the trip before it computed, but to add to it or to compare it?"""
    links = {out for ops in (_FREE, _EXTREMES) for chain in _chains(loop, ops) for out in chain}
    carried = {carry.var for carry in loop.carries if carry.var.type.kind == "float" and not carry.var.type.rank}
    steps = {result for carry, result in zip(loop.carries, loop.body.results, strict=True) if carry.var in carried}
    found = {*carried}
    for stmt in _inside_out(loop.body):
        if not found.isdisjoint(variables((*uses(stmt), *(atom for block in blocks(stmt) for atom in block.results)))):
            found |= {*binds(stmt)} - links
    return not (found - carried).isdisjoint(steps)


_EXTREMES = frozenset({"max", "min", "maximum", "minimum"})


def _inside_out(block: Block) -> Iterator[Stmt]:
    """Every statement of a block, those inside another before it."""
    for stmt in block.stmts:
        for inner in blocks(stmt):
            yield from _inside_out(inner)
        yield stmt


def _chains(loop: For, ops: Container[str]) -> Iterator[dict[Var, Var]]:
    """For each number that a trip does nothing with but these operations: their results, each with the total that it was made of."""
    reads = count_reads(loop.body)
    readers = {var: stmt for stmt in loop.body.stmts if isinstance(stmt, Stage) for var in variables(stmt.args)}
    for carry, result in zip(loop.carries, loop.body.results, strict=True):
        total = carry.var
        chain: dict[Var, Var] = {}
        while reads[total] == 1 and total != result and total in readers and _adds_to(readers[total], total, ops):
            out = readers[total].out
            chain[out] = total
            total = out
        if chain and total == result and reads[total] == 1:
            yield chain


def _adds_to(stage: Stage, total: Var, ops: Container[str]) -> bool:
    """Is a stage one of these operations on a total, which is a float?"""
    is_number = stage.out.type == total.type and (total.type.kind, total.type.rank) == ("float", 0)
    return stage.op in ops and is_number and (stage.op != "sub" or stage.args[0] == total)
