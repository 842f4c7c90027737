"""Functions that call others with arrays: what their gradients are, and that a call costs what it does, however long its arrays are.

The oracle is a difference of the eighth order of the function itself, or of its gradient.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat


def interpolated(xs, ys, x):
    low, high = 0, len(xs) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    t = (x - xs[low]) / (xs[high] - xs[low])
    return ys[low] * (1.0 - t) + ys[high] * t


def driven(xs, ys, x, h, n: int):
    for _ in range(n):
        x = x + h * (interpolated(xs, ys, x) - x)
    return x * x


def look(a, b, i: int):
    k = 0
    while k < len(a) - 1 and a[k] < b[i]:
        k += 1
    return a[k] * b[i] + a[0]


def one_array_twice(a, b, n: int):
    s = 0.0
    for i in range(n):
        s += look(a, a, i) * a[i]
    return s * b[0]


def two_arrays(a, b, n: int):
    s = 0.0
    for i in range(n):
        s += look(a, b, i) + look(b, a, i)
        if s > 3.0:
            s *= look(a, b, 0)
        else:
            s -= b[i]
    return s * look(b, b, 1)


def inner(a, b, i: int):
    t = 0.0
    for j in range(i, len(a)):
        t += look(a, b, j) * b[i]
        if t > 50.0:
            break
    return t


def helpers_of_helpers(a, b, n: int):
    s = 0.0
    for i in range(n):
        s += inner(a, b, i) * inner(b, a, 1)
    return s


def changed_between_calls(a, b, n: int):
    for i in range(n):
        a[i] = look(a, b, i) * 0.5
        b[i] += look(b, a, i) * 0.1
    return np.sum(a * b)


def sections(a, b, n: int):
    m = np.outer(a, b)
    s = 0.0
    for i in range(n):
        s += look(m[i], b, i) * look(m[:, i], b, 0)
    return s + np.sum(m)


def other_names(a, b, n: int):
    c = a
    d = a * 1.0
    s = 0.0
    for i in range(n):
        s += look(c, b, i) * look(d, a, i)
        d = d * 0.9 + b
    return s + np.sum(d)


def pair(a, b, i: int):
    s = 0.0
    for j in range(i + 1):
        s += a[j] * b[j]
    return s * a[i], a[i] + b[i] * np.sum(a)


def two_results(a, b, n: int):
    u, v = 0.0, 0.0
    for i in range(n):
        p, q = pair(a, b, i)
        u += p
        v += q * u
    return u * v


def whole(a, b, i: int):
    s = 0.0
    for _ in range(2):
        s += np.sum(np.sin(a) * b) * b[i]
        a = a * 0.5
    return s


def whole_arrays(a, b, n: int):
    s = 0.0
    for i in range(n):
        s += whole(a, b, i) + whole(b, b, 0)
    return s


def climbing(a, n: int, x):
    if n == 0:
        return x * a[0]
    t = 0.0
    for k in range(n):
        t += climbing(a, k, x + a[n]) * 0.1
    return t + a[n] * x


def recursive(a, b, n: int):
    s = 0.0
    for i in range(n):
        s += climbing(a, i, b[i]) * climbing(b, 2, a[i])
    return s


def writer(a, b, i: int):
    a[i] = a[i] * b[i]
    if a[i] > 1.0:
        return a[i] * b[0]
    return a[0]


def helper_that_writes(a, b, n: int):
    s = 0.0
    for i in range(n):
        s += writer(a, b, i) * look(a, b, i)
    return s + np.sum(a)


def change_places(a, b, n: int):
    s = 0.0
    for i in range(n):
        s += look(a, b, i)
        a, b = b, a
    return s


def chosen(a, b, n: int):
    s = 0.0
    for i in range(n):
        c = a if b[i] > 0.5 else b * 2.1
        s += look(c, b, i)
        if s > 1.0:
            s += look(a, c, i)
    return s


def without_a_loop(a, b, n: int):
    x = look(a, b, 0)
    y = look(a, b, 1) * x
    return look(a, a, n - 1) * y + np.sum(a * b)


PROGRAMS = [one_array_twice, two_arrays, helpers_of_helpers, changed_between_calls, sections, other_names, two_results, whole_arrays,
            recursive, helper_that_writes, change_places, chosen, without_a_loop]  # fmt: skip
ON_NUMBA = [two_arrays, changed_between_calls, other_names, recursive]
A, B = np.array([0.3, 0.8, 0.5, 1.2]), np.array([0.9, 0.43, 1.1, 0.6])
POINTS = np.linspace(0.0, 10.0, 101)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("target", "function"),
    [*(("numpy", function) for function in PROGRAMS), *(("numba", function) for function in ON_NUMBA)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_the_gradient_is_right_and_the_arguments_stay(target: Any, function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEGRAD_CHECK", "1")
    made = stagegrad.compile(function, target=target, cache=False)
    a, b = A.copy(), B.copy()
    fresh = lambda *arguments: function(*copy.deepcopy(arguments))  # noqa: E731  (the function may write to what it is given)
    first = made.value_and_grad(a, b, 3)
    again = made.value_and_grad(a, b, 3)
    np.testing.assert_array_equal([a, b], [A, B])
    np.testing.assert_allclose(first[0], fresh(A, B, 3), rtol=1e-12)
    np.testing.assert_allclose(flat(first[1]), differences(fresh, (A, B, 3)), rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(flat(first[1]), flat(again[1]))
    only = stagegrad.compile(function, target=target, wrt="b", cache=False).grad(A, B, 3)
    np.testing.assert_allclose(only, first[1][1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["two_arrays", "changed_between_calls", "other_names", "recursive"])
def test_the_gradient_of_the_gradient_is_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a factor of both arrays, so that it is one number."""
    monkeypatch.setenv("STAGEGRAD_CHECK", "1")
    text = f"def scaled(t: float, a, b, n: int):\n    return {name}(a * t, b * t, n)\n"
    scope: dict[str, Any] = dict(globals())
    exec(text, scope)
    once = stagegrad.compile(scope["scaled"], wrt="t", source=text, target="numpy", cache=False)
    found = stagegrad.grad(stagegrad.grad(once))(1.01, A, B, 3)
    h = 1e-3
    near, far = ((once.grad(1.01 + k * h, A, B, 3) - once.grad(1.01 - k * h, A, B, 3)) / (2.0 * k * h) for k in (1, 2))
    assert found == pytest.approx((4.0 * near - far) / 3.0, rel=1e-8)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_call_in_a_loop_adds_to_the_gradient_that_is_there(target: Any) -> None:
    """An array of the length of the table for each step would cost more than the step itself."""
    f = stagegrad.compile(driven, target=target, wrt=("ys", "x"), cache=False)
    few = np.concatenate([POINTS[:1], POINTS[50:52], POINTS[-1:]])
    costs = [f.cost(xs, np.sin(xs), 1.0, 0.01, 200) for xs in (POINTS, np.linspace(0.0, 10.0, 100_001))]
    counts = [sum(cost.operations.values()) for cost in costs]
    assert counts[1] < 2 * counts[0]
    assert "dys, dx2 = interpolated_backward(xs, ys, x, dinterpolat1, dys)" in f.source(target)
    _, (by_ys, by_x) = f.value_and_grad(few, np.sin(few), 1.0, 0.1, 5)
    expected = differences(lambda ys, x: driven(few, ys, x, 0.1, 5), (np.sin(few), 1.0))
    np.testing.assert_allclose(flat((by_ys, by_x)), expected, rtol=1e-7, atol=1e-9)
