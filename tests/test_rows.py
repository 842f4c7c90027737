"""Rows of a few elements in loops: dot products and sums into rows are loops of their own, which share what they compute."""

from __future__ import annotations

import re

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

pytest.importorskip("numba")
pytestmark = pytest.mark.uncompiled


def forces(x, w):
    n = len(x)
    a = np.zeros_like(x)
    for i in range(n):
        for j in range(n):
            d = x[i] - x[j]
            f = w[i] * d / (np.dot(d, d) + 0.3) ** 1.5
            a[i] += f
            a[j] -= w[j] * f
    return np.sum(a**2)


def onto_itself(x, w):
    """What is added is read from the rows, or columns, that are written to."""
    a = np.sin(x)
    for i in range(1, len(x)):
        a[i] = a[i] + w[i] * a[i - 1]
        a[i - 1] += a[i] * a[i - 1]
        a[:, 0] = a[:, 0] - a[:, 1] * w
        a[i, 1:] += a[i, :-1] * 0.3
        a[i, 1:] = a[i, 1:] + a[i, :-1]
    return np.sum(a * a)


def two_sums_of_one(x, w):
    """The sum is somebody else's, too."""
    a = np.cos(x)
    s = 0.0
    for i in range(len(x)):
        t = a[i] - w[i] * x[0]
        a[i] = t
        u = x[i] + a[0]
        a[0] = u
        a[0] += t
        s += u @ t + a[0] @ a[i]
    return s


def of_parts(x, w):
    s = 0.0
    for i in range(len(x)):
        s += x[i, 1:] @ x[i, :-1] * w[i] + np.dot(x[i], x[i]) ** 2 + x[:, 0].dot(w)
    return s


def one_number(x, w):
    """A scalar is added to each element of a row."""
    a = np.zeros(x.shape)
    for i in range(len(x)):
        a[i] += w[i]
        a[i] = a[i] - w[0]
        a[:, 1] += 0.5
        a[i] += a[i, 0] * x[i]
    return np.sum(a**3)


FUNCTIONS = [forces, onto_itself, two_sums_of_one, of_parts, one_number]
RNG = np.random.default_rng(4)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("shape", [(4, 3), (3, 2), (1, 2)])
def test_value_and_gradient(function, shape):
    x, w = RNG.normal(size=shape), RNG.normal(size=shape[0])
    value, gradient = stagegrad.compile(function, target="numba").value_and_grad(x, w)
    assert value == pytest.approx(function(x.copy(), w), rel=1e-13)
    wanted = differences(function, (x, w))
    found = np.concatenate([np.ravel(one) for one in gradient])
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8 * max(1.0, np.max(np.abs(wanted))))


def test_no_calls_for_three_elements():
    text = stagegrad.compile(forces, types={"x": "float64[:, :]", "w": "float64[:]"}).source("numba")
    assert "dot(" not in text and "add_row" not in text, text
    last = re.split(r"for i\d in range\(", text)[-1]
    assert len(re.findall(r"dx\[[ij], i\d\] \+= ", last)) == 2, text


def test_vectors_of_other_lengths_are_refused_as_numpy_does():
    def f(x, y):
        s = 0.0
        for i in range(len(x)):
            s += x[i] @ y
        return s

    staged = stagegrad.compile(f, target="numba")
    assert staged.value_and_grad(np.ones((2, 3)), np.ones(3))[0] == 6.0
    for length in (1, 2, 4):
        with pytest.raises(ValueError):
            staged.value_and_grad(np.ones((2, 3)), np.ones(length))
    assert staged.value_and_grad(np.ones((0, 3)), np.ones(3))[0] == 0.0
