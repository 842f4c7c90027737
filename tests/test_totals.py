"""One sum for what all trips of a loop add to one element of a gradient, in compiled code."""

from __future__ import annotations

import math

import numpy as np
import pytest

import stagegrad

pytest.importorskip("numba")


def pairs(x: np.ndarray, m: np.ndarray):
    """Every element with every other: the gradient of x gathers in two places."""
    y = x.copy()
    n = len(m)
    for _ in range(2):
        for i in range(n):
            pull = 0.0
            for j in range(n):
                far = x[j] - x[i]
                pull += m[j] * far / (far * far + 0.1)
            y[i] += 0.1 * pull
    total = 0.0
    for i in range(n):
        total += y[i] * y[i]
    return total


def downwards(x: np.ndarray, n: int):
    """A loop of the user's that runs down, and must: what it carries is read."""
    total = 1.0
    for i in range(n - 1, -1, -1):
        total = 0.5 * total + x[i] * total * total * 0.1
    return total


def rows(a: np.ndarray, w: np.ndarray):
    """Loops of no trips, and of one."""
    s = 0.0
    for i in range(a.shape[0]):
        for j in range(i):
            for k in range(j, a.shape[1], 2):
                s += math.sin(a[i, k] * w[j]) * w[i]
    return s


def swapping(x: np.ndarray, n: int):
    """Two arrays that change places on every trip."""
    a, b = x.copy(), np.zeros(len(x))
    for _ in range(n):
        for i in range(1, len(x) - 1):
            b[i] = 0.25 * a[i - 1] + 0.5 * a[i] + 0.25 * a[i + 1] * a[i]
        a, b = b, a
    return np.sum(a * a)


def in_place(x: np.ndarray, c: float):
    """Each trip needs what the one before it wrote."""
    for i in range(1, len(x)):
        x[i] = x[i] - c * x[i - 1] * x[i]
    return np.sum(x * x)


def with_a_test(x: np.ndarray, w: np.ndarray):
    s = 0.0
    for i in range(len(x)):
        for j in range(len(w)):
            if x[i] > w[j]:
                s += (x[i] - w[j]) ** 3
    return s


def a_section_and_an_element(x: np.ndarray, m: np.ndarray, n: int):
    """``x[1:]`` and ``x[1]`` are named by the same index, and so are ``m[j, i]`` and ``m[i, j]``."""
    i, j = n % 2, n % 3
    s = total = 0.0
    for t in range(n):
        s += np.sum(x[1:]) + np.sum(m[1:2]) * x[t]
        total += s * x[1] + max(x[i], x[t]) * s + m[i, j] * s - m[j, i] * x[t] + m[i, 1:][0]
    return total


CASES = [
    (a_section_and_an_element, lambda rng, n: (rng.normal(size=n + 2), rng.normal(size=(4, 4)), n)),
    (pairs, lambda rng, n: (rng.normal(size=n), rng.random(n))),
    (downwards, lambda rng, n: (rng.normal(size=n), n)),
    (rows, lambda rng, n: (rng.normal(size=(n, n + 2)), rng.normal(size=n))),
    (swapping, lambda rng, n: (rng.normal(size=n + 2), 3)),
    (in_place, lambda rng, n: (rng.normal(size=n), 0.3)),
    (with_a_test, lambda rng, n: (rng.normal(size=n), rng.normal(size=n))),
]


@pytest.mark.parametrize(("function", "arguments"), CASES, ids=[function.__name__ for function, _ in CASES])
def test_gradients_are_those_of_the_python_text(function, arguments):
    compiled = {target: stagegrad.compile(function, target=target) for target in ("numpy", "numba")}
    for n in (2, 3, 17):
        point = arguments(np.random.default_rng(n), n)
        copies = [[one.copy() if hasattr(one, "copy") else one for one in point] for _ in compiled]
        found = [one.value_and_grad(*given) for one, given in zip(compiled.values(), copies, strict=True)]
        assert found[1][0] == pytest.approx(found[0][0], rel=1e-12)
        slopes = [answer[1] if isinstance(answer[1], tuple) else (answer[1],) for answer in found]
        for mine, theirs in zip(*slopes, strict=True):
            np.testing.assert_allclose(theirs, mine, rtol=1e-11, atol=1e-13)


def test_what_all_trips_add_to_is_added_to_once():
    source = stagegrad.compile(pairs, types={"x": "float64[:]", "m": "float64[:]"}).source("numba")
    inner = source[source.index("backward pass") :].partition("for j in range(")[2].partition("!= 0.0:")[0]
    assert "dx[j] += " in inner and "dx[i] += " not in inner and "plus(" in inner


def test_a_gradient_of_nothing_is_zero_and_nan_stays():
    f = stagegrad.compile(pairs)
    assert [one.shape for one in f.grad(np.zeros(0), np.zeros(0))] == [(0,), (0,)]
    x = np.array([0.5, np.nan, 0.25])
    assert np.isnan(f.grad(x, np.ones(3))[0]).all()
