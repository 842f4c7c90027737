"""Loops that only sum are undone in the trip that they undo, also where the sum is divided by a size in the end."""

from __future__ import annotations

import math

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences


def by_rows(x, w, y):
    total = 0.0
    for i in range(len(y)):
        row = x[i]
        total += np.log1p(np.exp(-y[i] * np.dot(row, w))) + row[i % len(row)] * w[0]
    return total / len(y)


def by_all_elements(x, w, y):
    total = 0.0
    for i in range(len(y)):
        for j in range(len(w)):
            total += (x[i, j] * w[j] - y[i]) ** 2
    n, m = x.shape
    return total / (n * m + 1) + math.sin(w[0])


def by_its_own_size(x, w, y):
    """The size is that of what the loop has counted: it is not known before."""
    total, kept = 0.0, 0
    for i in range(len(y)):
        if y[i] > 0.0:
            total += y[i] * w[0] * x[i, 0]
            kept += 1
    return total / kept


RNG = np.random.default_rng(3)
ARGUMENTS = RNG.normal(size=(5, 3)), RNG.normal(size=3), RNG.normal(size=5)


@pytest.mark.parametrize(("function", "at_once"), [(by_rows, True), (by_all_elements, True), (by_its_own_size, False)])
def test_what_is_divided_by_a_size_in_the_end(function, at_once):
    staged = stagegrad.compile(function, target="numpy")
    value, gradient = staged.value_and_grad(*ARGUMENTS)
    assert value == pytest.approx(function(*ARGUMENTS), rel=1e-14)
    found = np.concatenate([np.ravel(one) for one in gradient])
    np.testing.assert_allclose(found, differences(function, ARGUMENTS), rtol=1e-7, atol=1e-9)
    assert (staged.source("numpy").count("for i in range(") == 1) is at_once


def test_nothing_to_sum_is_an_error_as_in_python():
    """The division comes before the loop; what it raises is what the function raises."""
    empty = np.zeros((0, 3)), np.ones(3), np.zeros(0)
    with pytest.raises(ZeroDivisionError):
        by_rows(*empty)
    with pytest.raises(ZeroDivisionError):
        stagegrad.compile(by_rows, target="numpy").value_and_grad(*empty)


def test_an_error_of_the_loop_comes_before_that_of_the_division():
    def f(x, w):
        total = 0.0
        for i in range(2):
            total += math.sqrt(w) * i
        return total / len(x)

    for g in (f, stagegrad.compile(f, target="numpy", wrt="w").value_and_grad):
        with pytest.raises(ValueError):
            g(np.zeros(0), -1.0)
