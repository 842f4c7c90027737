"""Functions made of generated text: a gradient is Python, so it can be a stage of another function, or be compiled as its caller wants.

`as_function` gives a plain Python function with a source of its own, which stagegrad reads, inlines and differentiates like one that
somebody has typed; `inlined` compiles the text with Numba into its callers, where what two of them compute alike is computed once.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba

from stagegrad import Staged
from stagegrad.emit import Source, write
from stagegrad.forward import forward
from stagegrad.names import name_stages
from stagegrad.passes.optimise import simplify

#: No flag that could turn a nan or an infinity into something else; sums keep their order.
_FLAGS = {"contract", "nsz"}


def as_function(staged: Staged[..., Any], answer: str = "grad") -> Callable[..., Any]:
    """What a compiled function computes for the types of its latest call, as the plain Python function that its text defines."""
    function: Callable[..., Any] = _defined(staged.build.source(answer, "python"))[0]
    return function


def directional(staged: Staged[..., Any], *wrt: int) -> Callable[..., Any]:
    """The value and the derivative along a direction, ``f(x, ..., xdot, ...)``, by forward mode, as a plain Python function."""
    module = name_stages(simplify(forward(staged.program.module, wrt)))
    function: Callable[..., Any] = _defined(write(module, "python"))[0]
    return function


def inlined(staged: Staged[..., Any], answer: str = "grad") -> Callable[..., Any]:
    """What a compiled function computes, to be compiled by Numba into the functions that call it."""
    entry, scope = _defined(staged.build.source(answer, "python"))
    for name, function in scope.items():
        if isinstance(function, FunctionType) and function.__module__ == entry.__module__:
            scope[name] = numba.njit(forceinline=True, error_model="numpy", fastmath=_FLAGS)(function)
    compiled: Callable[..., Any] = scope[entry.__name__]
    return compiled


def _defined(source: Source) -> tuple[FunctionType, dict[str, Any]]:
    """The function that a text defines, and the globals that it is run with; `inspect` finds the text."""
    place = f"<generated {source.entry} {len(linecache.cache)}>"
    scope: dict[str, Any] = {"__name__": place}
    linecache.cache[place] = (len(source.text), None, source.text.splitlines(keepends=True), place)
    exec(compile(source.text, place, "exec"), scope)
    return scope[source.entry], scope
