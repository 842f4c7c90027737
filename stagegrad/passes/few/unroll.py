"""Loops of a few trips that count through a small array -> their trips, one after the other.

    for i in range(2):                      a_0 = a[0] + m[0, 0] * v[0]
        for j in range(2):         ->       a_0 = a_0 + m[0, 1] * v[1]
            a[i] += m[i, j] * v[j]          ...

An index that a loop computes keeps an array from being numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from stagegrad.ir import Atom, Block, For, Fresh, Function, Lit, Module, Stage, Stmt, Var, clone, substitute, walk, with_blocks
from stagegrad.ops import literal
from stagegrad.passes.few.uses import is_few, is_suited
from stagegrad.shapes import Shape, dimensions, shapes

#: More trips stay a loop.
_MOST_TRIPS = 4


def unrolled(module: Module) -> Module:
    """The module without the loops of a few trips whose index picks elements of arrays that have few."""
    return Module(tuple(_unrolled(function, module) for function in module.functions))


def _unrolled(function: Function, module: Module) -> Function:
    if not any(isinstance(stmt, For) for stmt in walk(function.body)):
        return function
    fresh, sizes = Fresh(function), shapes(function, module=module)
    fixed = dimensions(function, module=module).of

    def is_small(array: Var) -> bool:
        dims = [dim for dim in sizes.get(array, ()) if isinstance(dim, int)]
        return len(dims) == array.type.rank and is_few(dims)

    def within(block: Block) -> Block:
        stmts = list[Stmt]()
        known: dict[Var, Atom] = {}
        for given in block.stmts:
            stmt = with_blocks(_renamed(given, known), within)
            if isinstance(stmt, Stage) and stmt.op == "extent" and (size := _extent(stmt, fixed)) is not None:
                known[stmt.out] = literal(size)
                continue
            trips = _trips(stmt) if isinstance(stmt, For) else None
            if isinstance(stmt, For) and trips is not None and _counts_through(stmt, is_small):
                made, results = _written_out(stmt, trips, fresh)
                stmts += made
                known |= results
            else:
                stmts.append(stmt)
        return Block(tuple(stmts), tuple(known.get(atom, atom) if isinstance(atom, Var) else atom for atom in block.results))

    return replace(function, body=within(function.body))


def _extent(stage: Stage, sizes: Mapping[Var, Shape]) -> int | None:
    """How many elements an array has along an axis, if its type says it."""
    array, axis = stage.args[0], dict(stage.attrs).get("axis", 0)
    size = sizes[array][axis] if isinstance(array, Var) and array in sizes and isinstance(axis, int) else None
    return size if isinstance(size, int) else None


def _renamed(stmt: Stmt, known: dict[Var, Atom]) -> Stmt:
    return substitute(Block((stmt,)), known).stmts[0] if known else stmt


def _trips(loop: For) -> range | None:
    bounds = [atom.value for atom in (loop.start, loop.stop, loop.step) if isinstance(atom, Lit) and isinstance(atom.value, int)]
    if len(bounds) < 3 or loop.until is not None or not bounds[2]:
        return None
    trips = range(*bounds)
    return trips if 0 < len(trips) <= _MOST_TRIPS else None


def _counts_through(loop: For, is_small: Callable[[Var], bool]) -> bool:
    """Does the loop read or write an element of a small array at its index, or beside it?"""
    counted = {loop.index}
    for stmt in walk(loop.body):
        if not isinstance(stmt, Stage):
            continue
        if stmt.op in ("add", "sub") and stmt.out.type.kind == "int" and counted & set(stmt.args):
            counted.add(stmt.out)
        array = stmt.args[0] if stmt.args else None
        indices = stmt.args[1:] if stmt.op == "load" else stmt.args[1:-1] if stmt.op == "store" else ()
        if isinstance(array, Var) and counted & set(indices) and is_suited(array.type) and is_small(array):
            return True
    return False


def _written_out(loop: For, trips: range, fresh: Fresh) -> tuple[list[Stmt], dict[Var, Atom]]:
    """The trips, and what the loop's values are behind them."""
    stmts = list[Stmt]()
    now: list[Atom] = [carry.init for carry in loop.carries]
    for trip in trips:
        body, _ = clone(loop.body, fresh)
        entering: dict[Var, Atom] = {carry.var: value for carry, value in zip(loop.carries, now, strict=True)}
        body = substitute(body, {**entering, loop.index: literal(trip)})
        stmts += body.stmts
        now = list(body.results)
    return stmts, {carry.out: value for carry, value in zip(loop.carries, now, strict=True)}
