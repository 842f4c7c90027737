"""The Python frontend on arrays: the IR computes what the function does, writes through every name and to arguments included."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stagegrad.errors import NeedsTypes, StagegradError
from stagegrad.frontend import specs
from stagegrad.frontend.program import Program
from stagegrad.frontend.python import lower
from stagegrad.ir import Stage, check, walk
from stagegrad.ir_text import parse, show
from tests.aliasing import program
from tests.interpret import Interpreter
from tests.lowered_arrays import PROGRAMS, A, V


def given(function: Callable[..., Any], args: tuple[Any, ...]) -> dict[str, specs.Spec]:
    """What the arguments of a call are."""
    bound = inspect.signature(function).bind(*args)
    bound.apply_defaults()
    return {name: specs.Reader("f").spec(value, name) for name, value in bound.arguments.items()}


def lowered(function: Callable[..., Any], args: tuple[Any, ...]) -> Program:
    found = lower(function, None, given(function, args))
    check(found.module)
    return found


def flat(value: Any) -> Any:
    """A result as nested tuples of numbers and arrays."""
    if dataclasses.is_dataclass(value):
        value = tuple(vars(value).values())
    if isinstance(value, dict):
        value = tuple(value.values())
    return tuple(map(flat, value)) if isinstance(value, tuple | list) else value


def outcome(call: Callable[[], Any]) -> Any:
    """The result of a call, or the kind of its error."""
    with np.errstate(all="ignore"):
        try:
            return flat(call())
        except Exception as error:
            return type(error).__name__


def same(first: Any, second: Any) -> bool:
    if isinstance(first, tuple) or isinstance(second, tuple):
        return isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, str) or isinstance(second, str):
        return bool(first == second)
    x, y = np.asarray(first), np.asarray(second)
    tolerance = 1e-6 if y.dtype == np.float32 else 1e-14
    return x.shape == y.shape and (not x.ndim or x.dtype == y.dtype) and bool(np.allclose(x, y, rtol=tolerance, atol=0.0, equal_nan=True))


def agrees(function: Callable[..., Any], args: tuple[Any, ...], made: Program) -> bool:
    """Whether the IR gives what the function does, and leaves in the arguments what the function does."""
    theirs, mine = copy.deepcopy(args), copy.deepcopy(args)
    wanted = outcome(lambda: function(*theirs))
    bound = inspect.signature(function).bind(*mine)
    bound.apply_defaults()
    leaves = [leaf for name, value in bound.arguments.items() for leaf in specs.flatten(given(function, args)[name], value)]
    found = outcome(lambda: Interpreter(made.module)(*leaves))
    if isinstance(wanted, str) or isinstance(found, str):
        return bool(wanted == found)
    kinds = given(function, args)
    after = [leaf for name, value in zip(bound.arguments, theirs, strict=False) for leaf in specs.flatten(kinds[name], value)]
    untouched = all(same(after[k], leaves[k]) for k in range(len(after)) if k not in made.written)
    return untouched and same(found, (wanted, *(after[k] for k in made.written)) if made.written else wanted)


@pytest.mark.parametrize(("function", "calls"), PROGRAMS, ids=lambda part: getattr(part, "__name__", ""))
def test_lowering_keeps_every_value(function: Callable[..., Any], calls: tuple[tuple[Any, ...], ...]) -> None:
    for args in calls:
        made = lowered(function, args)
        text = show(made.module)
        assert show(parse(text)) == text
        assert agrees(function, args, made), f"{outcome(lambda: function(*copy.deepcopy(args)))}\n{text}"  # noqa: B023  (called at once)


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_aliases_are_exact_or_refused(start: int) -> None:
    refused = 0
    for seed in range(start, start + 20):
        text, file = program(seed), f"<aliases {seed}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        names: dict[str, Any] = {}
        exec(compile(text, file, "exec"), names)
        rng = np.random.default_rng(seed)
        try:
            made = lowered(names["f"], (np.zeros(4), np.zeros(4), np.zeros((3, 4))))
        except StagegradError as error:
            assert all("cannot be told" in p.message or "may share memory" in p.message for p in error.problems), f"{error}\n{text}"
            refused += 1
            continue
        for _ in range(3):
            args = (rng.normal(size=4), rng.normal(size=4), rng.normal(size=(3, 4)))
            assert agrees(names["f"], args, made), text
    assert refused < 14  # nearly all of them are meant to be decided


# ---------------------------------------------------------------------------------------------- what the program says of itself


def test_written_arguments_are_named() -> None:
    def f(p: Any, v: Any, x: Any) -> Any:
        p["b"][0] = x
        v = v.copy()
        v[0] = 1.0
        return v[1]

    made = lowered(f, ({"a": V, "b": V}, V, 2.0))
    assert made.written == (1,)
    assert made.module.main.shape == (0, 1)


def test_results_keep_their_structure() -> None:
    def f(v: Any) -> Any:
        return {"a": v, "b": [v[0], 2]}

    found = lowered(f, (V,)).result
    assert isinstance(found, specs.Tree) and found.keys == ("a", "b")
    assert lowered(lambda v: (v[0], v), (V,)).result is None


def test_a_chain_of_subscripts_is_one_reading() -> None:
    def f(a: Any) -> Any:
        row = a[1]
        return row[2] + a[0][1:][1] + a[...][1:][:][1, 0]

    loads = [stage for stage in walk(lowered(f, (A,)).module.main.body) if isinstance(stage, Stage) and stage.op == "load"]
    assert [dict(stage.attrs)["at"] for stage in loads] == ["[{0}]", "[{0}, {1}]", "[{0}, {1}:][{2}]", "[{0}:][{1}, {2}]"]


WAITING = ["x[0]", "len(x)", "x @ x", "x.sum()", "np.sum(x)", "sum(y for y in x)", "x['a']", "x(1.0)", "x.field", "max(x)"]


@pytest.mark.parametrize("text", WAITING)
def test_unknown_arguments_wait_for_a_call(text: str) -> None:
    names: dict[str, Any] = {"np": np}
    source = f"def f(x):\n    return {text}\n"
    exec(compile(source, "<waits>", "exec"), names)
    with pytest.raises(NeedsTypes):
        lower(names["f"], source=source)
    if text == "np.sum(x)":
        return  # it adds up one number
    source = f"def f(x: float):\n    return {text}\n"
    exec(compile(source, "<waits>", "exec"), names)
    with pytest.raises(StagegradError) as caught:
        lower(names["f"], source=source)
    assert not isinstance(caught.value, NeedsTypes)
