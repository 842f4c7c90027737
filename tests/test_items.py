"""Items of tuples and lists at positions that are known when the program runs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat

NODES = (-0.7745966692414834, 0, 0.7745966692414834)
WEIGHTS = (5 / 9, 8 / 9, 5 / 9)
STEPS = ((0, 0, 0), (0.5, 0, 0), (-1.0, 2.0, 0))


def gauss(a: float, b: float) -> float:
    """An integral by three nodes."""
    total = 0.0
    for i in range(len(NODES)):
        x = 0.5 * (a + b) + 0.5 * (b - a) * NODES[i]
        total += WEIGHTS[i] * x * x * x
    return 0.5 * (b - a) * total


def tableau(x: float, h: float, n: int) -> float:
    """Runge and Kutta's steps of third order, by a table of rows."""
    for _ in range(n):
        k1, k2, k3 = 0.0, 0.0, 0.0
        for i in range(3):
            k = [k1, k2, k3]
            y = x
            for j in range(i):
                y += h * STEPS[i][j] * k[j]
            slope = -y * y
            k1, k2, k3 = (slope if i == 0 else k1), (slope if i == 1 else k2), (slope if i == 2 else k3)
        x += h * (k1 + 4.0 * k2 + k3) / 6.0
    return x


def of_parameters(c: float, d: float, n: int) -> float:
    items = [c, d, c * d, 2.0]
    total = 0.0
    for i in range(-4, n):
        total += items[i] * (i + 5.5)
    return total


def rows(c: float, d: float, n: int) -> float:
    table = ((c, 1.0), (d, c), (0.5, d * d))
    total = 0.0
    for i in range(n):
        first, second = table[i % 3]
        total += first * second + sum(table[-1 - i % 3])
    return total


def horner(coefficients: Any, x: float) -> Any:
    y = 0.0
    for i in range(len(coefficients) - 1, -1, -1):
        y = y * x + coefficients[i]
    return y


def branches(c: float, d: float, n: int) -> float:
    kinds = (True, False, True)
    counts = (3, 1, 2)
    x = c
    for i in range(n):
        if kinds[i]:
            step = counts[i]
            x = x * d + step
        else:
            x = x / counts[i - 1] - c
    return x


PROGRAMS = [
    (gauss, (0.3, 1.9)), (tableau, (0.8, 0.1, 4)), (of_parameters, (0.7, -1.3, 4)), (rows, (0.7, -1.3, 5)),
    (horner, ([1.0, -2.0, 0.5], 0.7)), (horner, ((2.5,), 0.7)), (branches, (0.7, -1.3, 3)),
]  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", ["python", "numba"])
@pytest.mark.parametrize(("function", "arguments"), PROGRAMS, ids=lambda value: getattr(value, "__name__", ""))
def test_value_and_gradient_are_right(function: Any, arguments: Any, target: Any) -> None:
    made = stagegrad.compile(function, target=target, cache=False)
    value, gradient = made.value_and_grad(*copy.deepcopy(arguments))
    assert value == pytest.approx(function(*arguments), rel=1e-14)
    np.testing.assert_allclose(flat(gradient), differences(function, arguments), rtol=1e-8, atol=1e-9)


def test_the_gradient_of_the_gradient_is_right() -> None:
    first = stagegrad.compile(rows, wrt="c", target="python", cache=False)
    slope, h = stagegrad.grad(stagegrad.grad(rows)), 1e-5
    assert slope(0.7, -1.3, 5) == pytest.approx((first.grad(0.7 + h, -1.3, 5) - first.grad(0.7 - h, -1.3, 5)) / (2.0 * h), rel=1e-6)


@pytest.mark.parametrize("target", ["python", "numba"])
def test_a_position_outside_is_an_index_error(target: Any) -> None:
    made = stagegrad.compile(of_parameters, target=target, cache=False)
    for call in (made, made.grad):
        with pytest.raises(IndexError, match="list index out of range"):
            call(0.7, -1.3, 5)


def test_what_is_not_chosen_gets_no_gradient_be_it_infinite() -> None:
    def chosen(x: float, i: int) -> float:
        return (x**0.5, 3.0 * x)[i]

    made = stagegrad.compile(chosen, target="python", cache=False)
    assert made.grad(0.0, 1) == 3.0
    assert made.grad(0.25, 0) == pytest.approx(1.0)


def test_the_text_is_as_the_user_wrote_it() -> None:
    text = stagegrad.compile(of_parameters, target="python", cache=False).source()
    assert "item = [c, d, cd, 2.0][i]" in text and "dc += [ditem, 0.0, 0.0, 0.0][i]" in text


def test_ints_beside_floats_and_float32() -> None:
    def scaled(x: Any, n: int) -> Any:
        weights = (1, 0.5, 2)
        total = 0.0
        for i in range(n):
            total += np.sum(x * weights[i])
        return total

    made = stagegrad.compile(scaled, target="numpy", cache=False)
    x = np.array([1.5, 2.5], np.float32)
    gradient = made.grad(x, 3)
    assert gradient.dtype == np.float32
    np.testing.assert_array_equal(gradient, np.float32([3.5, 3.5]))


def many(x: float, n: int) -> float:
    items = (x, "a", 2.0)
    return items[n]


def too_many(x: float, n: int) -> float:
    items = [x] * 65
    return items[n]


def replaced(x: float, n: int) -> float:
    row = [x, 2.0]
    table = [row, [3.0, x]]
    chosen = table[n]
    chosen[0] = 5.0
    return table[0][0] + row[0]


@pytest.mark.parametrize(
    ("function", "message"),
    [(many, "items that are not numbers of one type"), (too_many, "more than 64 items"), (replaced, "seen|change|own")],
    ids=["types", "length", "rows"],
)
def test_what_cannot_be_picked_is_refused(function: Any, message: str) -> None:
    with pytest.raises(stagegrad.UnsupportedError, match=message):
        stagegrad.compile(function, target="python", cache=False)
