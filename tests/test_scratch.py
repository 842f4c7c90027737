"""Vectors that a trip fills and forgets are made before the loops; those that anything else sees are the trip's own."""

from __future__ import annotations

import re

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

pytest.importorskip("numba")
pytestmark = pytest.mark.uncompiled


def pairs(x, w):
    n = x.shape[0]
    a = np.zeros_like(x)
    for i in range(n):
        for j in range(len(w)):
            if i != j:
                r = x[j] - x[i]
                a[i] += w[j] * r / (np.sum(np.tanh(r)) ** 2 + 1.5)
    return np.sum(a * a)


def the_one_before(x, w):
    """A trip's vector is read by the next one, and the last by what lies behind the loop."""
    before = x[0] * w[0]
    s = 0.0
    for i in range(len(w)):
        r = np.exp(np.sin(x[i])) * w[i]
        s += np.dot(before, np.cumsum(r))
        before = r
    return s + before[0] * r[1]


def the_best(x, w):
    best, top = x[0] * 1.0, -1.0
    for i in range(len(w)):
        r = np.sort(np.cos(x[i] * w[i]))
        s = np.dot(r, r)
        if s > top:
            best, top = r, s
    return np.sum(best**3) + top


def under_another_name(x, w):
    s = 0.0
    for i in range(len(w)):
        r = np.sort(x[i] * w[i])
        q = r
        r[0] = 2.0 * q[1]
        t = q[::-1]
        r = np.cumsum(t) * r
        s += np.dot(r, q) + t[0]
    return s


def until_it_is_large(x, w):
    k, s = 0, 0.0
    while k < len(w):
        r = np.sort(x[k] * w[k])
        for j in range(len(r)):
            if j > k:
                break
            r[j] += r[j - 1] * s * 0.1
        s += np.dot(r, r)
        if s > 4.0:
            break
        k += 1
    return s


def of_growing_length(x, w):
    s = 0.0
    for i in range(1, len(w)):
        r = np.cumsum(w[:i] * w[i])
        s += np.dot(r, r) * x[i, 0]
    return s


RNG = np.random.default_rng(11)
FUNCTIONS = [pairs, the_one_before, the_best, under_another_name, until_it_is_large, of_growing_length]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("shape", [(5, 3), (2, 2), (1, 4)])
def test_value_and_gradient(function, shape):
    x, w = RNG.normal(size=shape), RNG.normal(size=shape[0])
    value, gradient = stagegrad.compile(function, target="numba").value_and_grad(x, w)
    assert value == pytest.approx(function(x, w), rel=1e-13)
    wanted = differences(function, (x, w))
    np.testing.assert_allclose(np.concatenate([np.ravel(one) for one in gradient]), wanted, rtol=1e-7, atol=1e-8)


def test_no_vector_is_made_in_a_loop_over_pairs():
    text = stagegrad.compile(pairs, types={"x": "float64[:, :]", "w": "float64[:]"}).source("numba")
    assert "room(" in text and not re.search(r"^ {12,}\w+ = room\(", text, re.MULTILINE), text


def test_each_trip_has_its_own_where_another_reads_it():
    text = stagegrad.compile(the_one_before, types={"x": "float64[:, :]", "w": "float64[:]"}).source("numba", answer="value")
    assert "room(" not in text or re.search(r"^ {8,}\w+ = room\(", text, re.MULTILINE), text


def test_no_trips_and_no_elements():
    f = stagegrad.compile(pairs, target="numba")
    for shape in ((0, 3), (1, 3), (3, 0), (0, 0)):
        value, (dx, dw) = f.value_and_grad(np.ones(shape), np.ones(shape[0]))
        assert (value, dx.shape, dw.shape) == (0.0, shape, shape[:1])
        assert not dx.any() and not dw.any()
