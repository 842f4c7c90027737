"""Nests that write in place, whose loops run over the same each time: their tapes have an axis for each loop, and no count of records."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

pytest.importorskip("numba")
pytestmark = pytest.mark.uncompiled

#: What the loops run over, of n.
RANGES = ["n", "1, n", "2, n + 1", "5, n + 4", "n - 1, -1, -1", "n, 0, -1", "0, n, 2", "n, -2, -3", "n, n", "-n, 0"]
NEST = """
def f(u, c, n: int):
    u = u.copy()
    m = len(u)
    for k in range({}):
        c = c * 0.9
        for i in range({}):
            j = (i + 3 * m) % m
            u[j] = u[j] * c + u[(j + 1) % m] ** 2 * 0.1
            if u[j] > 0.2:
                for l in range({}):
                    u[l % m] = u[j] * u[l % m] * 0.3 + c
    return np.sum(u ** 2) * c
"""


def function_of(*ranges):
    names = {"np": np}
    text = NEST.format(*ranges)
    exec(text, names)
    return names["f"], text


@pytest.mark.parametrize("ranges", [(a, b, RANGES[(3 * k) % 10]) for k, (a, b) in enumerate(itertools.product(RANGES[:8:2], RANGES))])
@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_value_and_gradient(ranges, target):
    function, text = function_of(*ranges)
    staged = stagegrad.compile(function, source=text, target=target)
    u = np.array([0.5, -0.3, 0.8, 0.1, 0.4])
    for n in (0, 1, 3):
        value, gradient = staged.value_and_grad(u, 0.7, n)
        assert value == pytest.approx(function(u, 0.7, n), rel=1e-13)
        wanted = differences(function, (u, 0.7, n))
        np.testing.assert_allclose(np.hstack(gradient), wanted, rtol=1e-6, atol=1e-9 * max(1.0, np.max(np.abs(wanted))))
    assert "record" not in staged.source(target)


def test_what_changes_from_trip_to_trip_is_counted():
    def triangle(u, n: int):
        u = u.copy()
        for i in range(n):
            for j in range(i):
                u[j] = u[j] * u[i] + 0.1 * u[j] ** 2
        return np.sum(u)

    staged = stagegrad.compile(triangle, target="numpy")
    u = np.array([0.5, -0.3, 0.8, 0.1])
    np.testing.assert_allclose(staged.grad(u, 4), differences(triangle, (u, 4)), rtol=1e-7, atol=1e-10)
    assert "record" in staged.source("numpy")


def test_compiled_code_is_told_that_a_tape_is_not_read_from_its_end():
    """LLVM makes vector instructions of the backward loop then: it takes a third of the time."""

    def euler(x, v, dt, steps: int):
        x = x.copy()
        for _ in range(steps):
            for i in range(len(x)):
                x[i] += dt * x[i] * x[i]
        return np.sum(x * v)

    text = stagegrad.compile(euler, types={"x": "float64[:]", "v": "float64[:]"}).source("numba")
    backward = text.split("range(steps - 1, -1, -1):\n")[1]
    assert backward.lstrip().startswith(("trip = max(trip, 0)", "trip2 = max(trip, 0)")), text
