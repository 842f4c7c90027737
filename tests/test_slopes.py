"""Slopes of whole trips: the gradients are the same but for roundings, what decides anything stays as it is, and the chain is short."""

from __future__ import annotations

import itertools
import linecache
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stagegrad
from stagegrad import pipeline
from stagegrad.ir import Module, check
from stagegrad.ir_text import parse
from stagegrad.passes import slopes
from tests.interpret import Interpreter


def gradient_of(function: Callable[..., Any], source: str | None = None) -> Module:
    """The IR of a function's value and gradient with respect to all of its floats."""
    staged = pipeline.stage(pipeline.read(function, source).module, "user")
    floats = [k for k, param in enumerate(staged.main.params) if param.type.kind == "float"]
    return pipeline.differentiate(staged, floats, several=True)


def harvested(x: float, growth: float, kept: float, n: int):
    for _ in range(n):
        x = kept * x if x > 1.0 else x + growth * x * (1.0 - 0.5 * x)
    return x


def chaotic(r: float, x: float, n: int):
    for _ in range(n):
        x = r * x * (1.0 - x)
    return x


def oscillating(x: float, v: float, stiffness: float, n: int):
    energy = 0.0
    for _ in range(n):
        v = v - 0.01 * stiffness * x * (1.0 + x * x)
        x = x + 0.01 * v
        energy += v * v
    return energy


def saturated(x: float, gain: float, limit: float, n: int):
    summed = 0.0
    for _ in range(n):
        u = gain * (1.0 - x) + 0.1 * summed
        if u > limit:
            u = limit
        elif u < -limit:
            u = -limit
        else:
            summed = summed + 0.05 * (1.0 - x)
        x = x + 0.05 * (u - 0.3 * x)
    return x


# ---------------------------------------------------------------------------------------------- what becomes of the text


def trip_of(function: Callable[..., Any]) -> list[str]:
    """The lines of the backward loop of a function's compiled code."""
    lines = stagegrad.compile(function).source("numba").splitlines()
    first = next(k for k, line in enumerate(lines) if ", -1, -1):" in line)
    return list(itertools.takewhile(lambda line: line.startswith("        "), lines[first + 1 :]))


def test_one_product_a_trip_leads_from_gradient_to_gradient():
    assert [line.strip() for line in trip_of(chaotic)][-2:] == ["dr += onemx * x * dx", "dx = (onemx * r - rx) * dx"]


def test_each_arm_of_a_branch_has_its_slope():
    assert [line.strip() for line in trip_of(harvested) if "dx" in line] == [
        "dkept += x * dx",
        "dx = kept * dx",
        "dgrowth += onemhalfx * x * dx",
        "dx = (1.0 + -growthx * 0.5 + onemhalfx * growth) * dx",
    ]


def test_readable_targets_keep_the_stages():
    assert "donemx = rx * dx" in stagegrad.compile(chaotic).source("python")


# ---------------------------------------------------------------------------------------------- what becomes of the numbers


def flat(answer: Any) -> Iterator[float]:
    if isinstance(answer, tuple):
        for part in answer:
            yield from flat(part)
    else:
        yield float(answer)


def require_same(module: Module, changed: Module, *args: float) -> None:
    """The values to the last bit, the gradients but for roundings, and nan and inf where they were."""
    value, *expected = flat(Interpreter(module)(*args))
    same, *found = flat(Interpreter(changed)(*args))
    assert same == value or math.isnan(value)
    scale = max((abs(slope) for slope in expected if math.isfinite(slope)), default=0.0)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12 * scale, nan_ok=True)


@pytest.mark.parametrize("function", [harvested, chaotic, oscillating, saturated])
@pytest.mark.parametrize("trips", [0, 1, 7, 40])
def test_gradients_are_the_same(function, trips):
    module = gradient_of(function)
    point = (0.7, 0.3, 0.6)[: function.__code__.co_argcount - 1]
    changed = check(slopes.trip_slopes(module))
    assert changed != module
    require_same(module, changed, *point, trips)


def test_infinite_and_undefined_gradients_stay_so():
    module = gradient_of(chaotic)
    changed = slopes.trip_slopes(module)
    for point in [(math.inf, 0.3), (math.nan, 0.3), (3.0, -math.inf), (0.0, math.inf), (0.0, 0.3), (3.7, 0.0), (3.7, -0.0), (3.7, 5.0)]:
        require_same(module, changed, *point, 12)


class Maker:
    """Makes the text of a loop with some states, branches and constants, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.states = ["x", "y", "z"][: self.random.randint(1, 3)]

    def text(self) -> str:
        body = [line for _ in range(self.random.randint(1, 4)) for line in self.statement(2)]
        return "\n".join(
            [
                f"def f({', '.join(f'{name}: float' for name in [*self.states, 'a', 'b'])}, n: int):",
                "    s = 0.0",
                "    for k in range(n):",
                *body,
                f"    return s + {' * '.join(self.states)}",
                "",
            ]
        )

    def statement(self, depth: int) -> list[str]:
        pad = "    " * depth
        if depth < 4 and self.random.random() < 0.3:
            arms = [self.statement(depth + 1) for _ in range(2)]
            return [f"{pad}if {self.operand()} > {self.operand()}:", *arms[0], f"{pad}else:", *arms[1]]
        target = self.random.choice([*self.states, "s"])
        if target == "s":
            return [f"{pad}s = s + {self.expression(2)}"]
        return [f"{pad}{target} = 0.9 * {target} + 0.1 * {self.expression(3)}"]

    def expression(self, depth: int) -> str:
        if not depth or self.random.random() < 0.15:
            return self.operand()
        left, right = self.expression(depth - 1), self.expression(depth - 1)
        return self.random.choice(
            [
                f"({left} + {right})",
                f"({left} - {right})",
                f"{left} * {right}",
                f"math.sin({left})",
                f"({left}) / (2.0 + {right} * {right})",
            ]
        )

    def operand(self) -> str:
        return self.random.choice([*self.states, "a", "b", "0.5", "-1.0", "(k - 2)"])


def test_random_loops(monkeypatch):
    every = itertools.count()
    monkeypatch.setattr(slopes, "_cycles", lambda loop, hubs: next(every))  # what is changed always takes less
    changes = 0
    for seed in range(150):
        text, names = Maker(seed).text(), {"math": math}
        linecache.cache[f"<{seed}>"] = (len(text), None, text.splitlines(keepends=True), f"<{seed}>")
        exec(compile(text, f"<{seed}>", "exec"), names)
        module = gradient_of(names["f"])
        changed = check(slopes.trip_slopes(module))
        changes += changed != module
        count = len(module.main.params) - 1
        require_same(module, changed, *(0.7, -0.4, 1.3, 0.2, -0.8)[:count], 5)
    assert changes > 100


# ---------------------------------------------------------------------------------------------- what stays as it is

_TWICE = """
function f(x.0: float, n.0: int) -> (0, 1) from python:
  f.0: float = mul(x.0, x.0)
  remark 'backward pass'
  for i.0 in range(n.0, 0, -1) carry (dx.0: float = 1.0 -> dx.1):
    a.0: float = mul(x.0, dx.0)
    b.0: float = mul(0.9, a.0)
    dx.2: float = add(b.0, a.0)
    yield dx.2
  {}
  return f.0, {}
"""


@pytest.mark.parametrize(
    ("behind", "result", "changes"),
    [
        ("y.0: float = mul(dx.1, 2.0)", "y.0", True),
        ("y.0: float = floor(dx.1)", "y.0", False),
        ("t.0: bool = lt(dx.1, 2.0)\n  y.0: float = where(t.0, 1.0, 2.0)", "y.0", False),
        ("y.0: float = sin(dx.1)\n  k.0: int = floor_int(y.0)", "y.0", False),
    ],
)
def test_what_decides_something_stays_as_it_is(behind, result, changes):
    module = parse(_TWICE.format(behind, result))
    assert (slopes.trip_slopes(module) != module) is changes


def test_only_the_backward_pass_is_changed():
    module = parse(_TWICE.format("", "dx.1").replace("backward pass", "forward pass"))
    assert slopes.trip_slopes(module) == module
