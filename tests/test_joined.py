"""The backward trip of a loop asks each question once: it runs an arm again and undoes it behind one test."""

from __future__ import annotations

import math
import re

import pytest

import stagegrad
from stagegrad.ir import Module, check
from stagegrad.ir_text import parse, show
from stagegrad.reverse.joined import joined

HEAD = "function f(x.0: float, t.0: bool) -> 0 from python:\n"


def harvest(x: float, growth: float, n: int):
    for _ in range(n):
        if x > 1.0:  # noqa: SIM108  # the statement is what is tested
            x = 0.6 * x
        else:
            x = x + growth * x * (1.0 - 0.5 * x)
    return x


def three_ways(x: float, w: float, n: int):
    for k in range(n):
        if x > 1.5:
            y = x * x * w
        elif k % 2 == 0:
            y = math.sin(x * w) + x
        else:
            y = w - x * 0.25
        x = 0.5 * y + 0.1 * w
    return x


def chosen_in_between(x: float, w: float, n: int):
    for _ in range(n):
        z = w * x + 0.1
        fired = z * z if z > 0.0 else 0.1 * z
        again = fired * fired + z
        x = 0.9 * x + 0.1 * again * fired
    return x


def while_it_grows(x: float, w: float):
    steps = 0
    while x < 20.0 and steps < 40:
        if x > 3.0:  # noqa: SIM108
            x = x + w * x
        else:
            x = x * (1.0 + w * x) + 0.5
        steps += 1
    return x


CASES = [(harvest, (0.7, 0.05, 9)), (three_ways, (0.8, 0.9, 7)), (chosen_in_between, (0.4, 0.8, 6)), (while_it_grows, (0.2, 0.1))]


def backward_of(function):
    text = stagegrad.compile(function).source("python", answer="value_and_grad")
    return text[text.index("# backward pass") :]


QUESTIONS = [(harvest, ["x > 1.0"]), (three_ways, ["x > 1.5", "k % 2 == 0"]), (while_it_grows, ["x > 3.0"])]


@pytest.mark.parametrize(("function", "tests"), QUESTIONS, ids=[function.__name__ for function, _ in QUESTIONS])
def test_a_backward_trip_asks_once(function, tests):
    text = backward_of(function)
    assert all(text.count(test) == 1 for test in tests), text
    assert len(re.findall(r"\bif\b|\belif\b", text)) == len(tests), text


@pytest.mark.parametrize(("function", "args"), CASES, ids=[function.__name__ for function, _ in CASES])
def test_gradients_are_those_of_differences(function, args):
    point = [k for k, arg in enumerate(args) if isinstance(arg, float)]
    for target in ("python", "numba"):
        _, slopes = stagegrad.compile(function, target=target).value_and_grad(*args)
        for k, slope in zip(point, slopes, strict=True):
            shifted = [function(*(arg + by if j == k else arg for j, arg in enumerate(args))) for by in (1e-6, -1e-6)]
            assert slope == pytest.approx((shifted[0] - shifted[1]) / 2e-6, rel=1e-6, abs=1e-8)


def test_second_derivatives_pass_through_joined_branches():
    slope = stagegrad.grad(three_ways, "x")
    curvature = stagegrad.compile(slope, wrt="x").grad(0.8, 0.9, 4)
    assert curvature == pytest.approx((slope(0.8 + 1e-5, 0.9, 4) - slope(0.8 - 1e-5, 0.9, 4)) / 2e-5, rel=1e-6)


# ---------------------------------------------------------------------------------------------- what may stand between


def join(body):
    main = check(parse(HEAD + body)).main
    return "".join(line + "\n" for line in show(check(Module((type(main)(main.name, main.params, joined(main.body)),)))).splitlines()[1:])


FIRST = "  if t.0 -> (a.0: float):\n    a.1: float = sin(x.0)\n    yield a.1\n  else:\n    yield x.0\n"
SECOND = "  if t.0 -> (b.0: float):\n    b.1: float = mul(a.0, %0)\n    yield b.1\n  else:\n    yield %0\n  return b.0\n"


def test_what_does_not_need_the_first_comes_before_both():
    found = join(FIRST + "  %0: float = cos(x.0)\n" + SECOND)
    assert found.count("if t.0") == 1 and found.index("cos(x.0)") < found.index("if t.0") and "mul(a.1, %0)" in found


@pytest.mark.parametrize("between", ["  %0: float = cos(a.0)\n", "  %0: float = cos(x.0)\n  remark 'backward pass'\n",
                                     "  %0: float = cos(x.0)\n  %1: bool = gt(%0, 0.5)\n  raise ValueError('no') if %1\n"],
                         ids=["needs it", "title", "raises"])  # fmt: skip
def test_what_must_stay_behind_the_first_keeps_them_apart(between):
    body = FIRST + between + SECOND
    assert join(body) == body
