"""Arrays from outside the function, read in loops: they are made once and keep their names."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat

W = np.array([0.1, 0.2, 0.3, -0.0])
K = np.array([0, 1, 0, -1])
A = np.array([[1.0, 0.5], [0.25, np.nan]])


def weighted(x):
    s = 0.0
    for i in range(len(x)):
        for k in range(4):
            s += W[k] * x[(i + K[k]) % len(x)] ** 2
    return s


def _step(u, k):
    return u * W[k] + A[0, k % 2]


def by_a_helper(x):
    u, k = x[0], 0
    while k < 4 and abs(u) < 1e3:
        u = _step(u, k) * x[k % len(x)]
        k += 1
    return u


def a_copy_is_written_to(x):
    s = 0.0
    for i in range(3):
        w = W.copy()
        w[i] *= x[i]
        w[0] += 1.0
        s += np.sum(w * w * x[0])
    return s


def under_a_name_of_its_own(x):
    s = 0.0
    for i in range(2):
        W = x * 2.0  # not the one outside
        s += np.sum(W * A[0, i])
    return s


PROGRAMS = [weighted, by_a_helper, a_copy_is_written_to, under_a_name_of_its_own]
X = np.array([0.4, -1.3, 0.8, 1.1])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_values_and_gradients_are_right(function, target):
    value, slope = stagegrad.compile(target=target)(function).value_and_grad(X)
    assert value == pytest.approx(function(X), rel=1e-14)
    assert flat(slope) == pytest.approx(differences(function, (X,)), rel=1e-8, abs=1e-10)


def test_a_constant_is_made_once_and_before_the_loops():
    text = stagegrad.compile(weighted, types={"x": "float64[:]"}).source("numpy")
    assert text.count("np.array(") == 2 and text.index("W = np.array(") < text.index("for ")
    assert "Wk = W[k]" in text and "W_tape" not in text
