"""Short functions of arrays that loops call: compiled code has them in the loop, NumPy's text calls them; the numbers are the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences


def rate(u, c):
    du = np.zeros_like(u)
    du[1:-1] = c * (u[2:] - 2.0 * u[1:-1] + u[:-2])
    return du


def euler(u, c, steps: int):
    for _ in range(steps):
        u = u + 0.1 * rate(u, c)
    return np.sum(u * u)


def runge_kutta(u, c, steps: int):
    for _ in range(steps):
        k1 = rate(u, c)
        k2 = rate(u + 0.05 * k1, c)
        k3 = rate(u + 0.05 * k2, c)
        k4 = rate(u + 0.1 * k3, c)
        u = u + 0.1 / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return np.sum(u * u)


def relax(v, c):
    for i in range(1, len(v)):
        v[i] = c * v[i] + (1.0 - c) * v[i - 1]


def in_place(u, c, steps: int):
    v = u.copy()
    for _ in range(steps):
        relax(v, c)
        v[0] += np.sum(v) * c
    return np.sum(v * u)


def first_or_both(u, v, both):
    if both > 0:
        return u * v, v
    return u, u * both


def branches(u, c, steps: int):
    v = np.cos(u)
    for k in range(steps):
        u, v = first_or_both(u, v, 1 - k)
    return np.sum(u) * c + np.sum(v)


def total(u):
    s = 0.0
    while s < 1.0:
        s += np.sum(u * u) + 0.1
    return u / s


def with_while(u, c, steps: int):
    du = u * c
    for _ in range(steps):
        du = total(du) + u
    return np.sum(du)


FUNCTIONS = [euler, runge_kutta, in_place, branches, with_while]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_gradients(function: Any, steps: int) -> None:
    u = np.random.default_rng(steps).uniform(0.2, 0.9, size=6)
    value, gradient = stagegrad.compile(function, target="numpy").value_and_grad(u.copy(), 0.3, steps)
    assert value == pytest.approx(function(u.copy(), 0.3, steps), rel=1e-13)
    found = np.concatenate([np.ravel(one) for one in gradient])
    np.testing.assert_allclose(found, differences(function, (u, 0.3, steps)), rtol=1e-7, atol=1e-8)


def test_no_function_of_arrays_is_called_in_a_compiled_loop() -> None:
    types = {"u": "float64[:]", "c": "float64", "steps": "int"}
    for function in (euler, runge_kutta, in_place):
        text = stagegrad.compile(function, types=types).source("numba")
        assert len(re.findall(r"def \w+_value_and_grad|def (rate|relax|total)", text)) == 1, text


def test_a_reader_sees_the_functions_that_were_called() -> None:
    """What a called function returns has the shape of its argument here: nothing is summed over an axis that was perhaps repeated."""
    types = {"u": "float64[:]", "c": "float64", "steps": "int"}
    text = stagegrad.compile(runge_kutta, types=types, target="numpy").source("numpy")
    assert "k3 = rate(upck2, c)" in text and "rate_backward(" in text and "unbroadcast(" not in text, text


def test_a_parameter_that_is_bound_anew() -> None:
    def damped(z, k: float):
        z = z * 0.5 + 1.0
        z = np.sin(z) * k + z
        w = z * z - np.cos(z)
        return z - 0.1 * w + k

    def f(u, steps: int):
        e = damped(u, 2.0)
        for _ in range(steps):
            e = damped(e, 3.0) * 0.5
        return np.mean(e)

    u = np.array([0.3, 0.8, -0.2])
    compiled = stagegrad.compile(f)
    assert compiled(u, 2) == pytest.approx(f(u, 2), rel=1e-14)
    np.testing.assert_allclose(compiled.grad(u, 2), differences(f, (u, 2)), rtol=1e-7, atol=1e-9)
