"""What makes a `Staged`: `compile`, `formula`, `grad` and `value_and_grad`.

A function is lowered when it is made, so that what cannot be differentiated is refused at the decorator (later, at first use, only
where the function names a global that does not exist yet, or where it matters what its arguments are: arrays, containers, functions).
"""

from __future__ import annotations

import contextlib
import dis
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from types import CellType, CodeType
from typing import Any, Literal, ParamSpec, TypeVar, overload

from stagegrad import pipeline
from stagegrad.errors import ArgumentError, NeedsTypes
from stagegrad.frontend.calls import plain_function
from stagegrad.frontend.source import signature_of
from stagegrad.frontend.specs import Types, is_number, parse_all
from stagegrad.pipeline import Choice, Options
from stagegrad.staged import Staged, Target, named

P = ParamSpec("P")
R = TypeVar("R")
Level = Literal["user", "gates", "fine"]
Several = tuple[int | str, ...] | list[int] | list[str]


@overload
def compile(
    function: Callable[P, R],
    /,
    *,
    wrt: Choice = ...,
    target: Target | None = ...,
    stages: Level = ...,
    cache: bool = ...,
    flush_denormals: bool = ...,
    parallel: bool = ...,
    source: str | None = ...,
    types: Types | None = ...,
) -> Staged[P, R]: ...


@overload
def compile(
    *,
    wrt: Choice = ...,
    target: Target | None = ...,
    stages: Level = ...,
    cache: bool = ...,
    flush_denormals: bool = ...,
    parallel: bool = ...,
    source: str | None = ...,
    types: Types | None = ...,
) -> Callable[[Callable[P, R]], Staged[P, R]]: ...


def compile(
    function: Callable[..., Any] | None = None,
    /,
    *,
    wrt: Choice = None,
    target: Target | None = None,
    stages: Level = "user",
    cache: bool = True,
    flush_denormals: bool = False,
    parallel: bool = False,
    source: str | None = None,
    types: Types | None = None,
) -> Any:
    """Makes a compiled function that knows its gradient out of a Python function; to be used as a decorator, bare or with options.

    - `wrt`: the parameters to differentiate with respect to, a name, a position or a tuple of them; by default all that are or hold floats.
    - `target`: "numba" or "python", which for functions of arrays is also called "numpy". The default is "numba", where Numba and what it
      needs of SciPy for products of matrices is installed.
    - `stages`: "user" keeps the function's own arithmetic to the last bit; "gates" recognises named gates such as sigmoid and
      divides by a reciprocal; "fine" goes down to ``+ * exp 1/x``.
    - `cache`: whether generated files and machine code are kept on disk.
    - `flush_denormals`: whether compiled code takes numbers below 2.2e-308 as zero, which lose digits and are slow where a gradient ends
      among them; for the target "numba" on processors of Intel's and AMD's kind. Elsewhere, and by default, they count as what they are.
    - `parallel`: whether long loops of compiled code run on several threads, those of Numba's threading layer (``NUMBA_NUM_THREADS``,
      ``NUMBA_THREADING_LAYER``; "omp" does not survive a fork); calls of such functions wait for one another. Sums are taken in parts,
      and these in their order: the same bits, whatever the threads are. Raises UnsupportedError at the first call where no loop can be
      cut: its trips need one another's numbers, or share elements of an array or of its gradient.
    - `source`: the text of the function, for one that was made from a string and is in no file.
    - `types`: what the parameters are, ``{"x": "float64[:, :]", "n": "int64"}``, so that it is known before the first call; those that are
      not named are numbers. Arguments of other types are still accepted, but a number whose kind is stated stays of that kind.

    Raises UnsupportedError, with all problems in one report, for what cannot be differentiated, and StagegradSourceError where
    the text of the function cannot be found, or is not what is running.
    """
    options = Options(wrt, target, stages, cache, flush_denormals, parallel)
    if source is not None and not isinstance(source, str):
        raise ArgumentError(f"source={source!r} is not text", advice="the text that the function was defined by")
    if function is None:
        return lambda found: compile(found, wrt=wrt, target=target, stages=stages, cache=cache, flush_denormals=flush_denormals,
                                     parallel=parallel, source=source, types=types)  # fmt: skip
    staged = _staged(function, options, source, types)
    if staged._current is not None and wrt is not None:
        staged._current.positions(wrt)
    return staged


def formula(
    text: str, wrt: Choice = None, *, target: Target | None = None, stages: Level = "gates", cache: bool = True
) -> Staged[..., float]:
    """Makes a compiled function out of a formula, ``formula("(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)")``; names are its parameters.

    The text is parsed, never evaluated. Parameters are in the order of their first appearance. Options as for `compile`.
    Raises FormulaError for what is not a formula.
    """
    options = Options(wrt, target, stages, cache)
    program = pipeline.read_formula(text, wrt)
    made: Staged[..., float] = Staged(lambda _: program, options, signature=lambda: program.signature, typed=False)
    build = made._build()
    if wrt is not None:
        build.positions(wrt)
    return named(made, __name__, build.name, f"formula({text!r})", text)


@overload
def grad(f: Callable[P, Any], argnums: int | str = 0) -> Staged[P, Any]: ...


@overload
def grad(f: Callable[P, Any], argnums: Several) -> Staged[P, tuple[Any, ...]]: ...


def grad(f: Callable[..., Any], argnums: int | str | Several = 0) -> Staged[..., Any]:
    """The gradient of a function as a function: ``grad(f)(x, y)`` is df/dx, ``grad(f, ("x", "y"))(x, y)`` is (df/dx, df/dy).

    `f` may be a plain function, an ``@njit`` function, or anything that `compile`, `formula`, `grad` made. `argnums` is a position or a
    name, or a tuple of them. It composes: ``grad(grad(f))`` is the second derivative. `f` must return one float, else ArgumentError.
    """
    return _derived(f, "grad", argnums)


@overload
def value_and_grad(f: Callable[P, R], argnums: int | str = 0) -> Staged[P, tuple[R, Any]]: ...


@overload
def value_and_grad(f: Callable[P, R], argnums: Several) -> Staged[P, tuple[R, tuple[Any, ...]]]: ...


def value_and_grad(f: Callable[..., Any], argnums: int | str | Several = 0) -> Staged[..., Any]:
    """Value and gradient of a function as a function: ``value_and_grad(f)(x, y)`` is (f, df/dx). Otherwise as `grad`."""
    return _derived(f, "value_and_grad", argnums)


def _derived(f: Callable[..., Any], answer: str, argnums: Choice) -> Staged[..., Any]:
    """The answer about `f` as a function of its own, lowered again whenever `f` is."""
    base = f if isinstance(f, Staged) else _staged(f, Options())
    # The stages of `f` are made; its answer keeps them as they are.
    options = replace(base.options, wrt=None, stages="user")
    made: Staged[..., Any] = Staged(
        lambda specs: base._made(specs).derived(answer, argnums),
        options,
        signature=base._find_signature,
        declared=base._declared,
        typed=base._typed,
    )
    made._shown = "value"
    made._recent = base._recent
    doc = f"The {'gradient' if answer == 'grad' else 'value and the gradient'} of {base.__name__} with respect to {argnums!r}."
    named(made, base.__module__, f"{base.__name__}_{answer}", f"{base.__qualname__}_{answer}", doc)
    if base._current is not None:
        made._build()
    return made


def _staged(function: Callable[..., Any], options: Options, source: str | None = None, types: Types | None = None) -> Staged[..., Any]:
    """A `Staged` of a function, lowered at once if everything that it names exists and its text says what its parameters are."""
    if isinstance(function, Staged):
        declared = function._declared if types is None else function._parsed(types)
        again = Staged(
            function._lower, options, function._function, signature=function._find_signature, declared=declared, typed=function._typed
        )
        named(again, function.__module__, function.__name__, function.__qualname__, function.__doc__)
        _made_at_once(again)
        return again
    if not callable(function):
        raise ArgumentError(f"{function!r} is not a function", advice="a function, or stagegrad.formula for text")

    def signature() -> inspect.Signature:
        return signature_of(plain_function(function) or function)

    # What has no text is refused below, by name.
    declared = {} if types is None or plain_function(function) is None else parse_all(types, signature(), function.__name__)
    made = Staged(lambda specs: pipeline.read(function, source, specs), options, function, signature=signature, declared=declared)
    if _resolvable(function):
        _made_at_once(made)
    return made


def _made_at_once(staged: Staged[..., Any]) -> None:
    """Lowers a function, so that what it refuses is refused where it is decorated; what must wait for its arguments waits."""
    with contextlib.suppress(NeedsTypes):
        of_all = set(staged._declared) == set(staged._find_signature().parameters)
        if staged._declared and not of_all and all(map(is_number, staged._declared.values())):
            staged._recent = {}
            staged._lower({})  # whether numbers are all that the text needs
            staged._recent = staged._declared
        staged._build()


_EMPTY = CellType()


def _resolvable(function: Callable[..., Any]) -> bool:
    """Whether every global and every cell that a function names exists by now (a function cannot name itself before)."""
    plain = getattr(function, "py_func", function)  # what Numba compiled
    if not inspect.isfunction(plain):
        return True
    known = {**vars(sys.modules["builtins"]), **plain.__globals__}
    if any(cell == _EMPTY for cell in plain.__closure__ or ()):
        return False
    return all(name in known for name in _globals(plain.__code__))


def _globals(code: CodeType) -> set[str]:
    """The global names that a function's code reads, nested functions included."""
    found = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _globals(constant)
    return found
