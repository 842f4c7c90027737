"""The arguments and results of a function at many points: arrays that broadcast -> columns, one number for each point.

`Points` takes the arguments of a call of `Staged.map` and gives what a compiled loop takes: for each parameter a contiguous array of one
dimension, or a number that is the same at every point; `results` are the arrays that it writes to, the caller's own where `out=` gives
them. Nothing is copied that is contiguous and of the right kind already. `run` goes through the points, in chunks on several threads if
that is asked for, and finds the first point at which the function raises.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from typing import Any

from stagegrad import runtime
from stagegrad.calls.boundary import Boundary, dtype_of
from stagegrad.calls.outputs import Outputs, Room
from stagegrad.errors import ArgumentError
from stagegrad.frontend.specs import Leaf, Reader, Spec
from stagegrad.ir import FLOAT, Type

#: A thread gets this many points at least: below, waking it takes longer than computing them.
LEAST_POINTS = 2**14
#: Chunks for each thread, so that those that are through early take over from the others.
_CHUNKS = 4
FLOAT32 = Type("float", 0, 32)
#: From this many points on, an array of results is one whose memory is kept (`stagegrad.kernels.workspace`).
_LARGE = 2**12
_EXAMPLES: dict[str, float | int | bool] = {"f": 1.0, "i": 1, "u": 1, "b": True}


def _numpy() -> Any:
    """NumPy, imported only where there are arrays of points."""
    import numpy  # lazily: a heavy package, and only those who have arrays need it

    return numpy


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def one_point(title: str, names: Sequence[str], values: Sequence[Any]) -> list[Any]:
    """Arguments of the same kinds for a single point: a number for each array; what is no argument of a map is an ArgumentError."""
    reader, found = Reader(title), []
    for name, value in zip(names, values, strict=True):
        if _is_array(value):
            reader.spec(value, name)  # refuses what holds no numbers of 64 or 32 bits
            value = _EXAMPLES[value.dtype.kind]
        elif isinstance(value, (list, tuple, dict)):
            reason = f"argument `{name}` of {title}.map() is a {type(value).__name__}; map() takes arrays of points, and numbers"
            raise ArgumentError(reason, advice=f"np.array({name})")
        found.append(value)
    return found


def are_narrow(specs: Sequence[Spec], values: Sequence[Any]) -> bool:
    """Whether the floats among the arguments have 32 bits, as NumPy has it: there is one, and beside it are Python's numbers at most."""
    floats = [value for spec, value in zip(specs, values, strict=True) if isinstance(spec, Leaf) and spec.type.kind == "float"]
    kinds = {(value.dtype.kind, value.dtype.itemsize) for value in floats if _is_array(value)}
    return ("f", 4) in kinds and kinds <= {("f", 4), ("b", 1)}


def are_many(values: Sequence[Any]) -> bool:
    """Whether the first of some arguments has points enough for two threads."""
    size = getattr(values[0], "size", None) if values else None
    return isinstance(size, int) and size >= 2 * LEAST_POINTS


def plain_dtype(values: Sequence[Any]) -> Any:
    """The dtype of arguments that are arrays of floats, all of one shape and width, and lie as compiled code takes them; else None."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not values or type(values[0]) is not numpy.ndarray:
        return None
    dtype, shape = values[0].dtype, values[0].shape
    if dtype is not dtype_of(FLOAT) and dtype is not dtype_of(FLOAT32):
        return None
    for value in values:
        if type(value) is not numpy.ndarray or value.dtype is not dtype or value.shape != shape or not value.flags.carray:
            return None
    return dtype


@dataclass(frozen=True)
class Points:
    """The points of a call: their `shape`, and for each leaf of the parameters a column, or a number that is the `same` at all of them."""

    title: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    columns: tuple[Any, ...]
    same: frozenset[int] = frozenset()

    @staticmethod
    def of(boundary: Boundary, values: Sequence[Any]) -> Points:
        """The points that the arguments of a call broadcast to; `boundary` says what the function takes."""
        title, names = boundary.parameters.name, boundary.parameters.names
        known = zip(names, boundary.specs, values, strict=True)
        given = [(name, spec.type, value) for name, spec, value in known if isinstance(spec, Leaf)]
        read = [_Column(title, name, type_, boundary).read(value) for name, type_, value in given]
        taken = tuple(name for name, _, _ in given)
        shape = _broadcast(title, taken, read)
        count = _count(shape)
        kinds = [dtype_of(type_) for _, type_, _ in given]
        columns = [_column(one, shape) for one in read] if count != 1 else list(map(_single, read, kinds))
        return Points(title, taken, shape, tuple(columns), frozenset(k for k, column in enumerate(columns) if not _shape(column)))

    @staticmethod
    def plain(title: str, names: tuple[str, ...], values: Sequence[Any]) -> Points:
        """The same for arguments that have a `plain_dtype`, where every parameter is a float of that width."""
        return Points(title, names, values[0].shape, tuple(value.reshape(-1) for value in values))

    @property
    def count(self) -> int:
        """How many points there are."""
        return _count(self.shape)

    def part(self, start: int, stop: int) -> list[Any]:
        """The columns of some of the points."""
        return [column if k in self.same else column[start:stop] for k, column in enumerate(self.columns)]

    def at(self, k: int) -> tuple[Any, ...]:
        """The arguments at one point, as the function of numbers takes them."""
        return tuple(number if j in self.same else _plain(number[k]) for j, number in enumerate(self.columns))

    def describe(self, k: int) -> str:
        """What a message says of one point: ``at the point [3, 0] of f.map(): x = -1.0, y = 2.0``."""
        index = ", ".join(str(int(place)) for place in _numpy().unravel_index(k, self.shape)) if self.shape else ""
        numbers = ", ".join(f"{name} = {number}" for name, number in zip(self.names, self.at(k), strict=True))
        return f"at the point [{index}] of {self.title}.map(): {numbers}"


def _plain(number: Any) -> Any:
    """A number of 64 bits as Python has it."""
    return number if number.dtype.itemsize == 4 else number.item()


def _shape(column: Any) -> tuple[int, ...]:
    found: tuple[int, ...] = getattr(column, "shape", ())
    return found


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _broadcast(title: str, names: Sequence[str], columns: Sequence[Any]) -> tuple[int, ...]:
    shapes = {name: column.shape for name, column in zip(names, columns, strict=True) if _shape(column)}
    if len(set(shapes.values())) == 1:
        return next(iter(shapes.values()))
    try:
        found: tuple[int, ...] = _numpy().broadcast_shapes(*shapes.values())
    except ValueError:
        shown = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())
        raise ArgumentError(f"the arguments of {title}.map() have shapes that do not broadcast: {shown}") from None
    return found


def _column(found: Any, shape: tuple[int, ...]) -> Any:
    """The number that is the same at each point, or those of the points in their order; a copy only where they do not lie so already."""
    if not _shape(found):
        return found
    if found.size == 1:
        return _plain(found.reshape(-1)[0])
    if found.shape != shape:
        found = _numpy().broadcast_to(found, shape)
    # Compiled code takes aligned arrays only, and as Numba types them, such as can be written to.
    return (found if found.flags.carray else _numpy().array(found, order="C")).reshape(-1)


def _single(found: Any, dtype: Any) -> Any:
    """A column for the only point that there is."""
    return _numpy().array(found, dtype).reshape(1)


@dataclass(frozen=True)
class _Column:
    """Reads one argument as numbers of a parameter's kind."""

    title: str
    name: str
    type: Type
    boundary: Boundary

    def read(self, value: Any) -> Any:
        """An array of the parameter's kind, or a number."""
        if not _is_array(value):
            return self.boundary.leaf(self.name, Leaf(self.type), value)
        if value.ndim == 0:
            return self.boundary.leaf(self.name, Leaf(self.type), value.item())
        wanted = dtype_of(self.type)
        kinds = {"float": "fib", "int": "ib", "bool": "b"}[self.type.kind]
        if value.dtype == wanted:
            return _numpy().asarray(value) if value.dtype.isnative else value.astype(wanted)
        if value.dtype.kind not in kinds:
            raise self.refused(value)
        found = value.astype(wanted)
        if self.type.kind == "float" and value.dtype.kind == "i" and not _is_exact(found, value):
            raise ArgumentError(
                f"argument `{self.name}` of {self.title}.map() has an int that no float equals",
                advice=f"{self.name}.astype(float), if rounding is meant",
            )
        return found

    def refused(self, value: Any) -> ArgumentError:
        wanted = {"int": "ints", "bool": "bools"}[self.type.kind]
        reason = f"argument `{self.name}` of {self.title}.map() is an array of {value.dtype}, but the function takes {wanted} there"
        is_float = self.type.kind == "int"
        advice = f"{self.name}.astype(int), or annotate the parameter if floats are meant: {self.name}: float"
        return ArgumentError(reason, advice=advice if is_float else f"{self.name} != 0")


def _is_exact(floats: Any, ints: Any) -> bool:
    """Whether floats equal the ints that they were made of."""
    largest = 2**53
    if not ints.size or (-largest <= ints.min() and ints.max() <= largest):
        return True
    return all(int(number) == int(whole) for number, whole in zip(floats.flat, ints.flat, strict=True))


# ---------------------------------------------------------------------------------------------- results


def results(points: Points, spec: Spec, types: Sequence[Type], out: Any, *, compiled: bool) -> list[Any]:
    """An array for each leaf of the answer, what it holds being of these types: that of `out`, or a new one."""
    make = _kept_room if compiled and points.count >= _LARGE else _numpy().empty
    if out is None:
        return [make(points.shape, dtype_of(type_)) for type_ in types]
    rooms = tuple(Room(points.shape, dtype_of(type_)) for type_ in types)
    taken = [(f"argument `{points.names[k]}`", column) for k, column in enumerate(points.columns) if k not in points.same]
    given = Outputs(f"{points.title}.map()", spec, rooms).given(out, taken)
    return [make(room.shape, room.dtype) if array is None else array for array, room in zip(given, rooms, strict=True)]


def _kept_room(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array as compiled code makes it, in memory that earlier ones have left: fresh memory takes longer than most functions do."""
    try:
        return _maker(str(dtype))(_count(shape))[0].reshape(shape)
    except MemoryError:  # beyond the limit of that memory
        return _numpy().empty(shape, dtype)


def rooms(types: Sequence[Type]) -> Callable[[int], tuple[Any, ...]]:
    """What makes an array for each result of a loop that Numba compiled, of so many points."""
    empty, kinds = _numpy().empty, [dtype_of(type_) for type_ in types]
    words = tuple(map(str, kinds))

    def made(count: int) -> tuple[Any, ...]:
        if count < _LARGE:
            return tuple([empty(count, kind) for kind in kinds])
        found: tuple[Any, ...] = _maker(*words)(count)
        return found

    return made


@cache
def _maker(*words: str) -> Callable[[int], Any]:
    """The compiled function that makes arrays of so many elements, one of each of these dtypes."""
    arrays = "".join(f"room(n, np.{word if word != 'bool' else 'bool_'}), " for word in words)
    lines = [
        "import numpy as np",
        "from numba import njit",
        "from stagegrad.kernels.workspace import room\n\n",
        "@njit(cache=True, nogil=True)",
        "def new_arrays(n):",
        f"    return ({arrays})\n",
    ]
    return runtime.load("\n".join(lines), "new_arrays", target="numba", types=("int",)).function


# ---------------------------------------------------------------------------------------------- going through the points


class PointError(Exception):
    """The function raised at a point: which one, and what it raised."""

    def __init__(self, position: int, cause: Exception) -> None:
        super().__init__(position)
        self.position, self.cause = position, cause


def run_compiled(loop: Callable[..., Any], points: Points, arrays: Sequence[Any], *, threads: int) -> None:
    """Runs a compiled loop over all points; PointError names the first at which it raises."""
    flat = [array.reshape(-1) if array.flags.carray else _numpy().empty(array.size, array.dtype) for array in arrays]

    def go(start: int, stop: int) -> None:
        loop(*points.part(start, stop), *(column[start:stop] for column in flat))

    pieces = min(threads * _CHUNKS, points.count // LEAST_POINTS) if threads > 1 else 1
    try:
        if pieces > 1:
            _in_chunks(go, points.count, pieces, threads)
        else:
            loop(*points.columns, *flat)
    except Exception as error:
        raise PointError(*_first_failure(go, points.count, error)) from None
    for array, column in zip(arrays, flat, strict=True):
        if not array.flags.carray:
            array[...] = column.reshape(array.shape)


def run_plainly(function: Callable[..., Any], points: Points, arrays: Sequence[Any], flat: Callable[[Any], Sequence[Any]]) -> None:
    """The same for a function of numbers, point by point; `flat` takes its answer apart."""
    for k, place in enumerate(_numpy().ndindex(points.shape)):
        try:
            answers = flat(function(*points.at(k)))
        except Exception as error:
            raise PointError(k, error) from None
        for array, answer in zip(arrays, answers, strict=True):
            array[place] = answer


def _in_chunks(go: Callable[[int, int], None], count: int, pieces: int, threads: int) -> None:
    """Runs the points in chunks, and waits for all of them."""
    tasks = [_pool(threads).submit(go, count * k // pieces, count * (k + 1) // pieces) for k in range(pieces)]
    wait(tasks)
    for task in tasks:
        task.result()


def _first_failure(go: Callable[[int, int], None], count: int, error: Exception) -> tuple[int, Exception]:
    """The first point at which the function raises, found by halves, and what it raises there; `error` is what it raised somewhere."""
    start, stop = 0, count
    while stop - start > 1:
        middle = (start + stop) // 2
        found = _error_of(go, start, middle)
        start, stop, error = (middle, stop, error) if found is None else (start, middle, found)
    return start, _error_of(go, start, stop) or error


def _error_of(go: Callable[[int, int], None], start: int, stop: int) -> Exception | None:
    try:
        go(start, stop)
    except Exception as error:
        return error
    return None


# ---------------------------------------------------------------------------------------------- threads

_pools: dict[int, ThreadPoolExecutor] = {}


def available_threads() -> int:
    """As many threads as Numba is told by NUMBA_NUM_THREADS, by default one for each processor."""
    from numba import config  # lazily: it is there where a loop was compiled

    return int(config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]  # Numba sets it when it is imported


def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that wait for chunks; made when they are first needed, and kept."""
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="stagegrad")
    return _pools[threads]


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_pools.clear)  # a child has none of its parent's threads
