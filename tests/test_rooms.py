"""Tapes of nests are made as long as their records at once, also where inner ranges depend on the loops around them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

VECTOR = {"x": "float64[:]"}


def triangle(x):
    a = x.copy()
    for i in range(len(a)):
        for j in range(i):
            a[j] = math.sin(a[i] * a[j])
    return np.sum(a)


def downwards_by_twos(x):
    a = x.copy()
    n = len(a)
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n, 2):
            a[j] = a[j] * math.cos(a[i])
    return np.sum(a)


def tetrahedron(x):
    a = x.copy()
    n = len(a)
    for _ in range(2):
        for i in range(n):
            for j in range(i, n):
                for k in range(j - i):
                    a[k] = 0.9 * a[k] + 0.1 * math.sin(a[j]) * a[i]
    return np.sum(a * a)


def in_an_arm(x):
    a = x.copy()
    for i in range(len(a)):
        if a[i] > 0.0:
            for j in range(i):
                a[j] = a[j] * math.exp(-a[i])
    return np.sum(a)


def depends_on_a_sum(x):
    """How often the inner loop runs is not known before."""
    a = x.copy()
    m = 0
    for i in range(len(a)):
        m = (m + i) % 5
        for j in range(m):
            a[j] = math.sin(a[j] + a[i])
    return np.sum(a)


def until_found(x):
    a = x.copy()
    for i in range(len(a)):
        for j in range(i):
            if a[j] > 1.4:
                break
            a[j] = a[j] * 1.1 + 0.01 * a[i]
    return np.sum(a * a)


KNOWN = [triangle, downwards_by_twos, tetrahedron, in_an_arm]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("function", [*KNOWN, depends_on_a_sum, until_found], ids=lambda f: f.__name__)
@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_gradients_are_those_of_differences(function, target):
    f = stagegrad.compile(function, types=VECTOR, target=target)
    for n in (0, 1, 2, 7):
        draw = np.random.default_rng(n)
        x, way = draw.normal(size=n), draw.normal(size=n)
        value, slopes = f.value_and_grad(x)
        assert value == pytest.approx(function(x), rel=1e-12)
        ends = [function(x + by * way) for by in (2e-6, 1e-6, -1e-6, -2e-6)]
        assert np.sum(slopes * way) == pytest.approx((-ends[0] + 8 * ends[1] - 8 * ends[2] + ends[3]) / 1.2e-5, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("function", KNOWN, ids=lambda f: f.__name__)
def test_a_tape_never_grows_where_indices_say_how_often_a_trip_runs(function):
    text = stagegrad.compile(function, types=VECTOR, target="numpy").source()
    assert "reserved(" not in text and "grown(" not in text


def test_a_tape_is_as_long_as_its_records():
    cost = stagegrad.compile(triangle, types=VECTOR, target="numpy").cost(np.ones(9))
    assert cost.recorded and cost.recorded % 36 == 0 and cost.tape_bytes == 8 * cost.recorded


@pytest.mark.parametrize("function", [depends_on_a_sum, until_found], ids=lambda f: f.__name__)
def test_a_tape_grows_where_that_is_not_known(function):
    text = stagegrad.compile(function, types=VECTOR, target="numpy").source()
    assert "reserved(" in text or "grown(" in text


# ---------------------------------------------------------------------------------------------- what need not be there, or be as long


def count_of_an_arm(x, y, flag: int):
    """The count is there only where the loops that it counts run."""
    if flag > 0:
        m = len(y) - 1
    for i in range(len(x)):
        if flag > 0:
            for j in range(m):
                y[j] = math.sin(y[j] * x[i])
    return np.sum(y * y)


def array_of_an_arm(x, y, flag: int):
    """What gives a record its length, and a gradient its shape, is there only in an arm."""
    if flag > 0:
        z = np.sin(x[1:])
    for i in range(len(x)):
        if flag > 0:
            w = np.sin(z) * x[i]
            x[1:] = w * x[1:] + y[0]
            x[2] *= w[1]
    return np.sum(x) + np.sum(y)


def met_in_an_arm(x, y, flag: int):
    """In an arm that need not run, x and y are as long as each other."""
    s = 0.0
    if flag > 0:
        s += np.sum(x * y[:3])
        s += np.sum(x * y)
    for i in range(len(x)):
        w = y * (i + 1.0)
        for j in range(len(w) - 1, -1, -1):
            y[j] = math.sin(w[j] * y[j])
            for k in range(len(w) - j):
                y[k] = math.sin(y[j] + x[i]) * y[k]
    return s + np.sum(y * y)


def read_in_arms_of_others(x, y, flag: int):
    """The array is there, and an arm that does not read it leaves its gradient zero, not undefined."""
    s = 0.0
    if flag > 0:
        z = x * x
    if flag > 0:
        if x[0] > 50.0:
            s += z[0]
        s += x[1]
    for i in range(len(x)):
        if flag == 1:
            s += z[i] * s + z[0]
    if flag == 2:
        s += np.sum(np.sin(z))
    return np.sum(x * y[:3]) + s


@pytest.mark.sampled(4)
@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("flag", [0, 1])
@pytest.mark.parametrize(
    "function", [count_of_an_arm, array_of_an_arm, met_in_an_arm, read_in_arms_of_others], ids=lambda function: function.__name__
)
def test_what_is_known_before_a_nest_is_there_on_every_way_to_it(function, flag, target):
    if target == "numba":
        pytest.importorskip("numba")
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=3), rng.normal(size=3 if flag else 5)
    f = stagegrad.compile(function, types={"x": "float64[:]", "y": "float64[:]"}, target=target)
    value, slopes = f.value_and_grad(x, y, flag)
    assert value == pytest.approx(function(x.copy(), y.copy(), flag), rel=1e-12)
    np.testing.assert_allclose(np.concatenate(slopes), differences(function, (x, y, flag)), rtol=1e-6, atol=1e-8)
