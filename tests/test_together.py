"""Compiled code sums up beside a later loop what an earlier one would, where both read the same elements and neither needs the other."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad

pytest.importorskip("numba")

VECTOR = {"x": "float64[:]"}


def rosenbrock(x):
    ahead, here = x[1:], x[:-1]
    return np.sum(100.0 * (ahead - here**2) ** 2 + (1.0 - here) ** 2)


def curvature(x):
    return np.sum((x[2:] - 2.0 * x[1:-1] + x[:-2]) ** 2 * x[1:-1])


def scaled_by_its_sum(x):
    """The gradient needs the sum before it can begin."""
    return np.sum((x[1:] - x[:-1]) ** 2) ** 2


def of_an_array_that_changes(x):
    """What the sum reads is written to afterwards."""
    y = x.copy()
    total = np.sum((y[1:] - y[:-1]) ** 2)
    for i in range(len(y)):
        y[i] = y[i] * y[i]
    return total + np.sum(y * x)


def text_of(function):
    return stagegrad.compile(function, types=VECTOR).source("numba")


@pytest.mark.parametrize("function", [rosenbrock, curvature, scaled_by_its_sum, of_an_array_that_changes], ids=lambda f: f.__name__)
def test_values_and_gradients_are_those_of_the_numpy_text(function):
    plain, compiled = (stagegrad.compile(function, target=target) for target in ("numpy", "numba"))
    for n in (0, 1, 2, 3, 4, 5, 6, 7, 9, 33, 1000):
        if n < 2 and function is curvature:
            continue  # sections of unequal sizes
        x = np.random.default_rng(n).normal(size=n)
        expected, slopes = plain.value_and_grad(x)
        value, found = compiled.value_and_grad(x)
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-300)
        np.testing.assert_allclose(found, slopes, rtol=1e-10, atol=1e-12)


def test_the_value_of_a_stencil_is_summed_up_while_its_gradient_is_gathered():
    text = text_of(rosenbrock)
    assert text.count("f = plus(f, ") == 2 and text.count("for i in range(") == 3
    assert text.index("# forward pass") < text.index("f = plus(f, ") < text.index("# backward pass") < text.rindex("dx[")
    assert text.index("        # forward pass") > 0  # inside the loop: there are no two parts any more


def test_a_sum_stays_before_what_needs_it():
    text = text_of(scaled_by_its_sum)
    assert "\n    # forward pass" in text and "\n    # backward pass" in text


def test_nan_stays():
    x = np.linspace(0.0, 1.0, 12)
    x[5] = np.nan
    value, slopes = stagegrad.compile(rosenbrock).value_and_grad(x)
    assert np.isnan(value) and list(np.flatnonzero(np.isnan(slopes))) == [4, 5, 6]
