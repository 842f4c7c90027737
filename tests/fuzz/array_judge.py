"""Runs one random array program through stagegrad and through plain NumPy, and says how the two agree.

The oracle is the untouched function: its value, its errors, what it writes to its arguments, and for the gradient central
differences of second and fourth order at a step that is made smaller until both agree. Where they never do, or where the slopes
to the left and to the right differ, the point lies on or near a kink, and is skipped.
"""

from __future__ import annotations

import ast
import copy
import linecache
import math
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import stagegrad
from stagegrad.errors import StagegradError
from tests.fuzz.array_inputs import Input, Same, flat, fresh, items, refilled, skeleton
from tests.fuzz.arrays import program as random_program
from tests.fuzz.harness import Hangs, Outcome, Wrong, loaded, reason_of, time_limit
from tests.fuzz.programs import Program

#: How far values, gradients as values, gradients, and all of them in single precision may be off, relative to the largest beside them.
VALUE = {"numpy": 1e-12, "numba": 1e-10}
SLOPE, GRADIENT, SINGLE = 1e-9, 2e-6, 5e-3
#: The steps of the differences, and how well two orders must agree.
STEPS, SMOOTH = (1e-4, 1e-5, 1e-6), 3e-7
#: Beyond this a program is too wild for differences to judge.
WILD = 1e6

Function = Callable[..., Any]


class Unclear(Exception):
    """The oracle cannot tell: a kink, or numbers that are too large."""


def judge(program: Program, target: str = "numpy", second: bool = False, seconds: float = 120.0) -> Outcome:
    """Compiles the program, and compares value, gradient and what is written to the arguments at each of its points."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = _found(_compare, program, target, seconds)
        if not second or not outcome.points or not any(isinstance(item, float) for item in program.points[0]):
            return outcome
        again = _found(_compare_second, program, target, seconds)
    if again.verdict == "right":
        return replace(outcome, seconds=again.points)
    return replace(again, reason=f"second derivatives: {again.reason}")


def _found(compare: Callable[[Program, Function, str], Outcome], program: Program, target: str, seconds: float) -> Outcome:
    """The outcome of a comparison, whatever happens in it."""
    try:
        with loaded(program) as function, time_limit(seconds):
            return compare(program, function, target)
    except StagegradError as error:
        return Outcome(program.seed, "refused", reason_of(error))
    except Wrong as error:
        return Outcome(program.seed, "wrong", str(error))
    except (Exception, Hangs) as error:
        return Outcome(program.seed, "crashed", f"{type(error).__name__}: {error} ({_deepest(error)})")


def judged(job: tuple[int, str]) -> Outcome:
    """One seed's outcome; here, because a new process cannot import what a ``__main__`` defines."""
    seed, target = job
    return judge(random_program(seed), target, second=target == "numpy" and seed % 4 == 0)


def _deepest(error: BaseException) -> str:
    """The place inside stagegrad that an error came from."""
    home = os.path.dirname(os.path.abspath(stagegrad.__file__))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(home)]
    return f"{os.path.relpath(frames[-1].filename, home)}:{frames[-1].lineno}" if frames else "outside stagegrad"


def _compare(program: Program, function: Function, target: str) -> Outcome:
    """Compares at every point; raises `Wrong` at the first difference."""
    compiled = stagegrad.compile(function, target=target, cache=False)
    counts = {"points": 0, "skipped": 0, "raised": 0, "seconds": 0}
    for point in program.points:
        if target == "numba" and _types(point) != _types(program.points[0]):
            continue  # each combination of types takes seconds to compile
        try:
            counts[at_point(function, point, compiled, VALUE[target])] += 1
        except Wrong:
            # NumPy overwrites what it has yet to read where one vector is written to another of the same array with other steps.
            counts[at_point(_reading_first(function), point, compiled, VALUE[target])] += 1
    return Outcome(program.seed, "right", **counts)


def _compare_second(program: Program, function: Function, target: str) -> Outcome:
    """Compares the gradient of one number's gradient with differences of it, at the first point; the first order is known to be right."""
    compiled = stagegrad.compile(function, target=target, cache=False)
    point = program.points[0]
    position = next(k for k, item in enumerate(point) if isinstance(item, float))
    before = sum(_moves(argument) for argument in flat(fresh(point[:position])))

    def slope(*args: Any) -> float:
        return float(flat(compiled.grad(*args))[before])

    counted = at_point(slope, point, stagegrad.grad(compiled, position), SLOPE)
    return Outcome(program.seed, "right", points=counted == "points")


def at_point(function: Function, point: tuple[Any, ...], compiled: Any, near: float) -> str:
    """Compares at one point, and says whether it counted: `points`, `skipped` or `raised` (as NumPy does)."""
    plain = fresh(point)
    try:
        value = function(*plain)
    except Exception as error:
        # What cannot be written to is told at the end of a plain call, after any other error; the gradient call works on copies.
        readonly = "read-only" in str(error)
        _require_error(compiled, point, error, Exception if readonly else type(error))
        if not readonly:
            # What nobody reads need not be computed for a gradient.
            _require_error(compiled.value_and_grad, point, error, type(error), unless=lambda: _without_what_nobody_reads(function, point))
        return "raised"
    if np.ndim(value):
        return "skipped"  # no number: only a shrunk program
    try:
        _require_plain(compiled, point, value, flat(plain), near)
    except ValueError as error:
        # What the program would write to, on a way that it did not take, must be writable all the same.
        if "read-only" not in str(error) or all(a.flags.writeable for a in flat(plain) if isinstance(a, np.ndarray)):
            raise
    untouched, given = flat(fresh(point)), fresh(point)
    found, gradient = compiled.value_and_grad(*given)
    _require_value("value beside the gradient", found, value, point, near)
    if not all(map(_same, flat(given), untouched)):
        raise Wrong(f"the gradient call writes to its arguments at {point}")
    _require_form(gradient, given)
    try:
        wanted = differences(function, point)
    except Unclear:
        return "skipped"
    _require_gradient(flat(gradient), wanted, point)
    return "points"


def _require_plain(compiled: Any, point: tuple[Any, ...], value: Any, after: list[Any], near: float) -> None:
    """Requires that the plain call gives the value, and writes to the arguments what NumPy writes."""
    given = fresh(point)
    _require_value("value of the plain call", compiled(*given), value, point, near)
    scale = max((float(np.max(np.abs(a))) for a in after if isinstance(a, np.ndarray) and a.size), default=1.0)
    near = (SINGLE / 10.0 if _single(point) else near) * max(1.0, scale)
    for k, (mine, theirs) in enumerate(zip(flat(given), after, strict=True)):
        if isinstance(mine, np.ndarray) and not np.allclose(mine, theirs, rtol=0.0, atol=near, equal_nan=True):
            raise Wrong(f"the plain call leaves argument {k} as {mine.tolist()} at {point}, NumPy as {theirs.tolist()}")


def _require_value(what: str, found: Any, value: Any, point: tuple[Any, ...], near: float) -> None:
    near = (SINGLE / 10.0 if _single(point) else near) * max(1.0, abs(value))
    if np.ndim(found) or not np.allclose(float(found), float(value), rtol=0.0, atol=near, equal_nan=True):
        raise Wrong(f"{what} at {point}: {found!r}, NumPy has {value!r}")


def _types(point: tuple[Any, ...]) -> list[str]:
    return [item.dtype if isinstance(item, Input) else "float" for item in items(point)]


def _single(point: tuple[Any, ...]) -> bool:
    return any(isinstance(item, Input) and item.dtype == "float32" for item in items(point))


def _require_error(
    call: Function, point: tuple[Any, ...], error: Exception, kind: type[Exception], unless: Callable[[], Iterable[float]] = tuple
) -> None:
    """Requires an error of this kind, unless the call's value is one of these.

    Which is told first, a position that is not there or a size that does not fit, is not judged.
    """
    kinds = (IndexError, ValueError) if kind in (IndexError, ValueError) else (kind,)
    try:
        answer = call(*fresh(point))
    except StagegradError:
        raise
    except kinds:
        return
    except Exception as other:
        raise Wrong(f"{type(other).__name__} ({other}) where NumPy raises {type(error).__name__} ({error}) at {point}") from other
    value = answer[0] if isinstance(answer, tuple) else answer
    near = SINGLE / 10.0 if _single(point) else SLOPE
    if np.ndim(value) or not any(np.allclose(float(value), right, rtol=near, atol=near, equal_nan=True) for right in unless()):
        raise Wrong(f"no error where NumPy raises {type(error).__name__} ({error}) but {answer} at {point}")


def _without_what_nobody_reads(function: Function, point: tuple[Any, ...]) -> Iterator[float]:
    """The values that a program may have if nobody reads what raises."""
    # A gradient call works on copies, which can be written to and share no elements.
    made = [(item, item.make() if isinstance(item, Input) else None) for item in items(point)]
    copies = [item if array is None else replace(item, numbers=tuple(array.ravel().tolist()), layout="C") for item, array in made]
    writable = refilled(point, iter(copies))
    tree = ast.parse("".join(linecache.getlines(function.__code__.co_filename)))
    yield from _without_what_raises(tree, function.__name__, writable)
    yield from _whatever_is_read(tree, function.__name__, writable)


def _reading_first(function: Function) -> Function:
    """The function with assignments to sections that read all of their right side first."""
    tree = ast.parse("".join(linecache.getlines(function.__code__.co_filename)))
    return _made(ast.fix_missing_locations(_Guarded().visit(tree)), function.__name__, guarded=_guarded)


def _made(tree: ast.Module, name: str, **names: Any) -> Function:
    space: dict[str, Any] = {"__name__": "without", **names}
    exec(compile(tree, "<without>", "exec"), space)
    found: Function = space[name]
    return found


def _run(tree: ast.Module, name: str, point: tuple[Any, ...], **names: Any) -> float:
    return float(_made(tree, name, **names)(*fresh(point)))


def _without_what_raises(tree: ast.Module, name: str, point: tuple[Any, ...]) -> Iterator[float]:
    """The value of the program without the statements that raise, and without those that miss them, if it has one."""
    tree = copy.deepcopy(tree)
    for _ in range(30):
        try:
            yield _run(tree, name, point)
            return
        except Exception as error:
            lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<without>"]
            tree = ast.fix_missing_locations(_Without(lines[-1]).visit(tree)) if lines else ast.parse("")


def _whatever_is_read(tree: ast.Module, name: str, point: tuple[Any, ...]) -> Iterator[float]:
    """The value of the program if it is the same whatever lies at the positions that are not there."""
    tree = ast.fix_missing_locations(_Guarded().visit(copy.deepcopy(tree)))
    found: list[float] = []
    for number in (math.nan, -3.7, 0.0, 4.1):
        try:
            found.append(_run(tree, name, point, guarded=partial(_guarded, number=number)))
        except Exception:
            return
    if np.allclose(found, found[0], rtol=1e-12, atol=0.0, equal_nan=True):
        yield found[0]


def _guarded(thing: Any, number: float | None = None) -> Any:
    if not isinstance(thing, np.ndarray):
        return thing
    return _ReadingFirst(thing) if number is None else _Endless(thing, number)


@dataclass
class _ReadingFirst:
    """An array that reads all of what is written to it first."""

    array: np.ndarray

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value.copy() if isinstance(value, np.ndarray) else value


@dataclass
class _Endless(_ReadingFirst):
    """An array that has a number at every position that is not there; written to at one of them, it holds nothing else."""

    number: float

    def __getitem__(self, index: Any) -> Any:
        try:
            return super().__getitem__(index)
        except IndexError as error:
            return self._filled(self._longer(self.array, error)[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        try:
            super().__setitem__(index, value)
        except IndexError as error:
            self._longer(self.array, error)[index] = value
            self.array[...] = self._filled(self.array)

    def _filled(self, like: Any) -> Any:
        kind = np.asarray(like).dtype.kind
        full = np.full_like(like, self.number if kind == "f" else not self.number if kind == "b" else np.sign(np.nan_to_num(self.number)))
        return full if np.ndim(like) else full[()]

    def _longer(self, array: np.ndarray, error: IndexError) -> Any:
        """An array with as many elements along an axis as the error says are needed; raises it if it says no such thing."""
        match = re.match(r"index (-?\d+) is out of bounds for axis (\d+)", str(error))
        if match is None:
            raise error
        index, axis = int(match[1]), int(match[2])
        sizes = [max(size, index + 1, -index) if k == axis else size for k, size in enumerate(array.shape)]
        return _Endless(np.zeros(sizes, array.dtype), self.number)


class _Guarded(ast.NodeTransformer):
    """``a[i]`` -> ``guarded(a)[i]``"""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        guarded = ast.Call(ast.Name("guarded", ast.Load()), [node.value], [])
        return ast.copy_location(ast.Subscript(guarded, node.slice, node.ctx), node)


class _Without(ast.NodeTransformer):
    """Takes the statement that begins on a line out of a program."""

    def __init__(self, line: int) -> None:
        self.line = line

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef) and node.lineno == self.line:
            return ast.copy_location(ast.Pass(), node)
        return super().generic_visit(node)


def _require_form(gradient: Any, given: list[Any]) -> None:
    """Requires a gradient with the arguments' containers, shapes and dtypes, in memory of its own."""
    moving = [argument for argument in given if any(map(_moves, flat(argument)))]
    wanted = skeleton(tuple(moving) if len(moving) > 1 else moving[0])
    if skeleton(gradient) != wanted:
        raise Wrong(f"the gradient's containers are {skeleton(gradient)}, not {wanted}")
    parts = flat(gradient)
    for argument, part in zip(filter(_moves, flat(given)), parts, strict=True):
        if not isinstance(argument, np.ndarray):
            if np.ndim(part):
                raise Wrong(f"the gradient of a number is {part!r}")
            continue
        if not isinstance(part, np.ndarray) or (part.shape, part.dtype) != (argument.shape, argument.dtype):
            form = f"{part.dtype} {part.shape}" if isinstance(part, np.ndarray) else repr(part)
            raise Wrong(f"the gradient of a {argument.dtype} {argument.shape} array is {form}")
        if any(np.shares_memory(part, other) for other in flat(given) if isinstance(other, np.ndarray)):
            raise Wrong("a gradient shares its memory with an argument")
        if sum(np.shares_memory(part, other) for other in parts if isinstance(other, np.ndarray)) > (part.size > 0):
            raise Wrong("two gradients share their memory")
        if not part.flags.c_contiguous or not part.flags.writeable:
            raise Wrong("a gradient is not contiguous or not writable")


def _require_gradient(parts: list[Any], wanted: list[np.ndarray], point: tuple[Any, ...]) -> None:
    scale = max(float(np.max(np.abs(w), initial=1.0)) for w in wanted)
    tolerance = (SINGLE if _single(point) else GRADIENT) * scale
    for k, (part, right) in enumerate(zip(parts, wanted, strict=True)):
        if not np.allclose(part, right, rtol=0.0, atol=tolerance):
            raise Wrong(f"gradient {k} at {point}: {np.asarray(part).tolist()}, differences give {right.tolist()}")


def _same(left: Any, right: Any) -> bool:
    """Whether two arguments hold the same numbers, also outside of a view that is all the program was given."""
    if not isinstance(left, np.ndarray):
        return bool(left == right)
    whole = (left.base, right.base) if isinstance(left.base, np.ndarray) else (left, right)
    return all(np.array_equal(one, two, equal_nan=left.dtype.kind == "f") for one, two in ((left, right), whole))


def _moves(argument: Any) -> bool:
    """Whether an argument has a gradient."""
    return isinstance(argument, float) or (isinstance(argument, np.ndarray) and argument.dtype.kind == "f")


# ---------------------------------------------------------------------------------------------- the oracle


def differences(function: Function, point: tuple[Any, ...]) -> list[np.ndarray]:
    """The gradient by differences, in double precision, for each float and array of floats; raises `Unclear` near a kink."""
    inputs = items(point)
    # An array that is passed twice has two gradients: each is moved alone.
    apart = [_doubled(inputs[item.position] if isinstance(item, Same) else item) for item in inputs]
    base = _number(function, fresh(refilled(point, iter(apart))))
    if _single(point) and abs(base - float(function(*fresh(point)))) > SINGLE / 10.0 * max(1.0, abs(base)):
        raise Unclear  # single precision went another way

    def moved(position: int, index: int, step: float) -> float:
        there = [*apart[:position], _stepped(apart[position], index, step), *apart[position + 1 :]]
        return _number(function, fresh(refilled(point, iter(there))))

    found = []
    for position, item in enumerate(apart):
        if isinstance(item, float) or (isinstance(item, Input) and item.dtype == "float64"):
            shape = item.shape if isinstance(item, Input) else ()
            slopes = [_slope(partial(moved, position, index), base) for index in range(math.prod(shape))]
            found.append(np.array(slopes, float).reshape(shape))
    return found


def _stepped(item: Any, index: int, step: float) -> Any:
    """An argument with one of its numbers moved."""
    if not isinstance(item, Input):
        return item + step
    numbers = (*item.numbers[:index], item.numbers[index] + step, *item.numbers[index + 1 :])
    return replace(item, numbers=numbers, layout="readonly" if item.layout == "spread" else item.layout)


def _doubled(item: Any) -> Any:
    """A single precision argument with the numbers that it really has, as doubles."""
    if not isinstance(item, Input) or item.dtype != "float32":
        return item
    return replace(item, numbers=tuple(map(float, np.array(item.numbers, dtype="float32"))), dtype="float64")


def _number(function: Function, args: list[Any]) -> float:
    try:
        value = float(function(*args))
    except Exception as error:
        raise Unclear from error
    if not abs(value) < WILD:
        raise Unclear
    return value


def _slope(along: Callable[[float], float], base: float) -> float:
    """A derivative by Richardson's rule, at the first step that is small enough; raises `Unclear` at a kink."""
    for step in STEPS:
        left, right, nearer_left, nearer_right = map(along, (-step, step, -step / 2.0, step / 2.0))
        wide, narrow = (right - left) / (2.0 * step), (nearer_right - nearer_left) / step
        bend = 2.0 * (nearer_right - 2.0 * base + nearer_left) / (step / 2.0) - (right - 2.0 * base + left) / step
        scale = max(1.0, abs(narrow))
        if abs(wide - narrow) <= SMOOTH * scale and abs(bend) <= 10.0 * SMOOTH * scale:
            return (4.0 * narrow - wide) / 3.0
    raise Unclear
