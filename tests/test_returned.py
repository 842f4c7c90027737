"""Elements that a loop adds to keep their gradient where it is."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat


def summed(x, m):
    n = len(m)
    a = np.zeros((n, 2))
    for i in range(n):
        for j in range(n):
            w = m[j] * x[i]
            a[i, 0] += w * x[j]
            a[i, 1] -= w
    return np.sum(a * a)


def summed_rows(x, m):
    a = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(len(x)):
            if i != j:
                a[i] += m[j] * (x[j] - x[i])
    return np.sum(a * x)


def grown_by_itself(x, m):
    a = x.copy()
    for i in range(len(m)):
        a[i] += m[i] * a[i]
        a[i] = a[i] + a[i] * a[-1]
    return np.sum(a * a)


def read_in_between(x, m):
    a = x.copy()
    for i in range(1, len(m)):
        a[i] += m[i]
        a[i - 1] += a[i] * m[i - 1]
    return np.sum(a**3)


def at_places(x, m):
    a = np.zeros(4)
    k = np.array([0, 2, 2, 3])
    a[k] += x[:4] * m[:4]
    for i in range(4):
        a[k[i]] += x[i]
    return np.sum(a * a)


V, M = np.array([0.3, -1.2, 0.7, 0.5]), np.array([1.0, 0.4, -0.6, 2.0])
PROGRAMS = [
    (summed, (V, M)),
    (summed, (V[:0], M[:0])),
    (summed_rows, (np.outer(V, [1.0, -0.5, 0.25]), M)),
    (grown_by_itself, (V, M)),
    (read_in_between, (V, M)),
    (at_places, (V, M)),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize(("function", "args"), PROGRAMS, ids=lambda part: getattr(part, "__name__", None))
def test_values_and_gradients_are_right(function, args, target):
    value, gradient = stagegrad.compile(target=target)(function).value_and_grad(*args)
    assert value == pytest.approx(function(*args), rel=1e-14)
    assert flat(gradient) == pytest.approx(differences(function, args), rel=1e-8, abs=1e-10)


def test_what_is_added_to_is_not_cleared():
    text = stagegrad.compile(summed, types={"x": "float64[:]", "m": "float64[:]"}).source("numpy")
    backward = text[text.index("# backward") :]
    assert "da[i, 0] +=" not in backward and "= da[i, 0]" in backward
    inner = backward[backward.index("for j in range(") : backward.index("# ai1 = a[i, 1]")]
    assert "= 0.0" not in inner and "da[" not in inner  # what another element is read beside is put back once for each row
    text = stagegrad.compile(read_in_between, types={"x": "float64[:]", "m": "float64[:]"}).source("numpy")
    assert " = da[i]\n" in text
