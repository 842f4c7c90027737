"""What is written to arrays and never read again is not written, and nothing else is left out: whichever trips read what others wrote."""

from __future__ import annotations

import linecache
import random
from typing import Any

import numpy as np
import pytest

import stagegrad

TYPES = {"x": "float64[:]", "c": "float64"}


def elements(x, c):
    a = np.zeros(len(x) - 1)
    for i in range(len(x) - 1):
        a[i] = c * (x[i + 1] - x[i] * x[i]) ** 2
    return np.sum(a)


def trajectory(x, c, steps: int):
    u = np.zeros((steps + 1, 2))
    u[0] = x[:2]
    for k in range(steps):
        u[k + 1, 0] = u[k, 0] + c * u[k, 1]
        u[k + 1, 1] = u[k, 1] - c * np.sin(u[k, 0])
    return u[steps, 0] * u[steps, 1]


def overwritten(x, c):
    a = x.copy()
    for i in range(1, len(x)):
        a[i - 1] = a[i] * a[i - 1] * c
    return np.sum(a * a)


def from_the_end(x, c):
    a = np.zeros(len(x))
    for i in range(len(x)):
        a[i - 1] = x[i] * x[i - 1] * c
        a[i] = a[i] + a[i - 1] * x[i]
    return a[2] * a[0]


def summed_on_the_way(x, c):
    a = x.copy()
    for i in range(1, len(x)):
        a[i] = a[i - 1] * np.sum(a) * c
    return a[2]


def text(function: Any, **types: Any) -> str:
    return stagegrad.compile(function, types=TYPES | types, target="numpy").source("numpy")


def test_gradients_of_elements_are_not_cleared_and_a_sum_s_is_a_number():
    backward = text(elements).split("# backward pass")[1]
    assert "= 0.0\n" not in backward.split("for i")[1] and "full" not in backward and "da[i]" not in backward


def test_a_trajectory_is_not_put_back():
    assert "tape" not in text(trajectory, steps="int")


def test_what_a_later_trip_reads_is_put_back():
    assert "tape" in text(overwritten)


@pytest.mark.parametrize("function", [elements, overwritten, from_the_end, summed_on_the_way])
@pytest.mark.parametrize("count", [3, 4, 7])
def test_gradients(function, count):
    assert_right(function, np.random.default_rng(count).normal(size=count))


def assert_right(function: Any, x: Any, where: str = "") -> None:
    """Compares value and gradient with the plain function and its differences."""
    value, (dx, dc) = stagegrad.compile(function, target="numpy", cache=False).value_and_grad(x.copy(), 0.7)
    step = 1e-6

    def slope(ahead: Any, more: float) -> float:
        return (function(x + step * ahead, 0.7 + step * more) - function(x - step * ahead, 0.7 - step * more)) / (2.0 * step)

    wanted = [slope(one, 0.0) for one in np.eye(len(x))] + [slope(0.0 * x, 1.0)]
    scale = max(1.0, np.max(np.abs(wanted)))
    assert value == pytest.approx(function(x.copy(), 0.7), rel=1e-12), where
    np.testing.assert_allclose([*dx, dc], wanted, rtol=1e-5, atol=1e-6 * scale, err_msg=where)


def random_program(seed: int) -> str:
    """Loops that read and write elements at some distance from their indices, up and down, in one another and side by side."""
    dice = random.Random(seed)
    lines = ["    n = len(x) - 6", "    a = x.copy()", "    b = np.zeros((n + 6, n + 6))", "    s = 0.0"]

    def near(index: str) -> str:
        ahead = dice.choice([0, 0, 0, 1, -1, 2, -2])
        return f"{index} + {ahead}" if ahead > 0 else f"{index} - {-ahead}" if ahead else index

    def element(inner: str) -> str:
        return dice.choice(
            [f"a[{near('i')}]", f"a[{near('i')}]", f"b[{near('i')}, {near(inner)}]", f"b[{dice.choice('034')}, {near(inner)}]"]
        )

    def statement(indent: str, inner: str) -> str:
        value = dice.choice(["c * {0} + 0.3 * {1}", "np.sin({0}) + x[i]", "0.5 * {0} * {1}", "0.0", "x[i] * c"]).format(
            element(inner), element(inner)
        )
        target = f"a[{near('i')}]" if dice.random() < 0.5 else f"b[{near('i')}, {near(inner)}]"
        written = [
            f"{target} = {value}",
            f"{target} = {value}",
            f"{target} += {value}",
            f"s += {value}",
            f"s += np.sum({dice.choice('ab')}) * c",
            f"a[{dice.choice('234')}] = {value}",
        ]
        return indent + dice.choice(written)

    ranges = ("2, n + 2", "2, n + 2", "n + 1, 1, -1", "2, n + 3, 2", "n + 2, 2, -3")
    for _ in range(dice.choice([1, 2, 2])):
        lines.append(f"    for i in range({dice.choice(ranges)}):")
        for _ in range(dice.choice([1, 2, 3])):
            if dice.random() < 0.35:
                lines.append(f"        for j in range({dice.choice(ranges)}):")
                lines += [statement("            ", "j") for _ in range(dice.choice([1, 2]))]
            elif dice.random() < 0.2:
                lines += [f"        if {element('i')} > 0.2:", statement("            ", "i")]
            else:
                lines.append(statement("        ", "i"))
    last = dice.choice(["s + np.sum(a * a)", "s + a[3] * b[3, 4]", "s + np.sum(b)", "s + b[0, 3] + np.sum(b[4] * a)", "s + a[n]"])
    return "import numpy as np\n\n\ndef f(x, c):\n" + "\n".join(lines) + f"\n    return {last}\n"


def judge(seed: int) -> None:
    source, name = random_program(seed), f"<unread {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope: dict[str, Any] = {}
    exec(compile(source, name, "exec"), scope)
    for count in (6, 7, 9):
        assert_right(scope["f"], np.random.default_rng(seed + count).uniform(-1.0, 1.0, size=count), f"seed {seed}, {count}\n{source}")


@pytest.mark.parametrize("start", range(0, 24, 6))
def test_random_programs(start):
    for seed in range(start, start + 6):
        judge(seed)
