"""The ways of a call: from a user's arguments to what was compiled, and back to the user's numbers, arrays and exceptions.

A `Passage` is that of a plain call, of a gradient, of both; a `Writing` that of a call with ``out=``; a `Course` that of ``map``.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stagegrad import memory
from stagegrad.calls.boundary import Answer, Boundary, are_numbers, dtype_of, flat, machine_code, plain_result, run
from stagegrad.calls.entry import Case
from stagegrad.calls.outputs import Outputs, Room
from stagegrad.calls.points import PointError, Points, available_threads, run_compiled, run_plainly
from stagegrad.calls.tracebacks import locate
from stagegrad.errors import UnsupportedError
from stagegrad.frontend.specs import Leaf, Spec, fill, flatten, leaves
from stagegrad.ir import Type
from stagegrad.passes.fuse import UNEQUAL
from stagegrad.pipeline import Build, Choice

#: Calls of what runs on Numba's threads wait for one another.
_spreading = threading.RLock()

#: Whether this process is a child of one that may have used Numba's threads: those of GNU OpenMP end a child that asks for them.
is_child = threading.Event()


def _after_fork() -> None:
    _spreading._at_fork_reinit()  # type: ignore[attr-defined]  # as threading has it for its own locks
    is_child.set()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True)
class Passage:
    """The way of a call through one compiled function; as a `case` of an entry's, the way of arguments that are plain already."""

    boundary: Boundary
    compiled: Callable[..., Any]
    second: bool
    scalar: bool
    answer: Answer
    explain: Callable[..., BaseException]
    case: Case

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
class Writing:
    """The way of a call whose gradients, of this spec, are written to arrays of the caller's.

    `compiled` takes an array for each of them behind the arguments; without, they are copied. `quick` is for plain arguments.
    """

    passage: Passage
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
class Course:
    """The way of a call of `map`: a loop that Numba compiled, or a function of numbers for one point after the other.

    `spread` compiles the loop for Numba's threads; where it cannot be cut, as where it may raise, it is None, and chunks of the points
    go to threads of Python's.
    """

    answer: Spec
    types: tuple[Type, ...]
    compiled: Callable[..., Any]
    loops: bool
    explain: Callable[..., BaseException]
    spread: Callable[[], Callable[..., Any] | None]

    def loop(self, spread: bool) -> Callable[..., Any] | None:
        """The compiled loop, on one thread or on Numba's; None where there is none, or this process cannot have these threads."""
        if not spread or not self.loops:
            return self.compiled if self.loops else None
        return None if is_child.is_set() else self.spread()

    def __call__(self, points: Points, arrays: Sequence[Any], *, parallel: bool) -> None:
        """Fills the arrays of the results; what the function raises says at which point."""
        try:
            if parallel and (spread := self.loop(spread=True)) is not None:
                run_compiled(spread, points, arrays, threads=1)
            elif self.loops:
                run_compiled(self.compiled, points, arrays, threads=available_threads() if parallel else 1)
            else:
                run_plainly(self.compiled, points, arrays, flat)
            return
        except PointError as found:
            position, cause = found.position, found.cause
        error = self.explain(cause, points.at(position))
        error.add_note(points.describe(position))
        raise error


def load(build: Build, kind: str, target: str, wrt: Choice, turned: frozenset[int] = frozenset()) -> tuple[Callable[..., Any], bool]:
    """The compiled function, and whether it is machine code; the matrices that are `turned` lie column after column.

    NumPy's warnings are the user's own in a plain call, and of no use in what a gradient computes besides.
    """
    loaded = build.loaded(kind, target, wrt, turned)
    function = loaded.function
    if target == "numba":
        return entered(build, function)
    if build.arrays and kind != "value":
        function = functools.partial(_quietly, function)
    return functools.partial(_plainly, function) if build.scalar and "numpy" in loaded.text else function, False


class _Alone:
    """Numba's own threads are there for one call at a time: its simplest threading layer ends the process where there are two."""

    lock = _spreading

    def __init__(self, compiled: Callable[..., Any]) -> None:
        self.compiled = compiled

    def __call__(self, *args: Any) -> Any:
        with self.lock:
            return self.compiled(*args)


def entered(build: Build, function: Callable[..., Any]) -> tuple[Callable[..., Any], bool]:
    """Numba's function as it is called, and whether that is machine code: on several threads, or with denormals taken as zero inside."""
    code = machine_code(function)
    compiled = code or function
    if build.options.parallel:
        compiled = _Alone(compiled)
    elif build.options.flush_denormals:
        from stagegrad.kernels.denormals import flushing  # lazily: it imports Numba

        compiled = flushing(compiled)
    return compiled, code is not None


def spreading(build: Build, answer: str, wrt: Choice, same: frozenset[int]) -> Callable[[], Callable[..., Any] | None]:
    """What compiles the loop of a map for Numba's threads, when it is first asked for."""

    @functools.cache
    def compiled() -> Callable[..., Any] | None:
        try:
            function = build.map_loaded(answer, wrt, same, parallel=True).function
            return _Alone(machine_code(function) or function)
        except UnsupportedError:
            return None

    return compiled


def explaining(build: Build, target: str, answer: str, wrt: Choice) -> Callable[..., BaseException]:
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


def _plainly(compiled: Callable[..., Any], *args: Any) -> Any:
    return plain_result(compiled(*args))


def _quietly(compiled: Callable[..., Any], *args: Any) -> Any:
    import numpy  # lazily: it is there where there are arrays

    with numpy.errstate(all="ignore"):
        return compiled(*args)
