"""A function that knows its gradient: what `compile`, `formula` and `grad` return.

A `Staged` is called like the function it was made from, and knows its gradient, its generated code, its stages and its
proof. It is compiled at its first call, once for each combination of argument types.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Generic, Literal, ParamSpec, TypeVar

from stagegrad import pipeline, runtime
from stagegrad.calls.boundary import Answer, Boundary, Parameters, turned_among
from stagegrad.calls.cost import Cost, count, tape_names
from stagegrad.calls.doors import Door
from stagegrad.calls.entry import Case, Shown, enter_mapping, enter_writing
from stagegrad.calls.passages import Course, Passage, Writing, entered, explaining, is_child, load, spreading
from stagegrad.calls.points import Points, are_many, are_narrow, one_point, plain_dtype, results, rooms
from stagegrad.calls.raw import NumbaFunctions
from stagegrad.calls.tracing import Trace, trace
from stagegrad.errors import ArgumentError, MissingPackageError, NameChoiceError, NeedsTypes, Problem, StagegradError, UnsupportedError
from stagegrad.frontend.program import Program
from stagegrad.frontend.specs import Leaf, Spec, Specs, Types, fill, is_number, parse_all, with_sizes, word_of
from stagegrad.pipeline import Build, Choice, Options
from stagegrad.version import __version__

P = ParamSpec("P")
R = TypeVar("R")
Target = Literal["python", "numpy", "numba"]
Part = Literal["both", "forward", "backward"]
Key = tuple[tuple[str, Spec], ...]

#: Lowering and compiling are done by one thread at a time; calls of compiled functions need no lock.
_making = threading.RLock()


def _before_fork() -> None:
    """What another thread compiles is finished first: a child would find the locks of that thread closed for ever."""
    _making.acquire()
    _held.append(runtime.hold_compiler())


def _after_fork() -> None:
    _held.pop()()
    _making.release()


_held: list[Callable[[], None]] = []

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


_NOTHING: Specs = {}
_MAP_OPTIONS = {"answer", "wrt", "out", "parallel"}
#: How many combinations of argument types a function is kept compiled for.
_MOST_BUILDS = 128
#: How many fast ways of calls with `out=` are kept.
_MOST_WRITINGS = 4


class _Signature:
    """What `inspect.signature` finds: the user's own signature for a function, and for the class nothing, so that it asks ``__init__``."""

    def __get__(self, made: Staged[Any, Any] | None, owner: type) -> inspect.Signature:
        if made is None:
            raise AttributeError("__signature__")
        return made._find_signature()


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
        self._latest = Shown(self._declared)  # the types of the most recent call
        self._passages: dict[tuple[Build, str, Choice, frozenset[int]], Passage] = {}
        self._doors: dict[tuple[str, Choice], Door] = {}  # the fast ways of calls
        self._courses: dict[tuple[Build, str, Choice, frozenset[int]], Course] = {}
        self._writings: dict[tuple[Build, Choice, frozenset[int]], Writing] = {}
        self._writes: tuple[Callable[[Sequence[Any], Any], Any], ...] = ()  # the fast ways of calls with `out=`
        self._mapped: dict[Any, Build] = {}  # what `map` computes with where all points are of one dtype
        # The fast way of such a call, on one thread and on several.
        self._maps: dict[tuple[Any, bool], Callable[[Sequence[Any], Any], Any]] = {}
        self._shown = "value_and_grad"

    # ------------------------------------------------------------------------------------------ calls

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's own value, by compiled code that keeps nothing for a backward pass."""
        answer: R = self._value(*args, **kwargs)
        return answer

    def _value(self, *args: Any, **kwargs: Any) -> Any:
        return self._entered("_value", args, kwargs)

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
        return self._entered("grad", args, kwargs)

    def value_and_grad(self, *args: P.args, **kwargs: P.kwargs) -> tuple[R, Any]:
        """The value and the gradient, ``(f, df)`` or ``(f, (dx, dy, ...))``, for the price of little more than the gradient.

        See `grad` for what the gradient is with respect to, and for ``out=``, which is of the gradient's structure here, too.
        """
        both: tuple[R, Any] = self._entered("value_and_grad", args, kwargs)
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
        spread = parallel and are_many(args)
        if self._maps and answer == "value_and_grad" and wrt is None and not named and not (spread and is_child.is_set()):
            for (_, spreads), quick in self._maps.items():
                if spreads is spread and (found := quick(args, out)) is not None:
                    return found
        given = {"answer": answer != "value_and_grad", "wrt": wrt is not None, "out": out is not None, "parallel": parallel}
        if True in given.values():
            self._require_clear(given)
        build, points = self._points(args, named)
        course = self._course(build, answer, wrt, points.same)
        arrays = results(points, course.answer, course.types, out, compiled=course.loops)
        course(points, arrays, parallel=parallel)
        if wrt is None and answer == "value_and_grad" and not points.same:
            self._quicken(build, course, spread)
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
        run once, with counters in it; see `stagegrad.calls.cost` for what is counted.
        """
        values = self._parameters.bound(args, kwargs)
        build = self._chosen(values)
        target = self._options.chosen_target
        boundary = Boundary(self._parameters, build.program.specs, target == "numba", build.program.apart, build.program.altered)
        given = boundary.plain(boundary.given(values))
        module, source = build.module_for(self._shown, target), build.source(self._shown, target)
        names = [function.name for function in module.functions]
        try:
            return count(build.name, source.text, source.entry, names, tape_names(module), given, numba=target == "numba")
        except Exception as error:
            reason = error
        raise explaining(build, target, self._shown, None)(reason, given)

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

    __signature__ = _Signature()

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
    def _recent(self) -> Specs:
        """The types of the latest call."""
        return self._latest.specs

    @_recent.setter
    def _recent(self, specs: Specs) -> None:
        self._latest.specs = specs

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
            taken = "; with numbers for all of them:" if error.problems else ""
            raise NeedsTypes([Problem(reason + taken, None, _FOR_TYPES), *error.problems]) from None

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
            self._close()
            self._courses = {key: kept for key, kept in self._courses.items() if key[0] not in made}
            self._writings = {key: kept for key, kept in self._writings.items() if key[0] not in made}
            self._mapped = {key: kept for key, kept in self._mapped.items() if kept not in made}
            self._maps = {}

    def _close(self) -> None:
        """Makes calls take the long way, until they have found what is compiled now."""
        for method in ("_value", "grad", "value_and_grad"):
            self.__dict__.pop(method, None)
        for door in [*self._doors.values()]:
            door.close()
        self._writes = ()

    def _forget(self) -> None:
        self._close()
        self.__dict__.pop("_parameters", None)
        self._passages.clear()
        self._courses.clear()
        self._writings.clear()
        self._mapped.clear()
        self._maps = {}
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
        if (alike := with_sizes(specs, frozenset())) != specs:
            specs = with_sizes(specs, self._made(alike).sizes_wanted)
        return self._parameters.numbers() if self._waits and not specs else specs

    @cached_property
    def _parameters(self) -> Parameters:
        name = self._current.name if self._current is not None else self.__name__ if self.__name__.isidentifier() else "f"
        return Parameters(name, self._find_signature(), {name: spec for name, spec in self._declared.items() if is_number(spec)})

    def _parsed(self, types: Types) -> Specs:
        """The specs that `types` states, in the order of the parameters."""
        if not self._typed:
            raise ArgumentError(f"the parameters of {self.__name__}() are floats", advice="stagegrad.compile for functions of arrays")
        return parse_all(types, self._find_signature(), self.__name__)

    # ------------------------------------------------------------------------------------------ inside: calls

    def _entered(self, method: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call by a reference to the method that was taken before an entry was installed in its place: it goes there too."""
        entry = self.__dict__.get(method)
        return self._call(method, args, named) if entry is None else entry(*args, **named)

    def _call(self, method: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call that no installed entry takes: it has options, or is the first of its types."""
        if self._writes and method != "_value" and named.keys() == {"out"}:
            for write in self._writes:
                if (written := write(args, named["out"])) is not None:
                    return written[1] if method == "grad" else written
        free = () if method == "_value" else [word for word in ("wrt", "out") if word in named and word not in self._parameters.names]
        options = {word: named.pop(word) for word in free}
        wrt, out = options.get("wrt"), options.get("out")
        wrt = tuple(wrt) if isinstance(wrt, list) else wrt
        if out is not None:
            values = self._parameters.bound(args, named)
            build = self._chosen(values)
            value, gradient = self._writing(build, wrt, self._turned(build, method, wrt, values))(values, out, method)
            return gradient if method == "grad" else (value, gradient)
        if wrt is None:
            return self._long_way(method, None, args, named)
        entry = self._door(method, wrt).function
        return self._long_way(method, wrt, args, named) if entry is None else entry(*args, **named)

    def _long_way(self, method: str, wrt: Choice, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call that no entry takes; what it finds becomes a case of an entry, so that the next such call is fast."""
        values = self._parameters.bound(args, named)
        build = self._chosen(values)
        passage = self._passage(build, method, wrt, turned=self._turned(build, method, wrt, values))
        door = self._door(method, wrt)
        if door.wants(passage.case):
            with _making:
                door.add(passage.case)
                if wrt is None:
                    self.__dict__[method] = door.function
        return passage(values)

    def _door(self, method: str, wrt: Choice) -> Door:
        """Where calls of a method enter that have this choice for an option."""
        door = self._doors.get((method, wrt))
        if door is None:
            name = self._parameters.name if method == "_value" else method
            # What misses an entry to all calls may have options; with a choice, it has been freed of them.
            long = functools.partial(self._call, method) if wrt is None else functools.partial(self._long_way, method, wrt)
            made = Door(self._latest, (name, getattr(type(self), method).__doc__), lambda *call: long(*call))
            door = self._doors.setdefault((method, wrt), made)
        return door

    def _turned(self, build: Build, method: str, wrt: Choice, values: Sequence[Any]) -> frozenset[int]:
        """The matrices among the arguments that compiled code is to take as they lie, column after column."""
        if self._options.chosen_target != "numba" or not build.arrays:
            return frozenset()
        columns = build.columns("value" if method == "_value" else "value_and_grad", wrt)
        return turned_among(columns, [*Boundary(self._parameters, build.program.specs, numba=True).given(values)]) if columns else columns

    def _writing(self, build: Build, wrt: Choice, turned: frozenset[int]) -> Writing:
        """The way of a call whose gradients are written to the caller's arrays."""
        key = (build, wrt, turned)
        writing = self._writings.get(key)
        if writing is None:
            passage = self._passage(build, "value_and_grad", wrt, turned=turned)
            with _making:
                compiled, native = entered(build, build.into_loaded(wrt, turned).function) if passage.boundary.numba else (None, False)
                spec, value, quick = build.answer("grad", wrt), build.answer("value"), None
                if compiled is not None and isinstance(value, Leaf):
                    quick = enter_writing(replace(passage.case, compiled=compiled, native=native), value, spec)
                writing = self._writings[key] = Writing(passage, spec, compiled, quick)
        if wrt is None and writing.quick is not None and writing.quick not in self._writes:
            self._writes = (writing.quick, *self._writes[: _MOST_WRITINGS - 1])
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

    def _quicken(self, build: Build, course: Course, spread: bool) -> None:
        """Makes the fast way of calls of `map` such as the one that just went this way, if it was of plain arrays."""
        names = self._parameters.names
        compiled = course.loop(spread)
        if compiled is None or _MAP_OPTIONS & {*names}:
            return
        for dtype, mapped in [*self._mapped.items()]:
            if mapped is build and dtype is not None and (dtype, spread) not in self._maps:
                watched, types = build.program.captures, course.types
                quick = enter_mapping(len(names), dtype, compiled, course.answer, types, watched=watched, rooms=rooms(types))
                if quick is not None:
                    self._maps = {**self._maps, (dtype, spread): quick}  # not in place: another thread may be going through them

    def _course(self, build: Build, answer: str, wrt: Choice, same: frozenset[int]) -> Course:
        """The way of a call of `map` for some parameters that are the `same` at all points."""
        key = (build, answer, tuple(wrt) if isinstance(wrt, list) else wrt, same)
        course = self._courses.get(key)
        if course is None:
            with _making:
                course = self._courses[key] = self._new_course(build, answer, wrt, same)
        return course

    def _new_course(self, build: Build, answer: str, wrt: Choice, same: frozenset[int]) -> Course:
        found = build.map_types(answer, wrt)
        wanted = self._options.target
        if (wanted or self._options.chosen_target) == "numba":
            try:
                compiled, _ = entered(build, build.map_loaded(answer, wrt, same).function)
            except MissingPackageError:
                if wanted is not None:
                    raise
            else:
                ways = explaining(build, "numba", answer, wrt), spreading(build, answer, wrt, same)
                return Course(build.answer(answer, wrt), found, compiled, True, *ways)
        plainly, _ = load(build, answer, "python", wrt)
        return Course(build.answer(answer, wrt), found, plainly, False, explaining(build, "python", answer, wrt), lambda: None)

    def _passage(self, build: Build, method: str, wrt: Choice, target: str | None = None, turned: frozenset[int] = frozenset()) -> Passage:
        key = (build, method if target is None else f"{method} {target}", tuple(wrt) if isinstance(wrt, list) else wrt, turned)
        passage = self._passages.get(key)
        if passage is None:
            with _making:
                passage = self._made_passage(build, method, wrt, target, turned)
                self._passages[key] = passage
        return passage

    def _made_passage(self, build: Build, method: str, wrt: Choice, target: str | None, turned: frozenset[int]) -> Passage:
        """The passage on the target that was asked for; where none was, on "python" if what Numba needs for it is not installed."""
        wanted = target or self._options.target
        try:
            return self._new_passage(build, method, wrt, wanted or self._options.chosen_target, turned)
        except MissingPackageError:
            if wanted is not None:
                raise
            return self._new_passage(build, method, wrt, "python", frozenset())

    def _new_passage(self, build: Build, method: str, wrt: Choice, target: str, turned: frozenset[int]) -> Passage:
        # A gradient is the second part of value and gradient: one compilation serves both.
        kind = "value" if method == "_value" else "value_and_grad"
        compiled, native = load(build, kind, target, wrt, turned)
        program, second = build.program, method == "grad"
        written = program.written if method == "_value" else ()
        columns = build.columns(kind, wrt) if target == "numba" else frozenset()
        boundary = Boundary(self._parameters, program.specs, target == "numba", program.apart, program.altered, written, columns, turned)
        answer = Answer(build.name, build.answer("grad" if second else kind, wrt))
        explain = explaining(build, target, kind, wrt)
        specs = next(dict(key) for key, known in self._builds.items() if known is build)
        # The gradient's arrays are its own, as the text is written (`emit.write`); what a plain function returns may be its argument.
        case = Case(specs, boundary, compiled, native, second, build.module(kind, wrt).main.shape, None if build.scalar else answer,
                    kind != "value", program.captures, program.changed, explain)  # fmt: skip
        return Passage(boundary, compiled, second, build.scalar, answer, explain, case)


_CHOOSE_TYPES = 'f.numba.types(x="float64[:]", n="int64"), with the types of your parameters'
_FOR_TYPES = 'stagegrad.compile(types={"x": "float64[:]", "n": "int64"}), with the types of your parameters'


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
            kind = UnsupportedError if specs else NeedsTypes  # numbers may need code for their types too: it reads a global array
            raise kind(reason, advice="call it with such arguments, then pickle it")
        return program

    made: Staged[..., Any] = Staged(lower, options, signature=lambda: known[-1][1].signature)
    made._recent = dict(known[-1][0])
    made._shown = shown
    return named(made, *words)


def named(staged: Staged[P, R], module: str, name: str, qualname: str, doc: str | None) -> Staged[P, R]:
    staged.__module__, staged.__name__, staged.__qualname__, staged.__doc__ = module, name, qualname, doc
    return staged
