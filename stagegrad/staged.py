"""The public surface: `compile`, `formula`, `grad` and `value_and_grad` take a function and return a `Staged`.

A `Staged` is called like the function it was made from, and knows its gradient, its generated code, its stages and its
proof. It is lowered when it is made, so that what cannot be differentiated is refused at the decorator (later,
at first use, only where the function names a global that does not exist yet), and compiled at its first call.
"""

from __future__ import annotations

import dis
import functools
import inspect
import os
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from types import CellType, CodeType
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from stagegrad import pipeline
from stagegrad.boundary import Boundary, enter, plain_result, run
from stagegrad.errors import ArgumentError, NameChoiceError, StagegradError
from stagegrad.frontend.program import Program
from stagegrad.pipeline import Build, Choice, Options
from stagegrad.tracebacks import locate
from stagegrad.tracing import Trace, trace
from stagegrad.version import __version__

P = ParamSpec("P")
R = TypeVar("R")
Target = Literal["python", "numba"]
Level = Literal["user", "gates", "fine"]
Part = Literal["both", "forward", "backward"]
Several = tuple[int | str, ...] | list[int] | list[str]

#: Lowering and compiling are done by one thread at a time; calls of compiled functions need no lock.
_making = threading.RLock()


def _renew_lock() -> None:
    global _making
    _making = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_lock)


class Staged(Generic[P, R]):
    """A compiled function that knows its gradient.

    Made by `stagegrad.compile`, `stagegrad.formula`, `stagegrad.grad` and `stagegrad.value_and_grad`. Arguments are floats
    (ints are converted), ints and bools; results are Python numbers. Safe to call from many threads.

    Globals and closure cells are read when the function is lowered; a call looks whether they still hold the same
    objects, and compiles again if not. A reference to a bound method, ``g = f.grad``, does the same.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    def __init__(self, lower: Callable[[], Program], options: Options, function: Callable[P, R] | None = None) -> None:
        if function is not None:
            functools.update_wrapper(self, function, updated=())
        self._lower, self._options, self._function = lower, options, function
        self._current: Build | None = None
        self._shown = "value_and_grad"

    # ------------------------------------------------------------------------------------------ calls

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's own value, by compiled code that keeps nothing for a backward pass."""
        answer: R = self._value(*args, **kwargs)
        return answer

    def _value(self, *args: Any, **kwargs: Any) -> Any:
        return self._entry("_value")(*args, **kwargs)

    def grad(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The gradient at a point: a float, or a tuple of floats if there are several, in the units of value / argument.

        With respect to what `wrt=` chose when the function was compiled, else to all float parameters, in their order. An
        extra keyword ``wrt=`` chooses for this call only, unless the function has a parameter of that name.
        Raises ArgumentError for an argument of the wrong kind and where the function does not return one float.
        """
        return self._entry("grad", kwargs)(*args, **kwargs)

    def value_and_grad(self, *args: P.args, **kwargs: P.kwargs) -> tuple[R, Any]:
        """The value and the gradient, ``(f, df)`` or ``(f, (dx, dy, ...))``, for the price of little more than the gradient.

        See `grad` for what the gradient is with respect to.
        """
        both: tuple[R, Any] = self._entry("value_and_grad", kwargs)(*args, **kwargs)
        return both

    # ------------------------------------------------------------------------------------------ code

    def source(self, target: Target | None = None, part: Part = "both", *, answer: str | None = None) -> str:
        """The generated module that computes value and gradient, as it is compiled; `part` cuts one pass out of it.

        `target` is "python" or "numba", by default the function's own. `answer` is what the module computes: "value_and_grad", "grad"
        or "value", the function itself. What `grad(f)` returns is a gradient itself, so "value" is its default.
        """
        answer = answer or self._shown
        if part not in ("both", "forward", "backward"):
            raise NameChoiceError(f"part={part!r} is not one of 'both', 'forward', 'backward'")
        source = self._build().source(answer, target or self._options.chosen_target)
        if part == "both":
            return source.text
        start, stop = source.forward if part == "forward" else source.backward
        lines = source.text.splitlines(keepends=True)[start:stop]
        return textwrap.dedent("".join(lines)).strip("\n") + "\n"

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the function's stages, in the order in which they are computed."""
        return self._build().stages

    @property
    def program(self) -> Program:
        """The function as IR, with its signature and the globals that were read."""
        return self._build().program

    @property
    def build(self) -> Build:
        """Everything that stagegrad has made of the function: IR, text and compiled code."""
        return self._build()

    @property
    def options(self) -> Options:
        """What the function was compiled with."""
        return self._options

    @property
    def numba(self) -> NumbaFunctions:
        """The compiled functions themselves, to be called from your own ``@njit`` code."""
        return NumbaFunctions(self._build())

    def trace(self, *args: P.args, **kwargs: P.kwargs) -> Trace:
        """Every stage's value and gradient at a point, by name; a table when printed.

        The generated Python code is run, so what is traced is what `source` prints.
        """
        build = self._build()
        point = self._boundary(build, "python").plain(args, kwargs)
        # First without probes, so that what the function raises points to its own lines.
        self._enter(build, "value_and_grad", None, "python")(*point)
        params = [param.name for param in build.primal.main.params]
        return trace(build.source("value_and_grad", "python"), point, params, build.positions(self._options.wrt)[0])

    def prove(self, **options: Any) -> Any:
        """Proves the generated code against SymPy's derivative; see `stagegrad.verify.prove` for the options and the report."""
        from stagegrad import verify  # lazily: it imports SymPy

        return verify.prove(self, **options)

    def check_grads(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Compares value and gradient at a point with the function itself; see `stagegrad.verify.check_grads`."""
        from stagegrad import verify  # lazily: it imports SymPy

        return verify.check_grads(self, *args, **kwargs)

    # ------------------------------------------------------------------------------------------ what a function has

    @property
    def __stagegrad_function__(self) -> Callable[P, R] | None:
        """What a call of this object means to a frontend; None for a gradient, which is not the function it came from."""
        return self._function

    @property
    def __signature__(self) -> inspect.Signature:
        return self._build().program.signature

    def __repr__(self) -> str:
        return f"<stagegrad function {self.__name__}>"

    def __copy__(self) -> Staged[P, R]:
        return self

    def __deepcopy__(self, memo: object) -> Staged[P, R]:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By name where an import finds it, as for a plain function; else by its IR, globals and closure as they are now."""
        if self.__module__ != "__main__" and _found(self.__module__, self.__qualname__) is self:
            return self.__qualname__
        program = self._build().program
        words = (self.__module__, self.__name__, self.__qualname__, self.__doc__)
        return _restore, (__version__, program.module, _bare(program.signature), program.text, self._options, self._shown, words)

    # ------------------------------------------------------------------------------------------ inside

    def _build(self) -> Build:
        """What was made of the function, made again if a global that it reads has changed."""
        build = self._current
        if build is None or build.program.changed():
            with _making:
                build = self._current
                if build is None or build.program.changed():
                    build = Build(self._lower(), self._options)
                    for answer in ("_value", "grad", "value_and_grad"):
                        self.__dict__.pop(answer, None)
                    self._current = build
        return build

    def _entry(self, method: str, named: dict[str, Any] | None = None) -> Callable[..., Any]:
        """The compiled method, which from now on takes the place of the one in the class."""
        with _making:
            build = self._build()
            if named and "wrt" in named and "wrt" not in build.program.signature.parameters:
                return self._enter(build, method, named.pop("wrt"))
            # `_build` has dropped what was made of an earlier version. A bound method, ``g = f.grad``, comes here at every call.
            if method not in self.__dict__:
                self.__dict__[method] = self._enter(build, method, None)
            entry: Callable[..., Any] = self.__dict__[method]
            return entry

    def _enter(self, build: Build, method: str, wrt: Choice, target: str | None = None) -> Callable[..., Any]:
        target = target or self._options.chosen_target
        # A gradient is the second part of value and gradient: one compilation serves both.
        answer = "value" if method == "_value" else "value_and_grad"
        loaded = build.loaded(answer, target, wrt)
        compiled = loaded.function
        if target == "python" and "numpy" in loaded.text:
            compiled = functools.partial(_plainly, compiled)
        boundary = self._boundary(build, target)
        second, explain = method == "grad", self._explain(build, target, answer, wrt)

        def slow(args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if build.program.changed() or ("wrt" in named and "wrt" not in build.program.signature.parameters):
                return self._entry(method, named)(*args, **named)
            return run(compiled, boundary.plain(args, named), second=second, failed=explain)

        watched = [(capture.read, capture.value) for capture in build.program.captures]
        entry = enter(boundary, compiled, second=second, watched=watched, slow=slow, failed=explain)
        entry.__name__ = entry.__qualname__ = build.name if method == "_value" else method
        entry.__doc__ = getattr(type(self), method).__doc__
        return entry

    def _boundary(self, build: Build, target: str) -> Boundary:
        return Boundary(build.name, build.program.signature, build.kinds, narrow=target == "numba")

    def _explain(self, build: Build, target: str, answer: str = "value_and_grad", wrt: Choice = None) -> Callable[..., BaseException]:
        """How an exception of generated code becomes Python's own, at the user's line."""

        def explain(error: Exception, args: tuple[Any, ...]) -> BaseException:
            python = build.loaded(answer, "python", wrt)
            if target == "numba" and not isinstance(error, MemoryError):
                # Compiled code knows neither the line nor all of the message. Python knows both; if it does not raise, Numba was right to.
                try:
                    python.function(*args)
                except Exception as found:
                    error = found
            names = [function.name for function in build.program.module.functions]
            return locate(error, python.path, build.source(answer, "python", wrt).spans, names)

        return explain


class NumbaFunctions:
    """The compiled functions of a `Staged`, raw: no conversion, no check, no exception at the user's line.

    Bind one to a name and call it from your own ``@njit`` code: ``vg = f.numba.value_and_grad``. Each is compiled for the one list of
    types that the function has. If your code is itself compiled with ``cache=True``, Numba does not notice when `f` changes.
    """

    def __init__(self, build: Build) -> None:
        self._build = build

    @property
    def value(self) -> Callable[..., Any]:
        """The plain function."""
        return self._build.loaded("value", "numba").function

    @property
    def grad(self) -> Callable[..., Any]:
        """The gradient: a float, or a tuple of them."""
        return self._build.loaded("grad", "numba").function

    @property
    def value_and_grad(self) -> Callable[..., Any]:
        """The value and the gradient."""
        return self._build.loaded("value_and_grad", "numba").function


def _plainly(compiled: Callable[..., Any], *args: Any) -> Any:
    return plain_result(compiled(*args))


def _found(module: str, path: str) -> object:
    found: object = sys.modules.get(module)
    for word in path.split("."):
        found = getattr(found, word, None)
    return found


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """The signature without annotations, which need not be picklable."""
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return inspect.Signature(parameters)


def _restore(
    version: str, module: Any, signature: inspect.Signature, text: str, options: Options, shown: str, words: Sequence[str]
) -> Staged[..., Any]:
    """A pickled `Staged`, in the process that reads it."""
    if version != __version__:
        raise StagegradError(f"this function was pickled by stagegrad {version}; this is stagegrad {__version__}")
    missing = pipeline.undeclared(module)
    if missing:
        raise StagegradError(
            f"this pickled function uses {', '.join(missing)}, which no gate of this process declares; import its module first"
        )
    program = Program(module, signature, (), text)
    made: Staged[..., Any] = Staged(lambda: program, options)
    made._shown = shown
    return _named(made, *words)


def _named(staged: Staged[P, R], module: str, name: str, qualname: str, doc: str | None) -> Staged[P, R]:
    staged.__module__, staged.__name__, staged.__qualname__, staged.__doc__ = module, name, qualname, doc
    return staged


# ---------------------------------------------------------------------------------------------- making one


@overload
def compile(
    function: Callable[P, R],
    /,
    *,
    wrt: Choice = ...,
    target: Target | None = ...,
    stages: Level = ...,
    cache: bool = ...,
    source: str | None = ...,
) -> Staged[P, R]: ...


@overload
def compile(
    *, wrt: Choice = ..., target: Target | None = ..., stages: Level = ..., cache: bool = ..., source: str | None = ...
) -> Callable[[Callable[P, R]], Staged[P, R]]: ...


def compile(
    function: Callable[..., Any] | None = None,
    /,
    *,
    wrt: Choice = None,
    target: Target | None = None,
    stages: Level = "user",
    cache: bool = True,
    source: str | None = None,
) -> Any:
    """Makes a compiled function that knows its gradient out of a Python function; to be used as a decorator, bare or with options.

    - `wrt`: the parameters to differentiate with respect to, a name, a position or a tuple of them; by default all float parameters.
    - `target`: "numba" (the default, where Numba is installed) or "python".
    - `stages`: "user" keeps the function's own arithmetic to the last bit; "gates" recognises named gates such as sigmoid and
      divides by a reciprocal; "fine" goes down to ``+ * exp 1/x``.
    - `cache`: whether generated files and machine code are kept on disk.
    - `source`: the text of the function, for one that was made from a string and is in no file.

    Raises UnsupportedError, with all problems in one report, for what cannot be differentiated, and StagegradSourceError where
    the text of the function cannot be found, or is not what is running.
    """
    options = Options(wrt, target, stages, cache)
    if function is None:
        return lambda found: compile(found, wrt=wrt, target=target, stages=stages, cache=cache, source=source)
    staged = _staged(function, options, source)
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
    made: Staged[..., float] = Staged(lambda: program, options)
    build = made._build()
    if wrt is not None:
        build.positions(wrt)
    return _named(made, __name__, build.name, f"formula({text!r})", text)


@overload
def grad(f: Callable[P, Any], argnums: int | str = 0) -> Staged[P, float]: ...


@overload
def grad(f: Callable[P, Any], argnums: Several) -> Staged[P, tuple[float, ...]]: ...


def grad(f: Callable[..., Any], argnums: int | str | Several = 0) -> Staged[..., Any]:
    """The gradient of a function as a function: ``grad(f)(x, y)`` is df/dx, ``grad(f, ("x", "y"))(x, y)`` is (df/dx, df/dy).

    `f` may be a plain function, an ``@njit`` function, or anything that `compile`, `formula`, `grad` made. `argnums` is a position or a
    name, or a tuple of them. It composes: ``grad(grad(f))`` is the second derivative. `f` must return one float, else ArgumentError.
    """
    return _derived(f, "grad", argnums)


@overload
def value_and_grad(f: Callable[P, R], argnums: int | str = 0) -> Staged[P, tuple[R, float]]: ...


@overload
def value_and_grad(f: Callable[P, R], argnums: Several) -> Staged[P, tuple[R, tuple[float, ...]]]: ...


def value_and_grad(f: Callable[..., Any], argnums: int | str | Several = 0) -> Staged[..., Any]:
    """Value and gradient of a function as a function: ``value_and_grad(f)(x, y)`` is (f, df/dx). Otherwise as `grad`."""
    return _derived(f, "value_and_grad", argnums)


def _derived(f: Callable[..., Any], answer: str, argnums: Choice) -> Staged[..., Any]:
    """The answer about `f` as a function of its own, lowered again whenever `f` is."""
    base = f if isinstance(f, Staged) else _staged(f, Options())
    # The stages of `f` are made; its answer keeps them as they are.
    options = Options(None, base.options.target, "user", base.options.cache)
    made: Staged[..., Any] = Staged(lambda: base.build.derived(answer, argnums), options)
    made._shown = "value"
    if base._current is not None:
        made._build()
    doc = f"The {'gradient' if answer == 'grad' else 'value and the gradient'} of {base.__name__} with respect to {argnums!r}."
    return _named(made, base.__module__, f"{base.__name__}_{answer}", f"{base.__qualname__}_{answer}", doc)


def _staged(function: Callable[..., Any], options: Options, source: str | None = None) -> Staged[..., Any]:
    """A `Staged` of a function, lowered at once if everything that it names exists."""
    if isinstance(function, Staged):
        again = Staged(function._lower, options, function._function)
        again._build()
        return _named(again, function.__module__, function.__name__, function.__qualname__, function.__doc__)
    if not callable(function):
        raise ArgumentError(f"{function!r} is not a function", advice="a function, or stagegrad.formula for text")
    made = Staged(lambda: pipeline.read(function, source), options, function)
    if _resolvable(function):
        made._build()
    return made


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
