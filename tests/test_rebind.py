"""Writes to all of an array: made anew where nobody can tell, written in place where somebody can."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat


def drifting(x, v, h, steps):
    x, v = x.copy(), v.copy()
    for _ in range(steps):
        v += h * np.sin(x)
        x += h * v
    return np.sum(x**2 * v)


def normalised(x):
    p = np.exp(x)
    p /= p.sum(axis=1, keepdims=True)
    p[:] = p * p
    p[...] += 1.0
    return np.sum(np.sqrt(p) * x)


def seen_through_a_view(x):
    y = x * 2.0
    tail = y[1:]
    y *= y
    y[:] = np.cos(y)
    return np.sum(tail * x[1:])


def in_an_arm(x, c):
    y = x + 1.0
    if c > 0.0:
        y *= c
        y[:] = y * x
    else:
        y -= x
    return np.sum(y * y)


def another_arrays(x):
    y, z = x * x, np.zeros_like(x)
    z[:] = y
    y[0] = 5.0
    z[1] *= 3.0
    return np.sum(y * z)


def its_own_reverse(x):
    y = x * 1.0
    y[:] = y[::-1]
    y[:] = y
    return np.sum(y * np.arange(4.0))


def _helper(y, c):
    y *= c
    y += c


def in_a_helper(x, c):
    y = x.copy()
    for _ in range(3):
        _helper(y, c)
    return np.sum(y**3)


X = np.array([[0.3, -1.2, 0.7], [0.1, 0.9, -0.4]])
PROGRAMS = [
    (drifting, (X, X[::-1] * 0.5, 0.1, 4)),
    (drifting, (X, X, 0.1, 0)),
    (normalised, (X,)),
    (seen_through_a_view, (X[0],)),
    (in_an_arm, (X[0], 0.7)),
    (in_an_arm, (X[0], -0.7)),
    (another_arrays, (X[0],)),
    (its_own_reverse, (np.array([1.0, -2.0, 0.5, 3.0]),)),
    (in_a_helper, (X, 0.8)),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize(("function", "args"), PROGRAMS, ids=lambda part: getattr(part, "__name__", None))
def test_values_and_gradients_are_those_of_writing_in_place(function, args, target):
    compiled = stagegrad.compile(target=target)(function)
    value, gradient = compiled.value_and_grad(*args)
    assert value == pytest.approx(function(*args), rel=1e-14)
    assert flat(gradient) == pytest.approx(differences(function, args), rel=1e-8, abs=1e-10)
    assert compiled.value_and_grad(*args)[0] == value


def test_no_copy_is_made_of_what_is_made_anew():
    text = stagegrad.compile(drifting, types={"x": "float64[:, :]", "v": "float64[:, :]", "h": "float64", "steps": "int64"}).source("numpy")
    assert "[:]" not in text and "v += hsinx" in text and "_was" not in text
    text = stagegrad.compile(normalised, types={"x": "float64[:, :]"}).source("numpy")
    assert "copy" not in text and "[" not in text.replace("[...]", "")


def test_a_parameter_is_written_to_by_a_plain_call_and_left_by_a_gradient_call():
    def halved(p):
        p *= 0.5
        p[:] = p + 1.0
        return np.sum(p * p)

    compiled = stagegrad.compile(target="numpy")(halved)
    p = np.array([1.0, 2.0])
    value, slope = compiled.value_and_grad(p)
    assert p.tolist() == [1.0, 2.0] and slope.tolist() == [1.5, 2.0]
    assert compiled(p) == value == 6.25 and p.tolist() == [1.5, 2.0]


def test_what_does_not_fit_is_an_error_as_before():
    def grown(x, y):
        x = x * 1.0
        x += y
        return np.sum(x)

    compiled = stagegrad.compile(target="numpy")(grown)
    assert compiled.value_and_grad(np.ones((2, 3)), np.ones((1, 3)))[1][1].tolist() == [[2.0, 2.0, 2.0]]
    for x, y in ((np.ones((1, 3)), np.ones((2, 3))), (np.ones((2, 3)), np.ones((2, 4)))):
        with pytest.raises(ValueError, match="broadcast"):
            compiled.value_and_grad(x, y)


def test_narrow_arrays_stay_narrow():
    def added(x, y):
        x = x * np.float32(2.0)
        x += y
        return np.sum(x * x)

    x, y = np.array([0.1, 0.2], np.float32), np.array([0.3, 1e-9])
    value, (dx, dy) = stagegrad.compile(target="numpy")(added).value_and_grad(x, y)
    assert value == added(x, y) and dx.dtype == np.float32 and dy.dtype == np.float64
