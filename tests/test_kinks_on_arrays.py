"""The kink table on arrays, element by element: ties, jumps, poles, nan and what a zero gradient stops at, on both targets.

Each row is an expression in x and y with the points at which it is asked: (x, y, value, slope in x, slope in y). The gradient that
arrives is 1 at every element.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

INF, NAN = math.inf, math.nan
Point = tuple[float, float, float, float, float]

ROWS: dict[str, list[Point]] = {
    "np.abs(x) + 0.0 * y": [(0.0, 0.0, 0.0, 0.0, 0.0), (-2.0, 0.0, 2.0, -1.0, 0.0), (NAN, 0.0, NAN, NAN, 0.0)],
    "np.maximum(x, y)": [
        (1.0, 1.0, 1.0, 0.5, 0.5), (2.0, 1.0, 2.0, 1.0, 0.0),
        (1.0, NAN, NAN, NAN, NAN), (INF, INF, INF, 0.5, 0.5), (0.0, -0.0, 0.0, 0.5, 0.5),
    ],
    "np.minimum(x, y)": [(1.0, 1.0, 1.0, 0.5, 0.5), (2.0, 1.0, 1.0, 0.0, 1.0), (NAN, 1.0, NAN, NAN, NAN)],
    "np.clip(x, 0.0, 1.0) * y": [
        (0.0, 1.0, 0.0, 0.5, 0.0), (1.0, 1.0, 1.0, 0.5, 1.0),
        (0.3, 1.0, 0.3, 1.0, 0.3), (5.0, 1.0, 1.0, 0.0, 1.0), (NAN, 1.0, NAN, NAN, NAN),
    ],
    "np.clip(x, y, 1.0)": [(0.5, 2.0, 1.0, 0.0, 0.0), (0.5, 0.5, 0.5, 0.5, 0.5)],
    "np.where(x > y, np.log(x), 0.0)": [(0.0, 0.0, 0.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0, 0.0), (2.0, 0.0, math.log(2.0), 0.5, 0.0)],
    "np.where(x > y, np.sqrt(x), x * 0.0)": [(0.0, 0.0, 0.0, 0.0, 0.0), (-1.0, 0.0, -0.0, 0.0, 0.0), (4.0, 0.0, 2.0, 0.25, 0.0)],
    "np.where(x != 0.0, np.sin(x) / x, y)": [(0.0, 1.0, 1.0, 0.0, 1.0)],
    "np.where(x > y, x, 0.0)": [(NAN, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 1.0, 1.0, 0.0)],
    "np.sqrt(x) + y": [(0.0, 0.0, 0.0, INF, 1.0), (-1.0, 0.0, NAN, NAN, 1.0)],
    "np.log(x) * y": [(0.0, 1.0, -INF, INF, -INF), (-1.0, 1.0, NAN, NAN, NAN), (0.0, 0.0, NAN, NAN, -INF)],
    "np.hypot(x, y)": [(0.0, 0.0, 0.0, 0.0, 0.0), (3.0, 4.0, 5.0, 0.6, 0.8), (1e200, 0.0, 1e200, 1.0, 0.0)],
    "np.arctan2(x, y)": [(0.0, 0.0, 0.0, NAN, NAN), (0.0, 1.0, 0.0, 1.0, 0.0)],
    "x**y": [
        (0.0, 2.0, 0.0, 0.0, 0.0), (0.0, 0.5, 0.0, INF, 0.0),
        (0.0, 0.0, 1.0, 0.0, 0.0), (0.0, -1.0, INF, -INF, NAN), (-2.0, 3.0, -8.0, 12.0, NAN),
        (-2.0, 0.5, NAN, NAN, NAN),
    ],
    "x**0.5 + x**2 + x**1.0 + x**0 + y": [(0.0, 0.0, 1.0, INF, 1.0)],
    "x**2.0 + y**0.0": [(0.0, 0.0, 1.0, 0.0, 0.0), (-3.0, 0.0, 10.0, -6.0, 0.0)],
    "x / y": [(1.0, 0.0, INF, INF, -INF), (0.0, 0.0, NAN, INF, NAN)],
    "np.logaddexp(x, y)": [
        (0.0, 1000.0, 1000.0, 0.0, 1.0), (1000.0, 0.0, 1000.0, 1.0, 0.0), (INF, 1.0, INF, 1.0, 0.0), (-INF, -INF, -INF, 0.0, 0.0),
    ],
    "1.0 / (1.0 + np.exp(-x)) + y": [(-1000.0, 0.0, 0.0, 0.0, 1.0), (1000.0, 0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 0.5, 0.25, 1.0)],
    "y / (1.0 + np.exp(-x))": [(-1000.0, 1.0, 0.0, 0.0, 0.0)],
    "np.floor(x) + np.sign(x) + np.rint(y)": [(0.0, 0.5, 0.0, 0.0, 0.0), (1.0, 1.5, 4.0, 0.0, 0.0)],
    "x % y": [(-5.3, 2.0, -5.3 % 2.0, 1.0, 3.0)],
    "np.fmod(x, y)": [(-5.3, 2.0, math.fmod(-5.3, 2.0), 1.0, 2.0)],
    "x // y": [(-5.3, 2.0, -3.0, 0.0, 0.0)],
    "np.heaviside(x, y)": [(0.0, 0.3, 0.3, 0.0, 1.0), (1.0, 0.3, 1.0, 0.0, 0.0), (-1.0, 0.3, 0.0, 0.0, 0.0)],
    "np.sinc(x) + y": [(0.0, 0.0, 1.0, 0.0, 1.0)],
    "np.cbrt(x) + np.arcsin(y)": [(0.0, 1.0, math.pi / 2, INF, INF)],
    "np.nan_to_num(x) + np.fmax(x, y)": [(NAN, 2.0, 2.0, 0.0, 1.0), (1.0, NAN, 2.0, 2.0, 0.0)],
    "(x - x) * y": [(INF, 1.0, NAN, 0.0, NAN)],
}  # fmt: skip


def same(found: Any, expected: Any) -> bool:
    return bool(np.allclose(found, expected, rtol=1e-14, atol=1e-300, equal_nan=True))


@pytest.mark.parametrize("target", ["python", "numba"])
@pytest.mark.parametrize("text", ROWS)
def test_each_element_follows_the_table(text: str, target: str) -> None:
    source = f"def f(x, y):\n    return np.sum({text})\n"
    scope: dict[str, Any] = {"np": np}
    exec(source, scope)
    compiled = stagegrad.compile(scope["f"], target=target, source=source, cache=False)
    for x, y, value, dx, dy in ROWS[text]:
        found, (x_slope, y_slope) = compiled.value_and_grad(np.array([x]), np.array([y]))
        assert same(found, value), (x, y, found)
        assert same(x_slope, [dx]), (x, y, x_slope)
        assert same(y_slope, [dy]), (x, y, y_slope)


def at_clamped_positions(x, p, large):
    last = len(x) - 1
    total = np.sum(x[np.minimum(p + 1, last)] * x[np.clip(p - 1, 0, last)])
    for i in range(len(x)):
        total += x[np.minimum(i + 1, last)] * x[np.clip(i - 1, 0, last)] * x[np.maximum(i - 1, 0)]
        total += x[i] * (np.maximum(large[i], 0) % 7)
    return total + np.sum(np.minimum(large, 2**60) % 5 * x)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_what_is_chosen_of_ints_is_an_int(target: str) -> None:
    x, p, large = np.array([0.3, 0.5, -1.0]), np.array([2, 0, 1]), np.array([2**53 + 1, 2**55 + 3, 5])
    value, slope = stagegrad.compile(at_clamped_positions, wrt="x", target=target, cache=False).value_and_grad(x, p, large)
    assert value == pytest.approx(at_clamped_positions(x, p, large), rel=1e-14)
    np.testing.assert_allclose(slope, differences(lambda x: at_clamped_positions(x, p, large), (x,)), rtol=1e-9)
