"""The Python frontend: what it refuses, and that what it lowers keeps every value."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest

from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.errors import StagegradError
from stagegrad.frontend.deep import deeply
from stagegrad.frontend.python import lower
from stagegrad.ir import Stage, check
from stagegrad.ir_text import parse, show
from tests.fuzz.programs import program as random_program
from tests.interpret import Interpreter
from tests.lowered_programs import PROGRAMS

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


# ---------------------------------------------------------------------------------------------- types of parameters


def types_of(function: Any) -> list[str]:
    """The types of the parameters of the main function."""
    return [str(param.type) for param in lower(function).module.main.params]


def annotated(x: float, n: "int", flag: bool, y: np.float64, z: "float | None") -> float:  # noqa: UP037  (a text is the point)
    return x * n + y + z if flag else x


def flows(a, n, m, k, b):  # n, m and k reach int-only places through whole-number arithmetic
    count = 2 * n - 1
    for _ in range(max(count, 3)):
        a += k & 1
    while m > 0:
        m -= 2
    for _ in range(abs(m)):
        a *= b
    return a


def test_parameter_types() -> None:
    assert types_of(annotated) == ["float", "int", "bool", "float", "float"]
    assert types_of(flows) == ["float", "int", "int", "int", "float"]
    assert types_of(lambda x, n=3, flag=True: x * n if flag else x) == ["float", "float", "bool"]


def test_a_float_that_cannot_be_an_int_is_refused() -> None:
    def f(x):
        y = x * 0.5
        for _ in range(y):
            x += 1.0
        return x

    with pytest.raises(StagegradError, match="an argument of range must be an int, and this is a float"):
        lower(f)


# ---------------------------------------------------------------------------------------------- names and captures


def test_captures_notice_a_change() -> None:
    names: dict[str, Any] = {}
    text = "RATE = 2.0\nWEIGHTS = (1.0, 2.0)\ndef g(x):\n    return x * RATE\ndef f(x):\n    return g(x) + WEIGHTS[0]\n"
    exec(text, names)
    program = lower(names["f"], source=text)
    assert {capture.name for capture in program.captures} == {"g", "RATE", "WEIGHTS"}
    assert program.changed() == ()
    names["RATE"] = 2.0 + 0.0
    assert program.changed() == ()
    names["RATE"] = 3.0
    assert program.changed() == ("RATE",)
    names["RATE"] = 2
    del names["WEIGHTS"]
    assert set(program.changed()) == {"RATE", "WEIGHTS"}


def test_a_closure_cell_is_a_capture() -> None:
    k = 2.0

    def f(x):
        return x * k

    program = lower(f)
    assert Interpreter(program.module)(3.0) == 6.0
    k = 5.0
    assert program.changed() == ("k",)


def test_signature_and_text_are_the_users() -> None:
    def f(x, /, y=2.0, *, z: int = 3):
        """What it does."""
        return x + y * z

    program = lower(f)
    assert str(program.signature) == "(x, /, y=2.0, *, z: 'int' = 3)"
    assert program.module.main.doc == "What it does."
    assert program.text.strip().startswith("def f(x, /")


class Compiled:
    """Stands for what `stagegrad.compile` makes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @property
    def __stagegrad_function__(self) -> Callable[..., Any]:
        return self.function


half = Compiled(lambda x: 0.5 * x)
jitted = numba.njit(lambda x: x * 3.0)


def test_compiled_functions_are_read_through() -> None:
    def f(x):
        return half(x) + jitted(x)

    assert Interpreter(lower(f).module)(2.0) == 7.0
    assert Interpreter(lower(half).module)(2.0) == 1.0
    assert Interpreter(lower(jitted).module)(2.0) == 6.0


def test_functions_are_shared_and_specialised() -> None:
    def clamp(v, low, high):
        if v < low:
            return low
        return high if v > high else v

    def f(x, n: int):
        return clamp(x, 0.0, 1.0) + clamp(x * x, 0.0, 1.0) + clamp(n, 0, 3)

    module = lower(f).module
    assert [function.name for function in module.functions] == ["f", "clamp", "clamp_2"]
    assert [str(param.type) for param in module["clamp_2"].params] == ["int", "int", "int"]


def test_inlined_names_do_not_clash() -> None:
    def inner(v):
        t = v * 2.0
        return t * t

    def f(x):
        t = x + 1.0
        y = inner(x)
        return t * y

    names = {str(stmt.out) for stmt in lower(f).module.main.body.stmts if isinstance(stmt, Stage)}
    assert {"t.0", "inner_t.0", "y.0"} <= names


# ---------------------------------------------------------------------------------------------- size

#: Python 3.12 recurses less deeply when it compiles a tree, whatever the limit: at 1,500 operators it gives up.
TERMS = 900 if sys.version_info[:2] == (3, 12) else 5000
MANY = {
    "sum": "def f(x):\n    return " + " + ".join(["x"] * TERMS) + "\n",
    "lines": "def f(x):\n    y0 = x\n" + "".join(f"    y{k} = y{k - 1} * 0.5 + x\n" for k in range(1, 5000)) + "    return y4999\n",
    "elif": "def f(x):\n    if x < 0.0:\n        y = x\n"
    + "".join(f"    elif x < {k}.0:\n        y = x * {k}\n" for k in range(1, 500))
    + "    else:\n        y = 0.0\n    return y\n",
    "returns": "def f(x):\n" + "".join(f"    if x < {k}.0:\n        return x * {k}\n" for k in range(500)) + "    return x\n",
    "and": "def f(x):\n    return x if " + " and ".join(["x > 0.5"] * 2000) + " else 2.0 * x\n",
}


def test_constant_lambdas_of_one_line_are_told_apart() -> None:
    one, two, flat, line = (lambda x: 1.0), (lambda x: -2.0), (lambda x, y: 1.0), (lambda x: x)
    assert [Interpreter(lower(each).module)(4.0) for each in (one, two, line)] == [1.0, -2.0, 4.0]
    assert len(lower(flat).module.main.params) == 2


@pytest.mark.parametrize("kind", MANY)
def test_large_inputs(kind: str) -> None:
    limit = sys.getrecursionlimit()
    names: dict[str, Any] = {}
    text = MANY[kind]
    deeply(lambda: exec(compile(text, "<large>", "exec"), names))
    module = lower(names["f"], source=text).module
    assert deeply(lambda: Interpreter(check(module))(1.25)) == names["f"](1.25)
    assert sys.getrecursionlimit() == limit


def test_deep_recursion_ends_with_the_functions_own_error() -> None:
    with pytest.raises(ZeroDivisionError):
        deeply(lambda: 1 // 0)

    def descend(n: int) -> int:
        return 0 if n == 0 else 1 + descend(n - 1)

    assert deeply(lambda: descend(20_000)) == 20_000
