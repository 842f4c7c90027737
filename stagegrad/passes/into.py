"""IR that makes the arrays of its results -> IR that writes them to arrays that it is given.

    f(x): a = zeros_like(x); b = store(a, 0, 1.0); return b  ->  f(x, b0): a = store(b0, 0.0, [...]); b = store(a, 0, 1.0); return b

What a result was made in is found by following it back through the writes and loops that it comes from, and is the given array
then: nothing is allocated. A result that comes from elsewhere (a product of matrices, another argument) stays there here;
`emit.given` copies it at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stagegrad.analysis import memory_of
from stagegrad.ir import FLOAT, Atom, Block, Fresh, Function, Lit, Module, Stage, Var, substitute

#: What makes an array to be written to; those in the first set begin as zeros.
_ZEROS = frozenset({"zeros", "zeros_like"})
_ROOMS = frozenset({"empty_like", "empty_of", "tape_float", "tape_int", "tape_bool"})
_WHOLE = ("at", "[...]")


def write_into(module: Module, results: Sequence[int]) -> Module:
    """The module whose main function takes an array for each of some results, behind its parameters; they must have the results' shapes."""
    main = module.main
    for position in results:
        main = _with_given(main, position)
    return Module((main, *module.functions[1:]))


def _with_given(function: Function, position: int) -> Function:
    """The function with one more parameter, in whose memory the result at a position lies."""
    result, fresh = function.body.results[position], Fresh(function)
    name = result.name if isinstance(result, Var) else ""
    given = fresh.var(name or "out", result.type)
    found = _made_in(function.body, result)
    body = function.body if found is None else _placed(function.body, found, given, fresh)
    params = (*function.params, given)
    axes = (*function.axes, *("" for _ in params[len(function.axes) :])) if function.axes else ()
    return replace(function, params=params, body=body, axes=axes, given=(*function.given, len(params) - 1))


def _made_in(body: Block, result: Atom) -> Stage | None:
    """The stage that makes the array which a result was written to, if the block itself has it."""
    home = memory_of(body)(result)
    made = (stmt for stmt in body.stmts if isinstance(stmt, Stage) and stmt.out == home)
    return next((stage for stage in made if stage.op in _ZEROS | _ROOMS), None)


def _placed(body: Block, made: Stage, given: Var, fresh: Fresh) -> Block:
    """The block with the given array in place of one that it makes."""
    if made.op in _ROOMS:
        others = tuple(stmt for stmt in body.stmts if stmt is not made)
        return substitute(replace(body, stmts=others), {made.out: given})
    zeros = fresh.like(given)
    cleared = Stage(zeros, "store", (given, Lit(0.0, replace(FLOAT, bits=given.type.bits))), _whole(given), made.note, made.span)
    found = substitute(body, {made.out: zeros})
    return replace(found, stmts=tuple(cleared if old is made else new for old, new in zip(body.stmts, found.stmts, strict=True)))


def _whole(array: Var) -> tuple[tuple[str, str | int], ...]:
    """The attributes of a store that writes to all of an array."""
    return _WHOLE, ("rank", array.type.rank)
