"""The Python frontend: what it refuses, and that what it lowers keeps every value."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.errors import StagegradError
from stagegrad.frontend.python import lower
from stagegrad.ir import check
from stagegrad.ir_text import parse, show
from tests.fuzz.programs import program as random_program
from tests.interpret import Interpreter
from tests.lowered import PROGRAMS

REJECTED = sorted((Path(__file__).parent / "cases" / "rejected").glob("*.py"))


def imported(path: Path) -> ModuleType:
    """The module in a file, imported under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"rejected_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expected(path: Path) -> list[tuple[int, str]]:
    """The line and the text of every ``# error: ...`` in a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(number, text.strip()) for number, line in enumerate(lines, 1) for text in re.split(r"# error:", line)[1:]]


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_refused_with_place_and_advice(path: Path) -> None:
    with pytest.raises(StagegradError) as caught:
        lower(imported(path).f)
    report = str(caught.value)
    wanted = expected(path)
    assert wanted, "a rejected case states no error"
    for line, text in wanted:
        problems = [problem for problem in caught.value.problems if problem.span is not None and problem.span.line == line]
        assert any(text in problem.message for problem in problems), f"line {line}: {text!r} is not in\n{report}"
        assert all("^" in str(problem) for problem in problems), report
    assert {problem.span.line for problem in caught.value.problems if problem.span} == {line for line, _ in wanted}, report


# ---------------------------------------------------------------------------------------------- values


def outcome(function: Callable[..., Any], point: tuple[Any, ...]) -> Any:
    """The result of a call, or the kind and the text of its error."""
    try:
        return function(*point)
    except Exception as error:
        return type(error).__name__, str(error)


def complete(function: Callable[..., Any], point: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with the defaults filled in."""
    bound = inspect.signature(function, follow_wrapped=False).bind(*point)
    bound.apply_defaults()
    return tuple(bound.arguments.values())


def same(first: Any, second: Any) -> bool:
    """Equal to the last bit; ints and floats of one value are the same number."""
    if isinstance(first, tuple) and isinstance(second, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second) or (first != first and second != second)


@pytest.mark.parametrize(("function", "points"), PROGRAMS, ids=lambda part: getattr(part, "__name__", ""))
def test_lowering_keeps_every_value(function: Callable[..., Any], points: tuple[tuple[Any, ...], ...]) -> None:
    module = check(lower(function).module)
    text = show(module)
    assert show(parse(text)) == text
    for point in points:
        args = complete(function, point)
        found = outcome(Interpreter(module), args)
        assert same(found, outcome(function, point)), f"{point}: {found} against {outcome(function, point)}\n{text}"


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_keep_every_value(seed: int) -> None:
    made = random_program(seed)
    names: dict[str, Any] = {}
    exec(compile(made.text, f"<random {seed}>", "exec"), names)
    module = check(lower(names[made.name], source=made.text).module)
    for point in made.points:
        assert same(outcome(Interpreter(module), point), outcome(names[made.name], point)), made.text
