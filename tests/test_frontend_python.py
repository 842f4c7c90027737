"""The Python frontend: what it refuses, and that what it lowers keeps every value."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.errors import StagegradError
from stagegrad.frontend.python import lower

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
