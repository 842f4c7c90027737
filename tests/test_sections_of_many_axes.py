"""Sections of three axes and more that are written to, and added to, in compiled code."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat


def patches(x, k):
    """The patches of a batch of images, as convolutions by products have them."""
    n, c, h, w = x.shape
    oh, ow = h - k + 1, w - k + 1
    cols = np.zeros((n, c, k * k, oh, ow))
    for i in range(k):
        for j in range(k):
            cols[:, :, i * k + j] = x[:, :, i : i + oh, j : j + ow]
    return np.sum(cols**2 * cols)


def stacked(x, k):
    stack = np.zeros((k, 2, 3, 4))
    for i in range(k):
        stack[i] = x * (i + 1.0)
        stack[i, 0] += x[1]
        stack[:, :, :, 1] *= 0.5
    stack[1:] = stack[0] * stack[1:]
    return np.sum(stack**2)


def wholes_of_views(x, k):
    """``[...]`` of a view, which Numba does not read."""
    u, whole = x.copy(), x[...]
    for i in range(k):
        inner = u[i][1:-1]
        inner[...] = inner**2 * whole[i, 0]
        inner[:] += x[0, i]
    turned = u.T
    turned[...] = np.sin(turned) @ u
    turned[...] *= x[1, 0]
    return np.sum(u**2)


DRAW = np.random.default_rng(4).normal
PROGRAMS = [(patches, (DRAW(size=(2, 1, 4, 5)), 2)), (stacked, (DRAW(size=(2, 3, 4)), 3)), (stacked, (DRAW(size=(2, 3, 4)), 1))]
PROGRAMS += [(wholes_of_views, (DRAW(size=(4, 4)), 3))]


@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize(("function", "args"), PROGRAMS, ids=lambda part: getattr(part, "__name__", None))
def test_values_and_gradients_are_right(function, args, target):
    compiled = stagegrad.compile(target=target, wrt="x")(function)
    value, slope = compiled.value_and_grad(*args)
    assert value == pytest.approx(function(*args), rel=1e-13)
    assert flat(slope) == pytest.approx(differences(function, args), rel=1e-7, abs=1e-8)


def test_what_does_not_fit_is_an_error():
    def misfit(x, y):
        z = np.zeros((2, 3, 4))
        z[:, :, :] = x
        z[:2] = y * 2.0
        return np.sum(z)

    compiled = stagegrad.compile(misfit)
    with pytest.raises(ValueError, match="broadcast"):
        compiled.value_and_grad(np.ones((2, 3, 4)), np.ones((3, 3, 4)))
    assert compiled.value_and_grad(np.ones((2, 3, 4)), np.ones((1, 3, 4)))[1][1].tolist() == np.full((1, 3, 4), 4.0).tolist()
