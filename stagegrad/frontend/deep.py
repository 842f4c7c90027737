"""Runs a recursive function on input whose depth is the user's: a sum of 5,000 terms, 500 nested branches."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from stagegrad.analysis import active
from stagegrad.errors import Problem, UnsupportedError
from stagegrad.ir import Block, For, If, Module, Var, While, blocks

T = TypeVar("T")

TOO_DEEP = "its parts as functions of their own"

_STACK = 512 * 1024 * 1024  # bytes of address space; only what is touched becomes memory
_LIMIT = 400_000  # Python frames
_lock = threading.Lock()


def deeply(function: Callable[[], T]) -> T:
    """The result of `function()`, which must be free of side effects: it runs again, on a deeper stack, if the usual one ends."""
    try:
        return function()
    except RecursionError:
        return _on_deep_stack(function)


def deeply_or_refused(function: Callable[[], T]) -> T:
    """The same, but UnsupportedError where no stack is deep enough: CPython 3.12 has limits that no setting moves."""
    try:
        return deeply(function)
    except RecursionError:
        raise UnsupportedError("the function is nested too deeply", advice=TOO_DEEP) from None


def _on_deep_stack(function: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []
    context = contextvars.copy_context()

    def target() -> None:
        try:
            results.append(context.run(function))
        except BaseException as error:  # handed to the caller's thread below
            errors.append(error)

    with _lock:
        limit, size = sys.getrecursionlimit(), threading.stack_size(_STACK)
        sys.setrecursionlimit(max(limit, _LIMIT))
        try:
            thread = threading.Thread(target=target, name="stagegrad-deep")
            thread.start()
            thread.join()
        finally:
            threading.stack_size(size)
            sys.setrecursionlimit(limit)
    if errors:
        raise errors[0]
    return results[0]


# ---------------------------------------------------------------------------------------------- too deep for a gradient

#: The most branches inside one another that Python reads; a function's body is indented itself.
_INDENTED = 98


def require_shallow(module: Module, wrt: Sequence[int]) -> None:
    """Refuses branches whose gradient would be nested deeper than Python reads, before it is made.

    A gradient keeps the tests of a chain of ``elif`` arms, each computed inside the arm before it.
    """
    for function in module.functions:
        seeds = function.params if function is not module.main else [function.params[k] for k in wrt]
        deepest = _too_deep(function.body, active(function, seeds))
        if deepest is not None:
            message = f"a gradient of more than {_INDENTED} branches, or elif arms, inside one another is too deep for Python itself"
            raise UnsupportedError(Problem(message, deepest.span, "a table: values[np.searchsorted(bounds, x)], or functions of their own"))


def _too_deep(body: Block, slopes: set[Var]) -> If | For | While | None:
    """The first statement inside too many branches that a gradient passes through."""
    ahead: list[tuple[Block, int]] = [(body, 0)]
    while ahead:
        block, level = ahead.pop()
        for stmt in block.stmts:
            passed = not isinstance(stmt, If) or not slopes.isdisjoint(stmt.outs)
            if level >= _INDENTED and passed and isinstance(stmt, If | For | While):
                return stmt
            ahead += [(inner, level + passed) for inner in blocks(stmt)]
    return None
