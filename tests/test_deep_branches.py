"""Long chains of ``elif``: their gradient keeps every test inside the arm before it, which Python reads 99 levels of."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

import stagegrad


def chain(arms: int, each: str, last: str = "    return x * y\n") -> tuple[Callable[..., Any], str]:
    """A function of so many arms, and its text."""
    lines = "".join(f"    elif x < {k}: {each.format(k=k)}\n" for k in range(1, arms))
    source = f"def f(x: float):\n    if x < 0: {each.format(k=0)}\n{lines}    else: {each.format(k=-1)}\n{last}"
    names: dict[str, Any] = {}
    exec(source, names)
    return names["f"], source


def compiled(arms: int, each: str) -> Any:
    function, source = chain(arms, each)
    return stagegrad.compile(function, source=source, target="python", cache=False)


def test_as_deep_as_python_reads() -> None:
    assert compiled(98, "y = x * {k}.5").value_and_grad(30.5) == (30.5**2 * 31.5, 2 * 30.5 * 31.5)


@pytest.mark.parametrize("arms", [99, 250])
def test_deeper_is_refused_at_once(arms: int) -> None:
    made, start = compiled(arms, "y = x * {k}.5"), time.process_time()
    with pytest.raises(stagegrad.StagegradError, match=re.escape("elif x < 98: y = x * 98.5")):
        made.value_and_grad(30.5)
    assert time.process_time() - start < 3.0
    assert made(30.5) == 30.5**2 * 31.5  # the function itself is no deeper than its text


@pytest.mark.parametrize("each", ["y = {k}.5", "y = {k}"])
def test_what_has_no_slope_in_its_arms_is_not_deep(each: str) -> None:
    function, _ = chain(150, each)
    value, slope = compiled(150, each).value_and_grad(30.5)
    assert (value, slope) == (function(30.5), function(30.5) / 30.5)
