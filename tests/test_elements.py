"""An element that a loop computes in place is a number while the loop runs, and undone in one step; traps where it must not be."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

MATRIX, VECTOR = {"m": "float64[:, :]"}, {"x": "float64[:]"}


def cholesky(m):
    a = m.copy()
    total = 0.0
    for j in range(a.shape[0]):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = math.sqrt(a[j, j])
        total += math.log(a[j, j])
        for i in range(j + 1, a.shape[0]):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
    return total


def product(m):
    n = m.shape[0]
    c = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            for k in range(m.shape[1]):
                c[i, j] += m[i, k] * math.sin(m[j, k])
    return np.sum(c * c)


def back_substitution(m):
    """What lies behind the element is read; the loops run down."""
    n = m.shape[0]
    x = m[:, 0].copy()
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= m[i, k] * x[k]
        x[i] = x[i] / (2.0 + m[i, i])
    return np.sum(x * x)


def two_of_them(m):
    x, y = m[0].copy(), m[1].copy()
    for i in range(1, len(x)):
        for k in range(i):
            x[i] += 0.1 * y[k] * x[k]
            y[i] = 0.5 * y[i] + x[i] * x[k]
    return np.sum(x) + np.sum(y * y)


# ---------------------------------------------------------------------------------------------- traps


def itself_among_them(m):
    """The last trip reads the element that it writes."""
    a = m.copy()
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            for k in range(j + 1):
                a[i, j] -= 0.1 * a[i, k] * a[i, k]
    return np.sum(a * a)


def counted_from_the_end(m):
    """Where k is 0, the element before it is the last one."""
    a = m.copy()
    n = a.shape[1]
    for i in range(a.shape[0]):
        for k in range(n - 1):
            a[i, n - 1] += 0.5 * a[i, k - 1] * a[i, n - 1]
    return np.sum(a * a)


def other_rows(m):
    """Nothing says that i and j differ."""
    a = m.copy()
    for i in range(a.shape[0]):
        for j in range(a.shape[0]):
            for k in range(a.shape[1]):
                a[i, 0] += 0.1 * a[j, k] * a[i, 0]
    return np.sum(a * a)


def element_that_moves(m):
    a = m.copy()
    for i in range(a.shape[0]):
        for k in range(1, a.shape[1]):
            a[i, k] += a[i, k - 1] * a[i, k]
    return np.sum(a * a)


def read_in_a_branch(m):
    a = m.copy()
    for i in range(a.shape[0]):
        for k in range(1, a.shape[1]):
            a[i, 0] += 0.3 * a[i, k]
            if a[i, 0] > 0.2:
                a[i, 0] *= 0.5
    return np.sum(a * a)


def old_version(m):
    """Another name for the element's value before the loop, and one for it after a trip."""
    a = m.copy()
    s = 0.0
    for i in range(a.shape[0]):
        was = a[i, 0]
        for k in range(1, a.shape[1]):
            a[i, 0] = a[i, 0] * a[i, k] + was
            s += a[i, 0] * was
    return s + np.sum(a * a)


def twice_in_a_row(m):
    """The element is written again, with another one that may be the same."""
    a = m.copy()
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            a[i, 0] = math.sin(a[i, 0]) + 0.2 * a[j, 1]
            a[i, 0] = a[i, 0] * a[j, 0] + 0.5
    return np.sum(a * a)


def what_was_written_is_used(m):
    """Before and after it is written over, in the same trip and in the next."""
    a = m.copy()
    n = a.shape[0]
    last = 0.3
    total = 0.0
    for i in range(n):
        for j in range(1, n):
            v = math.sin(a[i, j] * last)
            a[i, j - 1] = v
            w = v * a[i, j - 1] + a[i, 0]
            a[i, j - 1] = w * v
            last = math.exp(-v * v) * w
        total += last * a[i, 0]
    return total + np.sum(a * a)


def written_in_an_arm(m):
    a = m.copy()
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            v = math.tanh(a[i, j] + a[j, i])
            if v > 0.1:
                a[i, j] = v
                a[i, j] = v * a[i, j]
            else:
                a[j, i] = v * v
            a[i, 0] += math.sin(v)
    return np.sum(a * a)


def thrice(m):
    u = m[0]
    v = np.zeros(len(u))
    for i in range(1, len(u) - 1):
        v[i] = 0.3 * (u[i + 1] + u[i - 1]) * u[i]
        v[i] += 0.2 * u[i - 1]
        v[i] *= u[i + 1] + m[i, i]
    return np.sum(v * v)


GOOD = [cholesky, product, back_substitution, two_of_them]
TRAPS = [itself_among_them, counted_from_the_end, other_rows, element_that_moves, read_in_a_branch, old_version]
WRITTEN_TWICE = [thrice, twice_in_a_row, what_was_written_is_used, written_in_an_arm]


def positive(n):
    draw = np.random.default_rng(n).normal(size=(n, n))
    return 0.3 * draw @ draw.T + n * np.eye(n) if n > 1 else np.array([[1.5]])


@pytest.mark.sampled(4)
@pytest.mark.parametrize("function", GOOD + TRAPS + WRITTEN_TWICE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_gradients_are_those_of_differences(function, target):
    f = stagegrad.compile(function, types=MATRIX, target=target)
    for n in (2, 3, 5):
        m = positive(n) / n
        value, slopes = f.value_and_grad(m)
        assert value == pytest.approx(function(m), rel=1e-12)
        way = np.random.default_rng(7).normal(size=m.shape)
        ends = [function(m + by * way) for by in (2e-6, 1e-6, -1e-6, -2e-6)]
        assert np.sum(slopes * way) == pytest.approx((-ends[0] + 8 * ends[1] - 8 * ends[2] + ends[3]) / 1.2e-5, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("function", GOOD[:3], ids=lambda f: f.__name__)
def test_no_trip_of_the_innermost_loop_is_recorded(function):
    n = 12
    cost = stagegrad.compile(function, types=MATRIX, target="numpy").cost(positive(n))
    assert cost.recorded <= 13 * n, cost


@pytest.mark.parametrize("function", TRAPS[:-1], ids=lambda f: f.__name__)
def test_what_may_be_the_element_itself_keeps_it_in_the_array(function):
    text = stagegrad.compile(function, types=MATRIX, target="numpy").source()
    inner = text.partition("# backward pass")[0].rpartition("in range(")[2]
    assert re.search(r"^ +a\[.*\] = ", inner, re.MULTILINE), text


def test_what_is_written_over_at_once_is_written_once_and_what_was_written_is_read():
    text = stagegrad.compile(cholesky, types=MATRIX, target="numpy").source()
    forward, _, backward = text.partition("# backward pass")
    assert len(re.findall(r"^ +a\[.*\] = ", forward, re.MULTILINE)) == 2 and len(re.findall(r"_tape\d*\[.*\] = ", forward)) == 2
    assert "numoden = a[i, j]" in backward and "= sqrt(" not in re.sub("#.*", "", backward)
    assert stagegrad.compile(cholesky, types=MATRIX).cost(positive(12)).recorded == 12 * 13 // 2


def beyond(x, n: int, at: int):
    y = x.copy()
    for k in range(n):
        y[at] += x[k] * y[at]
    return np.sum(y)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_loop_without_trips_asks_for_no_element(target):
    f = stagegrad.compile(beyond, wrt="x", target=target)
    assert f.value_and_grad(np.ones(3), 0, 7)[0] == 3.0
    with pytest.raises(IndexError):
        f.value_and_grad(np.ones(3), 2, 7)
    assert f.value_and_grad(np.ones(3), 2, -1)[0] == 6.0


def narrow(x, w):
    y = x.copy()
    for i in range(len(x)):
        for k in range(i):
            y[i] += x[k] * w
    return np.sum(y)


def test_a_narrow_element_is_rounded_on_every_trip():
    x = np.linspace(0.1, 1.7, 9, dtype=np.float32)
    for target in ("numpy", "numba"):
        value, (slopes, _) = stagegrad.compile(narrow, target=target).value_and_grad(x, 0.3)
        assert value == pytest.approx(narrow(x, 0.3), rel=3e-7) and slopes.dtype == np.float32


def third(y, n):
    y = y.copy()
    for i in range(n - 1):
        y[2] += 0.3 * i
    return np.sum(y * y)


def third_if_asked(y, n):
    y = y.copy()
    for i in range(n):
        if len(y) <= 2:
            raise ValueError("too few")
        y[2] = np.sin(y[2]) * i
    return np.sum(y * y)


@pytest.mark.parametrize("function", [third, third_if_asked], ids=lambda function: function.__name__)
def test_what_is_there_while_a_loop_runs_is_not_asked_for_beside_it(function):
    staged = stagegrad.compile(function, types={"y": "float64[:]", "n": "int64"}, target="numba")
    text = staged.source("numba", answer="value_and_grad")
    assert "\n    y2 = y[2]\n" not in text and "\n    y[2] = y2\n" not in text
    value, slope = staged.value_and_grad(np.array([0.5]), 0)
    assert value == 0.25 and slope.tolist() == [1.0]
    found = staged.value_and_grad(np.array([0.5, 0.1, 0.7]), 3)
    right = stagegrad.compile(function, target="numpy").value_and_grad(np.array([0.5, 0.1, 0.7]), 3)
    np.testing.assert_allclose(found[1], right[1], rtol=1e-14)


def coordinates(m):
    """Three elements of a row are computed side by side, one of them twice; beside them lies what they are computed from."""
    n = m.shape[0]
    f = np.zeros((n, 4))
    f[:, 3] = m[:, 0]
    for i in range(n):
        for j in range(n):
            d = m[j, 0] - m[i, 0]
            f[i, 0] += d * m[j, 1]
            f[i, 1] -= d**2 + f[i, 0] * 0.1
            f[i, 0] = f[i, 0] * 0.9 + f[i, 3]
            f[i, 2] += math.sin(d * f[i, 1])
    return np.sum(f * f)


def one_of_two_is_not_read_first(m):
    n = m.shape[0]
    f = np.ones((n, 2))
    for i in range(n):
        for j in range(n):
            f[i, 1] = m[j, 0] * f[i, 0]
            f[i, 0] += f[i, 1] ** 2
    return np.sum(f * f)


def perhaps_the_same(m):
    n = m.shape[0]
    f = m[0].copy()
    for i in range(n):
        p, q = i % 2, (i + 1) * 2 % 3 % 2
        for j in range(n):
            f[p] += 0.1 * m[j, 0] * f[q]
            f[q] = 0.5 * f[q] + f[p] * m[j, 1]
    return np.sum(f * f)


@pytest.mark.uncompiled
@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("function", [coordinates, one_of_two_is_not_read_first, perhaps_the_same], ids=lambda f: f.__name__)
def test_several_elements_of_one_array(function, target):
    for n in (0, 1, 2, 3):
        m = np.random.default_rng(n).normal(size=(n, 2))
        if n == 0 and function is perhaps_the_same:
            continue
        value, found = stagegrad.compile(function, target=target).value_and_grad(m)
        assert value == pytest.approx(function(m), rel=1e-13)
        np.testing.assert_allclose(np.ravel(found), differences(function, (m,)), rtol=1e-7, atol=1e-9)


def test_coordinates_are_numbers_in_the_loop():
    text = stagegrad.compile(coordinates, types=MATRIX).source("numpy")
    assert not re.search(r"^ {12}\s*d?f\[i, [012]\] [-+*]?= ", text, re.MULTILINE), text
