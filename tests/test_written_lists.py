"""Lists of numbers whose items are replaced at positions known at run time: they are arrays from before the loop that does so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare, compare_second

PROGRAMS, TWICE = Programs(), Programs()


@TWICE.called_with(100.0, 104.0)
@PROGRAMS.called_with(100.0, 104.0)
def american_put(spot, strike):
    n = 4
    v = [0.0] * (n + 1)
    for j in range(n + 1):
        v[j] = max(strike - spot * 1.1 ** (2 * j - n), 0.0)
    for i in range(n - 1, -1, -1):
        for j in range(i + 1):
            v[j] = max(0.45 * v[j + 1] + 0.5 * v[j], strike - spot * 1.1 ** (2 * j - i))
    return v[0]


@PROGRAMS.called_with(1.3, 0.7)
def written_in_branches(x, y):
    w = [x, y, x * y]
    for i in range(6):
        if i % 2 == 0:
            w[i % 3] = w[(i + 1) % 3] * 0.5 + i
        elif i > 3:
            w[2] += w[i % 3]
            continue
        if w[0] > 50.0:
            break
    return sum(w) + w[-1] * w[0]


@PROGRAMS.called_with(1.5, 1)
@PROGRAMS.called_with(1.5, -1)
def written_once(x, i: int):
    w = [x, 2.0 * x, 3.0 * x]
    w[i] = x * x
    a, b, c = w
    return a * b + c


@TWICE.called_with(1.3, 0.4)
@PROGRAMS.called_with(1.3, 0.4)
def swaps(x, y):
    v = [x, y, 1.0, 2.0]
    for i in range(3):
        v[i], v[i + 1] = v[i + 1], v[i] * v[i]
    return v[0] + 2.0 * v[1] + 3.0 * v[2] + 4.0 * v[3]


@PROGRAMS.called_with(0.9, 5)
@PROGRAMS.called_with(0.1, 4)
@PROGRAMS.called_with(0.1, 0)
def returns_from_the_loop(x, n: int):
    total = [0.0, 0.0]
    for i in range(n):
        total[i % 2] += x * i
        if total[1] > 3.0:
            return total[0] - total[1]
    return total[0] * total[1] + x


@PROGRAMS.called_with(1.1)
def in_a_while_loop(x):
    c = [1.0] * 3
    k = 0
    while k < 7:
        c[k % 3] *= x
        k += 1
    return c[0] + c[1] * c[2]


@PROGRAMS.called_with(0.7)
def made_in_each_trip(x):
    total = 0.0
    for i in range(3):
        row = [0.0] * 4
        for j in range(4):
            row[j] = x * (i + j)
        row[i] *= 2.0
        total += max(row) * row[0] + row[i]
    return total


@PROGRAMS.called_with(0.6, 4)
def floats_among_ints(x, n: int):
    best = [0] * 6
    for k in range(n):
        for j in range(5, 0, -1):
            if best[j - 1] + x * k > best[j]:
                best[j] = best[j - 1] + x * k
    return best[5] + best[1]


@PROGRAMS.called_with(1.5)
def ints_stay_ints(x):
    squares = [0] * 4
    for i in range(4):
        squares[i] = i * i
    return x * squares[3] + np.arange(12.0)[squares[2]]


@PROGRAMS.called_with(0.8)
def from_the_end(x):
    v = [x] * 4
    for i in range(-4, 0):
        v[i] += i * x
    return v[0] * v[1] + v[3]


@PROGRAMS.called_with(0.5)
def floats_after_ints(x):
    v = [1] * 3
    for i in range(3):
        v[i] = i
    for i in range(3):
        v[i] = v[i] * x
    return v[1]


COMPILED = {"american_put", "swaps", "in_a_while_loop", "from_the_end"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)


@pytest.mark.parametrize(("function", "arguments"), TWICE, ids=[function.__name__ for function, _ in TWICE])
def test_second_derivative(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    compare_second(function, arguments, "numpy")


def beyond_the_end(x, n: int):
    v = [x, x * x]
    for i in range(n):
        v[i] = 2.0 * x
    return v[0] + v[1]


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_place_that_is_not_there(target: Any) -> None:
    f = stagegrad.compile(beyond_the_end, target=target)
    assert f.value_and_grad(0.5, 2) == (2.0, 4.0)
    with pytest.raises(IndexError):
        f.value_and_grad(0.5, 3)


def two_names(x):
    v = [0.0] * 3
    w = v
    for i in range(3):
        v[i] = x * i
    return w[1] + v[2]


def argument(v, x):
    for i in range(3):
        v[i] = x * i
    return v[1]


def handed_over(x):
    v = [x, x, x]
    argument(v, x)
    return v[1]


@pytest.mark.parametrize(
    ("function", "reason"),
    [(two_names, "has another name"), (handed_over, "assignment to an item")],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_what_another_name_would_see_is_refused(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(stagegrad.StagegradError, match=reason):
        stagegrad.compile(function).value_and_grad(0.5)


def grows_beside_narrow_floats(x):
    items = [0.1]
    for i in range(2):
        items.append(x[i])
    return items[0] * 3.0


def written_beside_narrow_floats(x):
    items = [0.1, 0.2]
    for i in range(1):
        items[i] = x[i]
    return items[1] * 3.0


@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("function", [grows_beside_narrow_floats, written_beside_narrow_floats], ids=lambda f: f.__name__)
def test_floats_of_64_and_of_32_bits_are_not_put_into_one_list(function: Callable[..., Any], target: Any) -> None:
    """Python's 0.1 would be rounded to 32 bits: 0.3 where Python gives 0.30000000000000004."""
    with pytest.raises(stagegrad.StagegradError, match="float32"):
        stagegrad.compile(function, target=target).value_and_grad(np.ones(3, np.float32))
    value, _ = stagegrad.compile(function, target=target).value_and_grad(np.ones(3))
    assert value == function(np.ones(3))
