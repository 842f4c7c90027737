"""Source recovery: the text of a live function is the text that runs, or it is refused."""

from __future__ import annotations

import ast
import functools
import importlib.util
import inspect
import linecache
import subprocess
import sys
import textwrap
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.errors import ArgumentError, StagegradError, StagegradSourceError
from stagegrad.frontend.python import lower
from stagegrad.frontend.source import recover
from tests.interpret import Interpreter

pair = lambda x: x + 1.0, lambda x: x * 3.0
twins = (lambda x: x - 1.0), (lambda x: x - 1.0)
nested = lambda x: lambda y: x * y  # noqa: E731
spread = [
    lambda x: (
        x
        * 2.0
    ),
]  # fmt: skip
SCALE = 2.0


def identity(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


@identity
@functools.lru_cache
def cached(x: float) -> float:
    return x * 5.0


@identity
@identity
def stacked(x: float) -> float:
    """The decorators above leave the function as it is."""
    return x * 7.0


def scaled_by(k: float) -> Callable[[float], float]:
    def inner(x: float) -> float:
        return x * k

    return inner


class Shelf:
    __width = 3.0

    def method(self, x: float) -> float:
        return self.__width * x

    @staticmethod
    def static(x: float) -> float:
        return x + 4.0


def value(function: Any, *args: Any, source: str | None = None) -> Any:
    return Interpreter(lower(function, source).module)(*args)


def executed(text: str, name: str = "f", file: str = "<made>") -> Any:
    names: dict[str, Any] = {}
    exec(compile(textwrap.dedent(text), file, "exec"), names)
    return names[name]


def written(path: Path, text: str) -> types.ModuleType:
    """A module imported from a file that holds `text`."""
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    linecache.checkcache(str(path))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("function", "expected"),
    [(pair[0], 3.0), (pair[1], 6.0), (twins[0], 1.0), (twins[1], 1.0), (spread[0], 4.0), (nested(3.0), 6.0), (stacked, 14.0),
     (cached.__wrapped__, 10.0), (scaled_by(4.0), 8.0), (scaled_by(5.0), 10.0), (Shelf.static, 6.0)],
)  # fmt: skip
def test_the_right_text_is_found(function: Any, expected: float) -> None:
    assert function(2.0) == expected
    assert value(function, 2.0) == expected


def test_lambdas_on_one_line_are_told_apart_by_place() -> None:
    first, second = (recover(function).node for function in twins)
    assert first.col_offset < second.col_offset
    inner = recover(nested(1.0)).node
    assert isinstance(inner, ast.Lambda) and [argument.arg for argument in inner.args.args] == ["y"]


def test_private_names_of_a_class_are_mangled_as_in_the_class() -> None:
    assert recover(Shelf.method).text.strip().startswith("def method")


def test_spans_count_characters() -> None:
    source = recover(stacked)
    span = source.span(source.node)
    assert span.file == __file__ and span.text == "def stacked(x: float) -> float:" and span.col == 1
    largest = executed("def f(größe):\n    return größe + öl\n")
    with pytest.raises(StagegradError) as caught:
        lower(largest, "def f(größe):\n    return größe + öl\n")
    assert (caught.value.line, caught.value.column) == (2, 20)


def test_wraps_does_not_hide_the_wrapper() -> None:
    def doubled(function: Callable[[float], float]) -> Callable[[float], float]:
        @functools.wraps(function)
        def wrapper(x: float) -> float:
            return 2.0 * function(x)

        return wrapper

    def g(x: float) -> float:
        return x + 1.0

    assert value(doubled(g), 2.0) == 6.0


def test_a_lying_wrapped_attribute_is_ignored() -> None:
    def f(x: float) -> float:
        return x + 1.0

    f.__wrapped__ = pair[1]  # type: ignore[attr-defined]  # the lie
    assert value(f, 2.0) == 3.0


def test_a_file_that_was_shifted_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "shifted.py"
    module = written(path, "def f(x):\n    return x * 2.0\n")
    path.write_text("# a new line\n\ndef g(x):\n    return x\n\ndef f(x):\n    return x * 2.0\n", encoding="utf-8")
    assert value(module.f, 3.0) == 6.0


@pytest.mark.parametrize(
    "changed",
    ["return x * 3.0", "return x + 2.0", "return y * 2.0", "return x * 2", "return (lambda z: z * 2.0)(x)", "return x * -2.0"],
)
def test_a_file_that_was_rewritten_is_refused(tmp_path: Path, changed: str) -> None:
    path = tmp_path / "rewritten.py"
    module = written(path, "y = 1.0\n\ndef f(x):\n    return x * 2.0\n")
    path.write_text(f"y = 1.0\n\ndef f(x):\n    {changed}\n", encoding="utf-8")
    linecache.checkcache(str(path))
    with pytest.raises(StagegradSourceError, match="is not the text of f as it runs") as caught:
        lower(module.f)
    assert "source=" in str(caught.value)


def test_text_that_was_cached_before_the_file_changed_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "kept.py"
    module = written(path, "def f(x):\n    return x * 2.0\n")
    linecache.getlines(str(path))
    path.write_text("def f(x):\n    return x * 300.0\n", encoding="utf-8")
    assert value(module.f, 3.0) == 6.0


def test_a_deleted_or_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    module = written(path, "def f(x):\n    return x * 2.0\n")
    path.write_text("def f(x:\n", encoding="utf-8")
    with pytest.raises(StagegradSourceError):
        lower(module.f)
    path.unlink()
    linecache.checkcache(str(path))
    with pytest.raises(StagegradSourceError, match="no source text"):
        lower(module.f)


def test_executed_code_needs_its_text() -> None:
    text = "def f(x):\n    return x * 2.0\n"
    f = executed(text)
    with pytest.raises(StagegradSourceError, match="no source text") as caught:
        lower(f)
    assert "source=" in str(caught.value)
    assert value(f, 3.0, source=text) == 6.0
    with pytest.raises(StagegradSourceError, match="is not the text of f"):
        lower(f, "def f(x):\n    return x * 2.5\n")
    with pytest.raises(StagegradSourceError):
        lower(f, "def f(x:")


def test_given_text_may_be_indented_and_may_be_a_closure() -> None:
    f = executed("def outer(k):\n    def f(x):\n        return x * k\n    return f\n", "outer")(4.0)
    assert value(f, 2.0, source="    def f(x):\n        return x * k\n") == 8.0
    g = executed("g = lambda x: x * 2.0\n", "g")
    assert value(g, 2.0, source="lambda x: x * 2.0") == 4.0


def test_registered_text_is_enough() -> None:
    text = "def f(x):\n    return x * 2.0\n"
    linecache.cache["<cell 1>"] = (len(text), None, text.splitlines(True), "<cell 1>")
    assert value(executed(text, file="<cell 1>"), 3.0) == 6.0


def test_text_that_python_warns_of_is_read_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "warned.py"
    path.write_text("PATTERN = '\\d'\n\n\ndef f(x):\n    return x * (2.0 if x is 1 else 3.0)\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f = executed(path.read_text(), file=str(path))
        warnings.simplefilter("error")
        assert recover(f).node.lineno == 4


def test_what_inspect_alone_knows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def f(x):\n    return x * 2.0\n"
    f = executed(text, file="<python-input-7>")
    monkeypatch.setattr(inspect, "findsource", lambda function: (text.splitlines(keepends=True), 0))
    assert value(f, 3.0) == 6.0


def test_the_interactive_prompt_is_refused_with_advice_or_works() -> None:
    script = "def f(x):\n    return x * 2.0\n\nfrom stagegrad.frontend.python import lower\nlower(f)\n"
    done = subprocess.run([sys.executable, "-i", "-q"], input=script, capture_output=True, text=True, timeout=60, check=False)
    assert "source=" in done.stderr or "Traceback" not in done.stderr


@pytest.mark.parametrize("thing", [abs, len, 3.0, "x * x", Shelf, Shelf().method, functools.partial(stacked, 1.0), None])
def test_what_is_no_plain_function_is_refused(thing: Any) -> None:
    with pytest.raises((ArgumentError, StagegradError)):
        lower(thing)
