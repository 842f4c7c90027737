"""Programs as their users write them, by field, each of which stagegrad once got wrong or refused.

Value and gradient are those of the untouched function: its gradient by differences of the eighth order.
"""
# ruff: noqa: F821, F841

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat, leaves

#: Programs that Numba takes long to compile, and that would teach nothing beyond what shorter ones of their kind do.
SLOW_TO_COMPILE = {"barrier_option", "determinant_by_shrinking"}
PROGRAMS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
X = np.array([0.7, -0.4, 1.3, 0.2, 0.9])
_rng = np.random.default_rng(11)


def called_with(*arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds a program with its arguments."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS.append((function, arguments))
        return function

    return add


# ---------------------------------------------------------------------------------------------- arrays that change their size in a loop


@called_with(100.0, 105.0, 0.2, 0.03, 1.0, 80.0, 6)
def barrier_option(s0, strike, sigma, r, years, barrier, n: int):
    dt = years / n
    u = np.exp(sigma * np.sqrt(dt))
    d = 1 / u
    p = (np.exp(r * dt) - d) / (u - d)
    s = np.array([s0 * u**j * d ** (n - j) for j in range(n + 1)])
    v = np.where(s > barrier, np.maximum(s - strike, 0.0), 0.0)
    for i in range(n - 1, -1, -1):
        s = s[1:] * d if i % 2 else s[:-1] * u
        v = np.exp(-r * dt) * (p * v[1:] + (1 - p) * v[:-1])
        v[s <= barrier] = 0.0
    return v[0]


@called_with(X, 0.1)
def down_to_one(x, r):
    v = np.maximum(x, 0.0)
    while len(v) > 1:
        v = np.exp(-r) * (0.6 * v[1:] + 0.4 * v[:-1])
        v = np.maximum(v, 0.3)
    return v[0]


@called_with(np.outer(X, X) + np.eye(5))
def determinant_by_shrinking(a):
    d = 1.0
    while a.shape[0] > 1:
        d *= a[0, 0]
        a = a[1:, 1:] - np.outer(a[1:, 0], a[0, 1:]) / a[0, 0]
    return d * a[0, 0]


@called_with(X, 3)
def history_by_append(x, n: int):
    s = x * 2.0
    for _ in range(n):
        s = np.append(s, np.sin(s[-1] * s[0]))
    return np.sum(s * s)


@called_with(X, 2)
def a_triangle_for_each_trip(x, n: int):
    total = 0.0
    for k in range(n):
        s = x * (k + 1)
        while len(s) > 1:
            s = 0.5 * (s[1:] + s[:-1]) * s[0]
        total += s[0]
    return total


def _coarser(v):
    out = np.zeros(len(v) // 2)
    for k in range(len(out)):
        out[k] = v[2 * k] * v[2 * k + 1]
    return out


@called_with(np.concatenate([X, X[:3]]))
def halved_by_a_helper(x):
    s = 1.0
    while len(x) > 1:
        x = _coarser(x) + s
        s += np.sum(x)
    return x[0] * s


@called_with(X, np.array([1.0, 2.0, 3.0]), 0, 0.3)
def arrays_that_never_meet(x, y, together: int, s):
    z = np.sum(x * y) if together else 0.0
    for _ in range(3):
        s += np.sum(np.tanh(y * s) ** 2)
        s += np.sum(np.tanh(x * s) ** 2)
    return s + z


# ---------------------------------------------------------------------------------------------- the value of the trip before


@called_with(X)
def differences_from_the_last(x):
    total = 0.0
    for k, v in enumerate(x):
        if k:
            step = v - last
            if k > 1:
                total += step * before
            before = step
        last = v
    return total * last


@called_with(X, X + 1.0, 3)
def the_array_of_the_trip_before(x, y, n: int):
    total = 0.0
    for i in range(n):
        if i > 0:
            total += np.sum(np.exp(last) * y)
        last = np.tanh(x * i) * y
    return total


RUNS = [(*program, "numpy") for program in PROGRAMS] + [(*p, "numba") for p in PROGRAMS if p[0].__name__ not in SLOW_TO_COMPILE]


@pytest.mark.parametrize(("function", "arguments", "target"), RUNS, ids=[f"{run[0].__name__}-{run[2]}" for run in RUNS])
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    """The value, by both calls, and the gradient."""
    wrt = tuple(k for k, argument in enumerate(arguments) if leaves(argument))
    made = stagegrad.compile(function, wrt=wrt, target=target, cache=target == "numba")
    right = function(*copy.deepcopy(arguments))
    value, gradients = made.value_and_grad(*arguments)
    np.testing.assert_allclose([value, made(*copy.deepcopy(arguments))], [right, right], rtol=1e-12)
    fresh = lambda *numbers: function(*copy.deepcopy(numbers))  # noqa: E731  (the function may write to what it is given)
    np.testing.assert_allclose(flat(gradients), differences(fresh, arguments), rtol=1e-7, atol=1e-8)
