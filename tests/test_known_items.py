"""Loops over constants: written out where that is short, kept as loops where it is not, and written out whatever it takes where
the body has to know its items. Each program is lowered in both ways, and compared with itself and with differences of it."""

from __future__ import annotations

import copy
import math
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from stagegrad.frontend import known_items
from tests.complex_step import differences, flat
from tests.user_programs import Programs, compare

KEPT, WRITTEN_OUT = Programs(), Programs()
X = np.array([0.7, -1.3, 2.1, 0.4])
U = np.arange(12.0).reshape(3, 4) ** 1.5 / 7.0 + 0.3

CX, CY = (0, 1, 0, -1), (1, 0, -1, 0)
W = (0.5, 1, 0.25, 2)
EDGES = [(0, 1), (1, 2), (2, 0), (3, 1)]


@KEPT.called_with(U)
def shifts(u):
    for k, (cx, cy) in enumerate(zip(CX, CY, strict=True)):
        u = u + 0.1 * (k + 1) * np.roll(np.roll(u, cx, axis=0), cy, axis=1) * u
    return np.sum(u * u)


@KEPT.called_with(X)
def positions_from_the_end(x):
    s = 0.0
    for i, j in ((0, -1), (-4, 3), (-2, 1)):
        s += x[i] * x[j] ** 2
    return s


@KEPT.called_with(X)
def branches_by_item(x):
    s = 1.0
    for item in (0, 3, 0, -2):
        if item == 0:
            s = s * x[item]
        elif item < 0:
            s -= math.sin(s) * x[item]
        else:
            s += x[item] / (item + 1)
    return s


@KEPT.called_with(X)
def ints_beside_floats(x):
    s = 0.0
    for k, w in enumerate(W):
        s += w * x[k] * x[k]
        if w > 0.75:
            s = s / w
    return s


@KEPT.called_with(X, 0.3)
def numbers_of_the_call(x, h):
    a, b = h / (2 - h), -h
    s = x[0]
    for c, d in zip((a / 2, (a + b) / 2, b / 2), (a, b, 0.0), strict=True):
        s = s + c * x[1] * s
        if d != 0.0:
            s = s * (1 + d * d) + math.cos(s)
    return s


@KEPT.called_with(X)
def left_early(x):
    s = 0.0
    for i, w in ((0, 2.0), (2, 0.1), (1, 3.0), (3, 1.0)):
        if x[i] < -1:
            break
        if w < 0.5:
            continue
        s += w * x[i] ** 2
    else:
        s *= 2.0
    return s


def _first_above(x, level):
    for i, w in ((0, 1.5), (3, 2.5), (2, 0.5)):
        if x[i] > level:
            return w * x[i] * level
    return level * level


@KEPT.called_with(X, 1.1)
def returns_inside(x, level):
    return _first_above(x, level) + _first_above(x, 3.0 * level)


@KEPT.called_with(X)
def loops_inside_one_another(x):
    s = 0.0
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            i = 0
            while i < 4:
                s += x[(i + dx) % 4] * x[(i + 2 * dy) % 4] * (i + 1)
                i += 2
    return s + dx * x[0] + dy * x[1]


@KEPT.called_with(X)
def a_row_of_columns(x):
    s = 0.0
    for scale, (i, j), sign in ((0.5, (0, 1), True), (1.5, (2, 2), False), (2.5, (1, 3), True)):
        s += scale * x[i] * x[j] if sign else -scale * x[i]
    return s


@KEPT.called_with(U)
def the_same_axis_each_time(u):
    s = 0.0
    for shift, axis in ((1, 0), (-1, 0), (2, 0)):
        s += np.sum(u * np.roll(u, shift, axis) ** 2)
    return s


@KEPT.called_with(X)
def a_list_that_grows(x):
    found = []
    for i, j in EDGES:
        found.append((x[i] - x[j]) ** 2)
    return sum(found) + max(found)


@KEPT.called_with(X)
def what_is_infinite(x):
    least, s = math.inf, 0.0
    for bound in (math.inf, -0.0, 1.5, -math.inf):
        least = min(least, bound)
        s += x[0] * min(max(x[1], bound), 2.0) + math.atan(bound)
    return s + (1.0 if least < 0 else 0.0)


@KEPT.called_with(X)
def an_array_that_is_written_to(x):
    a = np.zeros(4)
    for i, j in EDGES:
        a[i] += x[j] * x[i]
        a[j] -= math.exp(a[i])
    return np.sum(a * x)


@WRITTEN_OUT.called_with(X)
def whole_exponents(x):
    s = 0.0
    for k in (1, 2, 3):
        s += x[0] ** k + (x[1] - x[1]) ** (k - 1)
    return s


@WRITTEN_OUT.called_with(U)
def axes(u):
    s = 0.0
    for axis in (0, 1):
        s += np.sum(np.max(u, axis=axis) ** 2)
    return s


@WRITTEN_OUT.called_with(X)
def halves_without_a_rest(x):
    s = 0.0
    for w in (7, 2.5, 1):
        s += x[0] * (w // 2) + math.copysign(x[1], -w + 7)
    return s


@WRITTEN_OUT.called_with(X)
def sign_of_nothing(x):
    s = 0.0
    for w in (0, 1.5):
        s += math.copysign(1.0, -w) * x[0] ** 2
    return s


@KEPT.called_with(X)
def unpacked_behind(x):
    found = []
    for w in (0.5, 1.5, 4.5):
        found.append(w * x[0])
    a, b, c = found
    return a * b + math.sin(c)


@WRITTEN_OUT.called_with(X)
def items_of_several_kinds(x):
    s = 0.0
    for function, w in ((math.sin, 0.5), (math.exp, 1.5)):
        s += w * function(x[0])
    return s


@WRITTEN_OUT.called_with(X)
def shapes(x):
    s = 0.0
    for a in (x, x[:2], x[1:]):
        s += np.prod(a)
    return s


@pytest.fixture
def all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops are kept wherever they may be."""
    monkeypatch.setattr(known_items, "MOST", 0)


def named(programs: Programs) -> list[str]:
    return [function.__name__ for function, _ in programs]


def text(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """The gradient's text."""
    made = stagegrad.compile(function, target="numpy", cache=False)
    made(*copy.deepcopy(arguments))
    return made.source("numpy")


@pytest.mark.parametrize(("function", "arguments"), KEPT, ids=named(KEPT))
def test_a_loop_that_is_kept(function: Callable[..., Any], arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    short = text(function, arguments)
    compare(function, arguments, "numpy")
    monkeypatch.setattr(known_items, "MOST", 0)
    assert text(function, arguments) != short
    compare(function, arguments, "numpy")


@pytest.mark.parametrize(("function", "arguments"), WRITTEN_OUT, ids=named(WRITTEN_OUT))
@pytest.mark.usefixtures("all_kept")
def test_a_loop_that_is_not_kept(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    assert not re.search(r"^ +for \w+ in range", text(function, arguments), re.MULTILINE)
    compare(function, arguments, "numpy")


# ---------------------------------------------------------------------------------------------- where it pays


OFFSETS = ((1, 0, 0.4), (-1, 0, 0.3), (0, 1, -0.2), (0, -1, -0.1), (1, 1, 0.05), (-1, -1, 0.15))


def long_body(u, x, n: int):
    """Nested loops for each of six offsets, which would be 400 operations."""
    total = 0.0
    for _ in range(n):
        for dx, dy, w in OFFSETS:
            moved = np.zeros_like(u)
            for i in range(u.shape[0]):
                for j in range(u.shape[1]):
                    moved[i, j] = u[(i + dx) % u.shape[0], (j + dy) % u.shape[1]]
                    if dx == 0 and moved[i, j] > x[0]:
                        moved[i, j] = math.tanh(moved[i, j] * x[1])
            u = u + w * x[2] * moved if w > 0.0 else u + np.sin(w * moved) * x[3]
            total += np.sum(u * u)
    return total


def test_a_long_body_has_one_copy() -> None:
    compare(long_body, (U, X, 2), "numpy")
    made = stagegrad.compile(long_body, target="numpy", cache=False)
    made.value_and_grad(U, X, 2)
    assert made.source("numba").count("tanh(") <= 2


def test_the_rule_is_one_of_cost() -> None:
    """Two operations on numbers for each of 100 items are written out, where six for each are not; the last of either is bound behind."""

    def short(x):
        for k in (2, 3, 5) * 20:
            x = x * 0.5 + k
        return x + k

    def long(x):
        for k in (2, 3, 5) * 20:
            x = math.sin(x) * 0.5 + math.cos(x * k) - x / (k + 1.0)
        return x + k

    for function, kept in ((short, False), (long, True)):
        made = stagegrad.compile(function, target="python", cache=False)
        assert math.isclose(made(0.3), function(0.3), rel_tol=1e-14)
        assert ("for " in made.source("python")) is kept
        assert "UnboundLocalError" not in made.source("python")


def test_more_trips_than_are_written_out() -> None:
    made = stagegrad.compile(lambda x: sum(math.sin(x * k) for k in tuple(range(3000))), target="python", cache=False)
    value, slope = made.value_and_grad(0.1)
    assert math.isclose(value, sum(math.sin(0.1 * k) for k in range(3000)), rel_tol=1e-12)
    assert math.isclose(slope, sum(k * math.cos(0.1 * k) for k in range(3000)), rel_tol=1e-9)


# ---------------------------------------------------------------------------------------------- at random

_ITEMS = (
    "(0, 1, -2)", "(0.5, -0.0, 2.5)", "(1, 0.5, 3)", "(-1, 0, 1, 2)", "[(0, 0.5), (-1, 2), (2, 1.5)]", "enumerate((0.25, 4, -1.0))",
    "zip((1, 2, 0), (True, False, True))", "[(x, 1), (y, 2)]",
)  # fmt: skip
_LINES = (
    "s += {w} * a[{i}] * x", "s = s * 0.5 + {w}", "a[{i}] = a[{i}] * y - {w}", "if {w} > 0.6:\n            s -= x * {w}",
    "if {i} == 0:\n            y = y + math.cos(s)", "if s > 40.0:\n            break", "if {w} == 1:\n            continue",
    "t = t + a[-1] if {i} else t * x", "while s > 3.0:\n            s = s / 2 + x / 10 - {w} / 50 - 0.3", "s += y ** {i}", "t -= {w} // 2",
    "y = y + (a[{i}] if {w} < 1 else x)", "for j in range({i} + 2):\n            t += j * x * {w}",
)  # fmt: skip


def _at_random(seed: int) -> str:
    chance = random.Random(seed)
    items = chance.choice(_ITEMS)
    pairs = items.startswith(("[", "zip", "enumerate"))
    i, w = ("k", "w") if items.startswith(("enumerate", "zip")) else ("1", "w") if pairs else ("0", "k") if "." in items else ("k", "k")
    lines = "\n        ".join(chance.choice(_LINES).format(i=i, w=w) for _ in range(chance.randint(2, 5)))
    return f"""
def f(x, y):
    a, s, t = [x, y, x * y, 1.5], 0.5, 0.0
    for {"k, w" if pairs else "k"} in {items}:
        {lines}
    else:
        t += 1.0
    return s * x + t + a[0] * a[1] - a[2] / (2.0 + a[3] * a[3]) + {"w" if pairs else "k"} * y
"""


@pytest.mark.parametrize("start", range(0, 40, 20))
def test_programs_at_random(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(start, start + 20):
        source = _at_random(seed)
        names: dict[str, Any] = {"math": math}
        exec(source, names)
        right = names["f"](0.7, 1.2)
        found = []
        for most in (10**6, 0):
            monkeypatch.setattr(known_items, "MOST", most)
            found.append(stagegrad.compile(names["f"], wrt=(0, 1), source=source, target="python", cache=False).value_and_grad(0.7, 1.2))
        np.testing.assert_allclose([found[0][0], found[1][0]], [right, right], rtol=1e-12, err_msg=source)
        np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-10, err_msg=source)
        np.testing.assert_allclose(flat(found[1][1]), differences(names["f"], (0.7, 1.2)), rtol=1e-6, atol=1e-7, err_msg=source)
