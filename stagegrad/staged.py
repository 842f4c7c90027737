"""The public surface: `compile`, `formula`, `grad` and `value_and_grad` take a function and return a `Staged`.

A `Staged` is called like the function it was made from, and knows its gradient, its generated code, its stages and its
proof. It is lowered when it is made, so that what cannot be differentiated is refused at the decorator (later,
at first use, only where the function names a global that does not exist yet, or where it matters what its arguments
are: arrays, containers, functions), and compiled at its first call, once for each combination of argument types.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
import os
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import CellType, CodeType
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from stagegrad import memory, pipeline
from stagegrad.boundary import Answer, Boundary, Parameters, are_numbers, dtype_of, enter, enter_writing, flat, plain_result, run
from stagegrad.cost import Cost, count, tape_names
from stagegrad.errors import ArgumentError, MissingPackageError, NameChoiceError, NeedsTypes, Problem, StagegradError, UnsupportedError
from stagegrad.frontend.calls import plain_function
from stagegrad.frontend.program import Program
from stagegrad.frontend.specs import Leaf, Spec, fill, flatten, is_number, leaves, parse, word_of
from stagegrad.fuse import UNEQUAL
from stagegrad.ir import Type
from stagegrad.outputs import Outputs, Room
from stagegrad.pipeline import Build, Choice, Options
from stagegrad.points import PointError, Points, are_narrow, available_threads, one_point, plain_dtype, results, run_compiled, run_plainly
from stagegrad.tracebacks import locate
from stagegrad.tracing import Trace, trace
from stagegrad.version import __version__

P = ParamSpec("P")
R = TypeVar("R")
Target = Literal["python", "numpy", "numba"]
Level = Literal["user", "gates", "fine"]
Part = Literal["both", "forward", "backward"]
Several = tuple[int | str, ...] | list[int] | list[str]
#: What parameters are, by name: ``{"x": "float64[:, :]", "n": "int64"}``; a dict, tuple or list of texts for a container.
Types = Mapping[str, Any]
Specs = Mapping[str, Spec]
Key = tuple[tuple[str, Spec], ...]

#: Lowering and compiling are done by one thread at a time; calls of compiled functions need no lock, but those on several threads.
_making = threading.RLock()
_spreading = threading.RLock()


def _renew_lock() -> None:
    global _making, _spreading
    _making, _spreading = threading.RLock(), threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_lock)


_NOTHING: Specs = {}
#: How many combinations of argument types a function is kept compiled for.
_MOST_BUILDS = 128


class Staged(Generic[P, R]):
    """A compiled function that knows its gradient.

    Made by `stagegrad.compile`, `stagegrad.formula`, `stagegrad.grad` and `stagegrad.value_and_grad`. Arguments are floats (ints are
    converted), ints, bools, NumPy arrays of those with up to 5 dimensions (float32 stays so, int32 becomes int64), and tuples, lists,
    dicts, NamedTuples and dataclasses of them; None, texts and functions are part of the program. It is compiled once for each
    combination of their types (an axis of one element is another type than a longer one), never for shapes. Results are Python numbers,
    arrays and containers. Safe to call from many threads.

    Globals and closure cells are read when the function is lowered; a call looks whether they still hold the same
    objects, and compiles again if not. A reference to a bound method, ``g = f.grad``, does the same.
    """

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    def __init__(
        self,
        lower: Callable[[Specs], Program],
        options: Options,
        function: Callable[P, R] | None = None,
        *,
        signature: Callable[[], inspect.Signature],
        declared: Specs | None = None,
        typed: bool = True,
    ) -> None:
        if function is not None:
            functools.update_wrapper(self, function, updated=())
        self._lower, self._options, self._function, self._find_signature = lower, options, function, signature
        self._declared, self._typed = dict(declared or {}), typed
        self._waits = False  # whether the text alone does not say what to do with numbers
        self._builds: dict[Key, Build] = {}
        self._recent: Specs = self._declared  # the types of the most recent call
        self._passages: dict[tuple[Build, str, Choice], _Passage] = {}
        self._courses: dict[tuple[Build, str, Choice, frozenset[int]], _Course] = {}
        self._writings: dict[tuple[Build, Choice], _Writing] = {}
        self._write: Callable[[Sequence[Any], Any], Any] | None = None  # the fast way of the most recent call with `out=`
        self._mapped: dict[Any, Build] = {}  # what `map` computes with where all points are of one dtype
        self._shown = "value_and_grad"

    # ------------------------------------------------------------------------------------------ calls

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's own value, by compiled code that keeps nothing for a backward pass."""
        answer: R = self._value(*args, **kwargs)
        return answer

    def _value(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("_value", args, kwargs)

    def grad(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The gradient at a point, or a tuple of them if there are several, in the units of value / argument.

        The gradient of a number is a float, that of an array a new array of the same shape and dtype, that of a container one of the
        same class, with None for what has none (ints, texts). With respect to what `wrt=` chose when the function was compiled, else to
        all parameters that are or hold floats, in their order. Two extra keywords, unless the function has parameters of these names:
        ``wrt=`` chooses for this call only; ``out=`` gives arrays of the arguments' shapes and dtypes to write the gradient to, in its
        structure, with None for what is to be made, and returns them. They may share no memory with an argument.

        Raises ArgumentError for an argument of the wrong kind, an `out` that does not fit, and where the function does not return one
        float.
        """
        return self._call("grad", args, kwargs)

    def value_and_grad(self, *args: P.args, **kwargs: P.kwargs) -> tuple[R, Any]:
        """The value and the gradient, ``(f, df)`` or ``(f, (dx, dy, ...))``, for the price of little more than the gradient.

        See `grad` for what the gradient is with respect to, and for ``out=``, which is of the gradient's structure here, too.
        """
        both: tuple[R, Any] = self._call("value_and_grad", args, kwargs)
        return both

    def map(
        self, *args: Any, answer: str = "value_and_grad", wrt: Choice = None, out: Any = None, parallel: bool = False, **named: Any
    ) -> Any:
        """Value and gradient at many points, ``(f, df)`` or ``(f, (dx, dy, ...))``: arrays of the shape that the arguments broadcast to.

        For functions of numbers: each argument is an array of points, or a number for all of them, and one compiled loop goes through
        the points. Where the floats are float32 (beside them at most Python's numbers), all arithmetic and all results are, too, unless
        the function makes arrays of its own. `answer` may be "grad" or "value" instead, `wrt` is as for `grad`. `out` gives arrays for
        the results, in their structure, with None for those to be made; they may not share memory with the arguments. With `parallel`,
        large maps run on several threads, as many as NUMBA_NUM_THREADS says, on the target "numba"; the results are the same.

        What the function raises at a point is raised, with a note that has the first such point's index; `out` then holds whatever was
        computed. Raises ArgumentError for arguments of the wrong kind, shapes that do not broadcast and an `out` that does not fit.
        """
        given = {"answer": answer != "value_and_grad", "wrt": wrt is not None, "out": out is not None, "parallel": parallel}
        if True in given.values():
            self._require_clear(given)
        build, points = self._points(args, named)
        course = self._course(build, answer, wrt, points.same)
        arrays = results(points, course.answer, course.types, out, compiled=course.loops)
        course(points, arrays, parallel=parallel)
        return fill(course.answer, iter(arrays))

    # ------------------------------------------------------------------------------------------ code

    def source(self, target: Target | None = None, part: Part = "both", *, answer: str | None = None, types: Types | None = None) -> str:
        """The generated module that computes value and gradient, as it is compiled; `part` cuts one pass out of it.

        `target` is "python" ("numpy" is the same, where there are arrays) or "numba", by default the function's own. `answer` is what the
        module computes: "value_and_grad", "grad" or "value", the function itself, or "map", the loop of `map` over arrays of points. What
        `grad(f)` returns is a gradient itself, so "value" is its default. `types` says for which arguments, ``{"x": "float64[:, :]", "n":
        "int64"}``; by default those of the latest call.
        """
        answer = answer or self._shown
        if part not in ("both", "forward", "backward"):
            raise NameChoiceError(f"part={part!r} is not one of 'both', 'forward', 'backward'")
        build = self._build() if types is None else self._made(self._parsed(types))
        chosen = target or self._options.chosen_target
        if answer == "map" and chosen != "numba":
            raise NameChoiceError("only the target 'numba' has a loop for map(); others call value_and_grad at each point", advice="numba")
        source = build.map_source("value_and_grad") if answer == "map" else build.source(answer, chosen)
        if part == "both":
            return source.text
        start, stop = source.forward if part == "forward" else source.backward
        if start == stop:
            advice = "part='both': a loop that only sums runs both in one pass"
            raise NameChoiceError(f"the text has no {part} pass of its own", advice=advice)
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
        """Everything that stagegrad has made of the function for the types of the latest call: IR, text and compiled code."""
        return self._build()

    def build_for(self, *args: P.args, **kwargs: P.kwargs) -> Build:
        """What stagegrad has made, or makes now, of the function for arguments of these types."""
        return self._chosen(self._parameters.bound(args, kwargs))

    @property
    def options(self) -> Options:
        """What the function was compiled with."""
        return self._options

    @property
    def numba(self) -> NumbaFunctions:
        """The compiled functions themselves, to be called from your own ``@njit`` code."""
        return NumbaFunctions(self._only_build, lambda types: self._made(self._parsed(types)))

    def _only_build(self) -> Build:
        """What is made of the function for the types that were stated, or the only ones that it was called with."""
        if self._declared:
            return self._made(self._declared)
        if len(self._builds) > 1:
            known = "; ".join(", ".join(f"{name}: {word_of(spec)}" for name, spec in key) or "numbers" for key in self._builds)
            raise NameChoiceError(f"{self.__name__}() is compiled for several lists of types ({known})", advice=_CHOOSE_TYPES)
        return self._build()

    def trace(self, *args: P.args, **kwargs: P.kwargs) -> Trace:
        """Every stage's value and gradient at a point, by name; a table when printed.

        The generated Python code is run, so what is traced is what `source` prints. For functions of numbers only.
        """
        values = self._parameters.bound(args, kwargs)
        build = self._chosen(values)
        if not build.scalar:
            reason = f"trace() shows numbers, and {build.name}() takes or returns more than that"
            raise ArgumentError(reason, build.program.module.main.span, "value_and_grad(...), or trace a function of numbers")
        # First without probes, so that what the function raises points to its own lines.
        passage = self._passage(build, "value_and_grad", None, "python")
        passage(values)
        point = passage.boundary.plain(values)
        params = [param.name for param in build.primal.main.params]
        return trace(build.source("value_and_grad", "python"), point, params, build.positions(self._options.wrt)[0])

    def cost(self, *args: P.args, **kwargs: P.kwargs) -> Cost:
        """What a call with these arguments costs: operations by kind, trips, records, bytes of tapes and of other arrays.

        The call is that of value and gradient; for what `grad(f)` returns, which is a gradient itself, a plain one. The printed code is
        run once, with counters in it; see `stagegrad.cost` for what is counted.
        """
        values = self._parameters.bound(args, kwargs)
        build = self._chosen(values)
        target = self._options.chosen_target
        boundary = Boundary(self._parameters, build.program.specs, target == "numba", build.program.apart, build.program.altered)
        given = boundary.plain(boundary.given(values))
        module, source = build.module(self._shown), build.source(self._shown, target)
        names = [function.name for function in module.functions]
        try:
            return count(build.name, source.text, source.entry, names, tape_names(module), given, numba=target == "numba")
        except Exception as error:
            reason = error
        raise _explaining(build, target, self._shown, None)(reason, given)

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
        return self._find_signature()

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
        self._build()
        words = (self.__module__, self.__name__, self.__qualname__, self.__doc__)
        programs = {key: build.program for key, build in self._builds.items()}
        known = [(key, replace(one, signature=_bare(one.signature), captures=())) for key, one in programs.items()]
        return _restore, (__version__, known, self._options, self._shown, words)

    # ------------------------------------------------------------------------------------------ inside: types

    @property
    def _current(self) -> Build | None:
        """What was made for the types of the latest call, if anything was."""
        return self._builds.get(tuple(self._recent.items()))

    def _build(self) -> Build:
        """What is made of the function for the types of the latest call, or for what its text says of them."""
        try:
            return self._made(self._recent)
        except NeedsTypes as error:
            reason = f"what {self.__name__}() computes depends on the types of its arguments, and it has not been called"
            raise NeedsTypes([*error.problems, Problem(reason, None, _FOR_TYPES)]) from None

    def _made(self, specs: Specs) -> Build:
        """What was made of the function for these types, made again if a global that it reads has changed."""
        key = tuple(specs.items())
        build = self._builds.get(key)
        if build is None or build.program.changed():
            with _making:
                build = self._builds.get(key)
                if build is not None and build.program.changed():
                    self._forget()
                    build = None
                if build is None:
                    build = Build(self._lower(specs), self._options)
                    self._make_room()
                    self._builds[key] = build
        return build

    def _make_room(self) -> None:
        """Lets go of what is oldest, where a function is called with ever new types, or with functions made for each call."""
        while len(self._builds) >= _MOST_BUILDS:
            oldest = self._builds.pop(next(iter(self._builds)))
            made = (oldest, vars(oldest).get("narrowed"))
            self._passages = {key: kept for key, kept in self._passages.items() if key[0] not in made}
            self._courses = {key: kept for key, kept in self._courses.items() if key[0] not in made}
            self._writings = {key: kept for key, kept in self._writings.items() if key[0] not in made}
            self._mapped = {key: kept for key, kept in self._mapped.items() if kept not in made}

    def _forget(self) -> None:
        for method in ("_value", "grad", "value_and_grad"):
            self.__dict__.pop(method, None)
        self.__dict__.pop("_parameters", None)
        self._passages.clear()
        self._courses.clear()
        self._writings.clear()
        self._mapped.clear()
        self._write = None
        self._builds.clear()

    def _chosen(self, values: Sequence[Any]) -> Build:
        """What is made of the function for arguments such as these, which from now on is what it shows."""
        specs = self._specs(values)
        try:
            build = self._made(specs)
        except NeedsTypes:
            if specs:
                raise
            self._waits = True
            specs = self._specs(values)
            build = self._made(specs)
        self._recent = specs
        return build

    def _specs(self, values: Sequence[Any]) -> Specs:
        specs = self._parameters.specs(values) if self._typed else _NOTHING
        return self._parameters.numbers() if self._waits and not specs else specs

    @cached_property
    def _parameters(self) -> Parameters:
        name = self._current.name if self._current is not None else self.__name__ if self.__name__.isidentifier() else "f"
        return Parameters(name, self._find_signature(), {name: spec for name, spec in self._declared.items() if is_number(spec)})

    def _parsed(self, types: Types) -> Specs:
        """The specs that `types` states, in the order of the parameters."""
        if not self._typed:
            raise ArgumentError(f"the parameters of {self.__name__}() are floats", advice="stagegrad.compile for functions of arrays")
        return _parsed(types, self._find_signature(), self.__name__)

    # ------------------------------------------------------------------------------------------ inside: calls

    def _call(self, method: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call that no installed entry takes; what it finds is installed in its place, so that the next such call is fast."""
        if self._write is not None and method != "_value" and named.keys() == {"out"}:
            written = self._write(args, named["out"])
            if written is not None:
                return written[1] if method == "grad" else written
        free = () if method == "_value" else [word for word in ("wrt", "out") if word in named and word not in self._parameters.names]
        options = {word: named.pop(word) for word in free}
        wrt, out = options.get("wrt"), options.get("out")
        values = self._parameters.bound(args, named)
        build = self._chosen(values)
        if out is not None:
            value, gradient = self._writing(build, wrt)(values, out, method)
            return gradient if method == "grad" else (value, gradient)
        passage = self._passage(build, method, wrt)
        if wrt is None:
            self.__dict__[method] = passage.entry
        return passage(values)

    def _writing(self, build: Build, wrt: Choice) -> _Writing:
        """The way of a call whose gradients are written to the caller's arrays."""
        key = (build, tuple(wrt) if isinstance(wrt, list) else wrt)
        writing = self._writings.get(key)
        if writing is None:
            passage = self._passage(build, "value_and_grad", wrt)
            with _making:
                compiled = _entered(build, build.into_loaded(wrt).function) if passage.boundary.numba else None
                spec, quick = build.answer("grad", wrt), None
                if compiled is not None and is_number(build.answer("value")):
                    watched, explain = build.program.captures, passage.explain
                    quick = enter_writing(passage.boundary, compiled, spec, watched=watched, failed=explain)
                writing = self._writings[key] = _Writing(passage, spec, compiled, quick)
        if wrt is None:
            self._write = writing.quick
        return writing

    def _require_clear(self, options: Mapping[str, bool]) -> None:
        """Refuses an option of `map` that is given where the function has a parameter of that name."""
        clashing = [word for word, is_given in options.items() if is_given and word in self._parameters.names]
        if clashing:
            reason = f"{clashing[0]}= is an option of map() and a parameter of {self.__name__}()"
            raise NameChoiceError(reason, advice="the parameter by its position")

    def _points(self, args: Sequence[Any], named: dict[str, Any]) -> tuple[Build, Points]:
        """What computes at the points of a call of `map`, and the points."""
        parameters = self._parameters
        dtype = None if named or len(args) != len(parameters.names) else plain_dtype(args)
        build = self._mapped.get(dtype)
        if build is None or build.program.changed():
            values = parameters.bound(args, named)
            build = self._chosen(one_point(self.__name__, parameters.names, values))
            if are_narrow(build.program.specs, values):
                build = build.narrowed
            wanted = set() if dtype is None else {"float" if dtype.itemsize == 8 else "float32"}
            if set(build.kinds) != wanted or len(build.kinds) != len(parameters.names):
                return build, Points.of(Boundary(parameters, build.program.specs, numba=True), values)
            self._mapped[dtype] = build
        return build, Points.plain(parameters.name, parameters.names, args)

    def _course(self, build: Build, answer: str, wrt: Choice, same: frozenset[int]) -> _Course:
        """The way of a call of `map` for some parameters that are the `same` at all points."""
        key = (build, answer, tuple(wrt) if isinstance(wrt, list) else wrt, same)
        course = self._courses.get(key)
        if course is None:
            with _making:
                course = self._courses[key] = self._new_course(build, answer, wrt, same)
        return course

    def _new_course(self, build: Build, answer: str, wrt: Choice, same: frozenset[int]) -> _Course:
        found = build.map_types(answer, wrt)
        wanted = self._options.target
        if (wanted or self._options.chosen_target) == "numba":
            try:
                compiled = _entered(build, build.map_loaded(answer, wrt, same).function)
            except MissingPackageError:
                if wanted is not None:
                    raise
            else:
                return _Course(build.answer(answer, wrt), found, compiled, True, _explaining(build, "numba", answer, wrt))
        plainly = _compiled(build, answer, "python", wrt)
        return _Course(build.answer(answer, wrt), found, plainly, False, _explaining(build, "python", answer, wrt))

    def _passage(self, build: Build, method: str, wrt: Choice, target: str | None = None) -> _Passage:
        key = (build, method if target is None else f"{method} {target}", tuple(wrt) if isinstance(wrt, list) else wrt)
        passage = self._passages.get(key)
        if passage is None:
            with _making:
                passage = self._made_passage(build, method, wrt, target)
                self._passages[key] = passage
        return passage

    def _made_passage(self, build: Build, method: str, wrt: Choice, target: str | None) -> _Passage:
        """The passage on the target that was asked for; where none was, on "python" if what Numba needs for it is not installed."""
        wanted = target or self._options.target
        try:
            return self._new_passage(build, method, wrt, wanted or self._options.chosen_target)
        except MissingPackageError:
            if wanted is not None:
                raise
            return self._new_passage(build, method, wrt, "python")

    def _new_passage(self, build: Build, method: str, wrt: Choice, target: str) -> _Passage:
        # A gradient is the second part of value and gradient: one compilation serves both.
        kind = "value" if method == "_value" else "value_and_grad"
        compiled = _compiled(build, kind, target, wrt)
        program = build.program
        written = program.written if method == "_value" else ()
        boundary = Boundary(self._parameters, program.specs, target == "numba", program.apart, program.altered, written)
        answer = Answer(build.name, build.answer("grad" if method == "grad" else kind, wrt))
        explain = _explaining(build, target, kind, wrt)
        parameters = self._parameters

        def slow(args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if not named and parameters.positional and parameters.are(program.specs, args) and not program.changed():
                return passage(args)  # what `_call` would find
            return self._call(method, args, named)

        second, shown = method == "grad", None if build.scalar else answer
        # The gradient's arrays are its own, as the text is written (`emit.write`); what a plain function returns may be its argument.
        fresh = kind != "value"
        entry = enter(boundary, compiled, second=second, watched=program.captures, slow=slow, failed=explain, answer=shown, fresh=fresh)
        entry.__name__ = entry.__qualname__ = build.name if method == "_value" else method
        entry.__doc__ = getattr(type(self), method).__doc__
        passage = _Passage(boundary, compiled, second, build.scalar, answer, explain, entry)
        return passage


@dataclass(frozen=True)
class _Passage:
    """The way of a call through one compiled function; `entry` takes the same way where the arguments are plain already."""

    boundary: Boundary
    compiled: Callable[..., Any]
    second: bool
    scalar: bool
    answer: Answer
    explain: Callable[..., BaseException]
    entry: Callable[..., Any]

    def __call__(self, values: Sequence[Any]) -> Any:
        given = self.boundary.given(values)
        plain: Sequence[Any] = self.boundary.plain(given)
        raw = run(self.compiled, plain, second=self.second, failed=self.explain)
        if self.scalar and are_numbers(given):
            return raw
        if self.boundary.written:
            raw, *final = raw
            self.boundary.write_back(given, final)
            plain = self.boundary.with_final(plain, final)
        return self.answer(raw, given, plain)


@dataclass(frozen=True)
class _Writing:
    """The way of a call whose gradients, of this spec, are written to arrays of the caller's.

    `compiled` takes an array for each of them behind the arguments; without, they are copied. `quick` is for plain arguments.
    """

    passage: _Passage
    spec: Spec
    compiled: Callable[..., Any] | None
    quick: Callable[[Sequence[Any], Any], Any] | None

    def __call__(self, values: Sequence[Any], out: Any, method: str) -> tuple[Any, Any]:
        """The value, and the gradients with the arrays in `out` where it has some."""
        boundary, answer = self.passage.boundary, self.passage.answer
        given = boundary.given(values)
        rooms = [_room(leaf, given) for leaf in leaves(self.spec)]
        known = zip(boundary.paths, boundary.leaves, given, strict=True)
        taken = [(f"argument `{path}`", value) for path, leaf, value in known if leaf.type.rank]
        arrays = Outputs(f"{answer.title}.{method}()", self.spec, tuple(rooms)).given(out, taken)
        if self.compiled is None:
            value, gradient = self.passage(values)
            mine: list[Any] = [None] * len(arrays)
        else:
            plain = boundary.plain(given)
            mine = [_writable(array, room) for array, room in zip(arrays, rooms, strict=True)]
            rest = [array for array in mine if array is not None]
            raw = run(self.compiled, (*plain, *rest), second=False, failed=lambda error, _: self.passage.explain(error, plain))
            value, gradient = answer(raw, given, plain)
        found = []
        for array, written, made in zip(arrays, mine, flatten(self.spec, gradient), strict=True):
            if array is not None and array is not written:
                array[...] = made
            found.append(made if array is None else array)
        return value, fill(self.spec, iter(found))


def _room(leaf: Leaf, given: Sequence[Any]) -> Room | None:
    """What an array for a gradient must be: like the argument; None for the gradient of a number."""
    if not leaf.type.rank or leaf.like is None:
        return None
    argument = given[leaf.like]
    return Room(argument.shape, argument.dtype if argument.dtype.kind == "f" else dtype_of(leaf.type))


def _writable(array: Any, room: Room | None) -> Any:
    """The array itself where compiled code can write to it, else another one; None for a number."""
    if room is None:
        return None
    if array is not None and array.flags.carray and array.dtype.isnative:
        return array
    import numpy  # lazily: it is there where there are arrays

    return numpy.empty(room.shape, room.dtype.newbyteorder("="))


@dataclass(frozen=True)
class _Course:
    """The way of a call of `map`: a loop that Numba compiled, or a function of numbers for one point after the other."""

    answer: Spec
    types: tuple[Type, ...]
    compiled: Callable[..., Any]
    loops: bool
    explain: Callable[..., BaseException]

    def __call__(self, points: Points, arrays: Sequence[Any], *, parallel: bool) -> None:
        """Fills the arrays of the results; what the function raises says at which point."""
        try:
            if self.loops:
                run_compiled(self.compiled, points, arrays, threads=available_threads() if parallel else 1)
            else:
                run_plainly(self.compiled, points, arrays, flat)
            return
        except PointError as found:
            position, cause = found.position, found.cause
        error = self.explain(cause, points.at(position))
        error.add_note(points.describe(position))
        raise error


def _compiled(build: Build, kind: str, target: str, wrt: Choice) -> Callable[..., Any]:
    """The compiled function; NumPy's warnings are the user's own in a plain call, and of no use in what a gradient computes besides."""
    loaded = build.loaded(kind, target, wrt)
    function = loaded.function
    if target == "numba":
        return _entered(build, function)
    if build.arrays and kind != "value":
        function = functools.partial(_quietly, function)
    return functools.partial(_plainly, function) if build.scalar and "numpy" in loaded.text else function


def _alone(compiled: Callable[..., Any], *args: Any) -> Any:
    """Numba's own threads are there for one call at a time: its simplest threading layer ends the process where there are two."""
    with _spreading:
        return compiled(*args)


def _entered(build: Build, compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Numba's function as it is called: with denormals taken as zero inside, or on several threads, where that was asked for."""
    if build.options.parallel:
        return functools.partial(_alone, compiled)
    if not build.options.flush_denormals:
        return compiled
    from stagegrad.kernels.denormals import flushing  # lazily: it imports Numba

    return flushing(compiled)


def _explaining(build: Build, target: str, answer: str, wrt: Choice) -> Callable[..., BaseException]:
    """How an exception of generated code becomes Python's own, at the user's line."""

    def explain(error: Exception, args: tuple[Any, ...]) -> BaseException:
        if isinstance(error, MemoryError) and target == "numba" and (refused := memory.refused(build.name, error)):
            return refused
        python = build.loaded(answer, "python", wrt)
        if target == "numba" and not isinstance(error, MemoryError):
            # Compiled code knows neither the line nor all of the message. Python knows both; if it does not raise, Numba was right to.
            try:
                python.function(*args)
            except Exception as found:
                error = found
            else:
                if str(error) == UNEQUAL:
                    reason = f"{build.name}() repeats a section of one element beside longer ones, which its compiled code does not do"
                    return UnsupportedError(reason, build.program.module.main.span, 'target="numpy"')
        names = [function.name for function in build.program.module.functions]
        return locate(error, python.path, build.source(answer, "python", wrt).spans, names)

    return explain


class NumbaFunctions:
    """The compiled functions of a `Staged`, raw: no conversion, no check, no exception at the user's line.

    Bind one to a name and call it from your own ``@njit`` code: ``vg = f.numba.value_and_grad``. Each is compiled for one list of types;
    `types` chooses it where the function has several. A container is given leaf by leaf, and arrays must be contiguous. If your code is
    itself compiled with ``cache=True``, Numba does not notice when `f` changes.
    """

    def __init__(self, build: Callable[[], Build], made: Callable[[Types], Build]) -> None:
        self._build, self._made = build, made

    def types(self, **types: Any) -> NumbaFunctions:
        """The functions for arguments of these types: ``f.numba.types(x="float64[:, :]", n="int64").value_and_grad``."""
        return NumbaFunctions(lambda: self._made(types), self._made)

    @property
    def value(self) -> Callable[..., Any]:
        """The plain function."""
        return self._build().loaded("value", "numba").function

    @property
    def grad(self) -> Callable[..., Any]:
        """The gradient: what it is for one parameter, or a tuple."""
        return self._build().loaded("grad", "numba").function

    @property
    def value_and_grad(self) -> Callable[..., Any]:
        """The value and the gradient."""
        return self._build().loaded("value_and_grad", "numba").function

    @property
    def value_and_grad_into(self) -> Callable[..., Any]:
        """The value and the gradient; takes an array for each array of the gradient behind the arguments, and writes to it."""
        return self._build().into_loaded().function

    @property
    def map(self) -> Callable[..., Any]:
        """The loop over points: takes an array of one dimension for each parameter, and behind them for the value and each gradient."""
        return self._build().map_loaded("value_and_grad", None, frozenset()).function


def _plainly(compiled: Callable[..., Any], *args: Any) -> Any:
    return plain_result(compiled(*args))


def _quietly(compiled: Callable[..., Any], *args: Any) -> Any:
    import numpy  # lazily: it is there where there are arrays

    with numpy.errstate(all="ignore"):
        return compiled(*args)


_CHOOSE_TYPES = 'f.numba.types(x="float64[:]", n="int64"), with the types of your parameters'
_FOR_TYPES = 'stagegrad.compile(types={"x": "float64[:]", "n": "int64"}), with the types of your parameters'


def _parsed(types: Types, signature: inspect.Signature, title: str) -> Specs:
    unknown = [name for name in types if name not in signature.parameters]
    if unknown:
        names = ", ".join(signature.parameters) or "none"
        raise NameChoiceError(f"{title}() has no parameter {unknown[0]!r}; its parameters are {names}")
    return {name: parse(types[name], name) for name in signature.parameters if name in types}


def _found(module: str, path: str) -> object:
    found: object = sys.modules.get(module)
    for word in path.split("."):
        found = getattr(found, word, None)
    return found


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """The signature without annotations, which need not be picklable."""
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return inspect.Signature(parameters)


def _restore(version: str, known: Sequence[tuple[Key, Program]], options: Options, shown: str, words: Sequence[str]) -> Staged[..., Any]:
    """A pickled `Staged`, in the process that reads it."""
    if version != __version__:
        raise StagegradError(f"this function was pickled by stagegrad {version}; this is stagegrad {__version__}")
    missing = sorted({name for _, program in known for name in pipeline.undeclared(program.module)})
    if missing:
        raise StagegradError(
            f"this pickled function uses {', '.join(missing)}, which no gate of this process declares; import its module first"
        )
    programs = dict(known)

    def lower(specs: Specs) -> Program:
        program = programs.get(tuple(specs.items()))
        if program is None:
            given = ", ".join(f"{name}: {word_of(spec)}" for name, spec in specs.items()) or "numbers alone"
            reason = f"{words[1]}() was pickled without code for {given}"
            raise UnsupportedError(reason, advice="call it with such arguments, then pickle it")
        return program

    made: Staged[..., Any] = Staged(lower, options, signature=lambda: known[-1][1].signature)
    made._recent = dict(known[-1][0])
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
    return _named(made, __name__, build.name, f"formula({text!r})", text)


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
    _named(made, base.__module__, f"{base.__name__}_{answer}", f"{base.__qualname__}_{answer}", doc)
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
        _named(again, function.__module__, function.__name__, function.__qualname__, function.__doc__)
        _made_at_once(again)
        return again
    if not callable(function):
        raise ArgumentError(f"{function!r} is not a function", advice="a function, or stagegrad.formula for text")

    def signature() -> inspect.Signature:
        return inspect.signature(plain_function(function) or function, follow_wrapped=False)

    # What has no text is refused below, by name.
    declared = {} if types is None or plain_function(function) is None else _parsed(types, signature(), function.__name__)
    made = Staged(lambda specs: pipeline.read(function, source, specs), options, function, signature=signature, declared=declared)
    if _resolvable(function):
        _made_at_once(made)
    return made


def _made_at_once(staged: Staged[..., Any]) -> None:
    """Lowers a function, so that what it refuses is refused where it is decorated; what must wait for its arguments waits."""
    with contextlib.suppress(NeedsTypes):
        if staged._declared and all(map(is_number, staged._declared.values())):
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
