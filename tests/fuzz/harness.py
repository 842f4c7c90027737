"""Runs one random program through stagegrad and through the oracle, and says how the two agree.

`judge(program, target)` gives an `Outcome`: right, refused (with the reason), wrong, or crashed. `minimise` drops statements
from a failing program for as long as it fails in the same way.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import math
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import stagegrad
from stagegrad.errors import StagegradError
from tests.fuzz.duals import TIE, Derivatives, differences, differentiate
from tests.fuzz.programs import Program
from tests.fuzz.programs import program as random_program

#: How far a derivative may be off, relative to its own size or to the largest one beside it.
FIRST, SECOND = 1e-9, 1e-7
#: Values are exact in Python; Numba has its own libm, so each transcendental call may be off by an ulp or two.
VALUE = {"python": 0.0, "numba": 1e-11}


@dataclass(frozen=True)
class Outcome:
    """What became of a program: its class, the reason, and how many of its points could be used."""

    seed: int
    verdict: str
    reason: str = ""
    points: int = 0
    skipped: int = 0
    raised: int = 0
    seconds: int = 0

    @property
    def failed(self) -> bool:
        """Whether stagegrad was at fault."""
        return self.verdict in ("wrong", "crashed")


class Wrong(Exception):
    """Stagegrad's answer differs from the oracle's."""


class Hangs(BaseException):
    """The time limit; not an `Exception`, so that no program can be taken to raise it."""


@contextmanager
def loaded(program: Program) -> Iterator[Callable[..., Any]]:
    """The program's function, with its text where `inspect` looks for it."""
    file = f"<fuzzed program {program.seed}>"
    linecache.cache[file] = (len(program.text), None, program.text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": f"fuzzed_{program.seed}"}
    try:
        exec(compile(program.text, file, "exec"), space)
        yield space[program.name]
    finally:
        del linecache.cache[file]


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `Hangs` in a block that takes too much of the processor's time, where the system has alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: Any) -> None:
        raise Hangs(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def judge(program: Program, target: str = "python", second: bool = True, seconds: float = 60.0) -> Outcome:
    """Compiles the program, and compares value, gradient and a row of second derivatives at each of its points."""
    try:
        with loaded(program) as function, time_limit(seconds):
            return compare(program, function, target, second)
    except StagegradError as error:
        return Outcome(program.seed, "refused", reason_of(error))
    except Wrong as error:
        return Outcome(program.seed, "wrong", str(error))
    except (Exception, Hangs) as error:
        return Outcome(program.seed, "crashed", f"{type(error).__name__}: {error}")


def judged(job: tuple[int, str]) -> Outcome:
    """One seed's outcome; here, because a new process cannot import what a ``__main__`` defines."""
    seed, target = job
    return judge(random_program(seed), target)


def reason_of(error: StagegradError) -> str:
    """The reasons of a refusal, without the program's own names and numbers."""
    messages = sorted({re.sub(r"\d+", "N", problem.message) for problem in error.problems})
    return "; ".join(messages)


def compare(program: Program, function: Callable[..., Any], target: str, second: bool) -> Outcome:
    """Compares at every point; raises `Wrong` at the first difference."""
    floats = tuple(k for k, argument in enumerate(program.points[0]) if isinstance(argument, float))
    options = {"target": target, "cache": False}
    first = stagegrad.compile(function, wrt=floats, **options)
    row = floats[program.seed % len(floats)]
    slope = stagegrad.compile(stagegrad.grad(first, row), wrt=floats, **options) if second else None
    counts = {"points": 0, "skipped": 0, "raised": 0, "seconds": 0}
    for point in program.points:
        counts[at_point(program, function, point, first, slope, floats.index(row), target)] += 1
    counts["seconds"] = counts["points"] if second else 0
    return Outcome(program.seed, "right", **counts)


def at_point(program: Program, function: Callable[..., Any], point: tuple[Any, ...], first: Any, slope: Any, row: int, target: str) -> str:
    """Compares at one point, and says whether it counted: `points`, `skipped` (near a tie) or `raised` (as Python does)."""
    try:
        value = function(*point)
    except Exception as error:
        same_error(first, point, error)
        return "raised"
    try:
        wanted = differentiate(program.text, program.name, point)
    except ArithmeticError:
        return "skipped"
    if wanted.closest < TIE or not wanted.finite:
        return "skipped"
    found, gradient = first.value_and_grad(*point)
    for what, answer in (("value", found), ("value of the plain call", first(*point))):
        if not close(answer, value, VALUE[target], max(1.0, abs(value))):
            raise Wrong(f"{what} at {point}: {answer!r}, Python has {value!r}")
    arbiter = Arbiter(program, point, wanted)
    arbiter.check("gradient", listed(gradient), lambda d: d.gradient, FIRST)
    if slope is not None:
        again, curvature = slope.value_and_grad(*point)
        arbiter.check("gradient as a value", [again], lambda d: d.gradient[row : row + 1], FIRST)
        arbiter.check("second derivatives", listed(curvature), lambda d: d.hessian[row], SECOND)
    return "points"


def same_error(first: Any, point: tuple[Any, ...], error: Exception) -> None:
    """Requires the error that plain Python raises."""
    try:
        answer = first.value_and_grad(*point)
    except type(error):
        return
    except Exception as other:
        raise Wrong(f"{type(other).__name__}: {other} at {point}, Python raises {type(error).__name__}: {error}") from other
    raise Wrong(f"{answer} at {point}, Python raises {type(error).__name__}: {error}")


@dataclass(frozen=True)
class Arbiter:
    """Compares numbers with the dual numbers', and with 60 digits where the two differ."""

    program: Program
    point: tuple[Any, ...]
    wanted: Derivatives

    def check(self, what: str, found: Sequence[float], part: Callable[[Derivatives], Sequence[float]], tolerance: float) -> None:
        """Raises `Wrong` unless what was found is as good as double precision allows."""
        wanted = part(self.wanted)
        scale = max(1.0, *map(abs, self.wanted.gradient), *map(abs, wanted))
        if all(close(f, w, tolerance, scale) for f, w in zip(found, wanted, strict=True)):
            return
        # Cancellation can leave two correct programs with few common digits: then both are held against the exact answer.
        wide = differences(self.program.text, self.program.name, self.point)
        exact = part(wide)
        error = max(abs(w - e) for w, e in zip(wanted, exact, strict=True))
        if not wide.same_path(self.wanted) or not all(abs(f - e) <= 100.0 * error for f, e in zip(found, exact, strict=True)):
            raise Wrong(f"{what} at {self.point}: {list(found)}, the oracle has {list(wanted)}, 60 digits give {list(exact)}")


def listed(gradient: Any) -> list[float]:
    """A gradient as a list, also where there is only one argument."""
    return list(gradient) if isinstance(gradient, tuple) else [gradient]


def close(found: float, wanted: float, tolerance: float, scale: float) -> bool:
    """Whether two numbers agree; NaN agrees with NaN only."""
    if math.isnan(wanted):
        return math.isnan(found)
    return found == wanted or abs(found - wanted) <= tolerance * scale


# ---------------------------------------------------------------------------------------------- smaller failures


def minimise(program: Program, fails: Callable[[Program], bool], tries: int = 2000) -> Program:
    """The program without every point, statement, arm and operand that the failure does not need."""
    alone = (replace(program, points=(point,)) for point in program.points)
    program = next(filter(fails, alone), program)
    position, since = 0, 0
    for _ in range(tries):
        smaller = next(itertools.islice(reductions(program.text), position, None), None)
        if smaller is None and since == 0:
            break
        if smaller is None:
            position, since = 0, 0  # another round: what could not go before may go now
        elif fails(candidate := replace(program, text=smaller)):
            program, since = candidate, since + 1
        else:
            position += 1
    return program


def reductions(text: str) -> Iterator[str]:
    """The text with one statement dropped or replaced by one of its blocks, or one expression by one of its operands."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                yield from (_edited(tree, node, field, operand) for operand in operands(value))
            elif isinstance(value, list):
                yield from _shortened(tree, node, field, value)


def _shortened(tree: ast.Module, node: ast.AST, field: str, items: list[Any]) -> Iterator[str]:
    for k, item in enumerate(items):
        if isinstance(item, ast.stmt):
            shorter = inner_blocks(item)
        elif isinstance(item, ast.expr) and field != "targets":
            shorter = [[operand] for operand in operands(item)]
        else:
            continue
        for inner in shorter:
            yield _edited(tree, node, field, items[:k] + inner + items[k + 1 :] or [ast.Pass()])


def _edited(tree: ast.Module, node: ast.AST, field: str, new: Any) -> str:
    """The tree's text with one field changed; the tree itself is left as it was."""
    old = getattr(node, field)
    setattr(node, field, new)
    text = ast.unparse(ast.fix_missing_locations(tree))
    setattr(node, field, old)
    return text


def inner_blocks(stmt: ast.stmt) -> list[list[ast.stmt]]:
    """What may stand in a statement's place: nothing, or the statements of one of its blocks."""
    match stmt:
        case ast.If() | ast.For() | ast.While():
            return [[], stmt.body, *([stmt.orelse] if stmt.orelse else [])]
        case ast.Pass():
            return []
        case _:
            return [[]]


def operands(expr: ast.expr) -> list[ast.expr]:
    """What may stand in an expression's place: the expressions inside it."""
    match expr:
        case ast.Call():
            owner = [expr.func.value] if isinstance(expr.func, ast.Attribute) else []
            return [*owner, *expr.args, *(keyword.value for keyword in expr.keywords)]
        case ast.Attribute() | ast.Tuple() | ast.Lambda():
            return []
        case _:
            return [child for child in ast.iter_child_nodes(expr) if isinstance(child, ast.expr)]
