"""Makes sure that what a function returns lies in the arrays that it was given for it.

A given array is where the result is made, as long as nothing comes between: buffers that a loop swaps end in each other's memory, and
where a value is still read, `ownership` goes on in a copy. Such results are copied into their arrays at the end.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

from stagegrad.analysis import memory_of
from stagegrad.emit.ownership import owned
from stagegrad.ir import Block, Call, Fresh, Function, Module, Stage, walk

#: Pairs of positions: a result, and the parameter in whose memory it has to lie.
Places = tuple[tuple[int, int], ...]


def places(module: Module) -> dict[str, Places]:
    """Where the results of each function have to lie: as those who call it say, and those of the main function in their order."""
    main = module.main
    calls = (stmt for function in module.functions for stmt in walk(function.body) if isinstance(stmt, Call))
    found: dict[str, Places] = {call.fn: call.onto for call in calls if call.onto}
    if main.given:
        arrays = [k for k, result in enumerate(main.body.results) if result.type.rank]
        found[main.name] = tuple(zip(arrays, main.given, strict=True))
    return found


def owned_and_given(function: Function, onto: Places, *, fresh_results: bool, apart: Container[str]) -> Function:
    """The function as `owned` makes it, with each array that it was given holding its result in the end."""
    copied: set[tuple[int, int]] = set()
    while True:
        found = owned(_with_copies(function, sorted(copied)), fresh_results=fresh_results, apart=apart)
        lost = set(_lost(found, onto)) - copied
        if not lost:
            return found
        copied |= lost


def _lost(function: Function, onto: Places) -> list[tuple[int, int]]:
    """The results that do not certainly lie in the array that was given for them."""
    if not onto:
        return []
    home = memory_of(function.body)
    return [(k, given) for k, given in onto if home(function.body.results[k]) != function.params[given]]


def _with_copies(function: Function, onto: Sequence[tuple[int, int]]) -> Function:
    """The function with copies of some results into their arrays at the end."""
    fresh = Fresh(function)
    results, copies = [*function.body.results], []
    for k, given in onto:
        array = function.params[given]
        out = fresh.like(array)
        copies.append(Stage(out, "store", (array, results[k]), (("at", "[...]"), ("rank", array.type.rank))))
        results[k] = out
    return replace(function, body=Block((*function.body.stmts, *copies), tuple(results)))
