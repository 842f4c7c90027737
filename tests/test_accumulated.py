"""What a loop carries and makes anew element by element is written where it was, unless somebody else reads what was there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import stagegrad

pytest.importorskip("numba")

RNG = np.random.default_rng(2)


def hinge(w, x, y):
    loss = 0.0
    for i in range(x.shape[0]):
        s = x[i] @ w
        loss += np.sum(np.maximum(0.0, s - s[y[i]] + 1.0))
    return loss


def scaled(u, v, count: int):
    for _ in range(count):
        u = u * v
    return np.sum(u * v)


def summed_before(u, v, count: int):
    s = 0.0
    for _ in range(count):
        s += np.sum(u * u)
        u = u * v + 1.0
    return s + np.sum(u)


def handed_on(u, v, count: int):
    before = v
    for _ in range(count):
        u, before = u * v, u
    return np.sum(u * before)


def shifted(u, v, count: int):
    for _ in range(count):
        u = u + np.sin(v) * u[::-1]
    return np.sum(u * v)


def costly_rows(u, v, count: int):
    total = np.zeros(u.shape)
    for _ in range(count):
        e = np.exp(u * v)
        total = total + e / (1.0 + np.sum(e, axis=1)[:, None])
        u = u * 0.5
    return np.sum(total * v)


def pair(bits: Any = float, shape: tuple[int, int] = (4, 3)) -> tuple[Any, Any]:
    return RNG.uniform(0.3, 0.9, size=shape).astype(bits), RNG.uniform(0.3, 0.9, size=shape).astype(bits)


@pytest.mark.parametrize("function", [scaled, summed_before, handed_on, shifted, costly_rows])
def test_values_and_gradients_and_the_caller_s_arrays(function: Any) -> None:
    compiled, plain = stagegrad.compile(function, target="numba"), stagegrad.compile(function, target="numpy")
    for count, shape in ((0, (4, 3)), (1, (2, 2)), (3, (4, 3)), (2, (1, 3)), (2, (0, 3))):
        u, v = pair(shape=shape)
        kept = u.copy(), v.copy()
        found, wanted = compiled.value_and_grad(u, v, count), plain.value_and_grad(u, v, count)
        assert compiled(u, v, count) == pytest.approx(function(*kept, count), rel=1e-12)
        assert found[0] == pytest.approx(wanted[0], rel=1e-12)
        for one, other in zip(found[1], wanted[1], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(u, kept[0])
        np.testing.assert_array_equal(v, kept[1])


def test_the_gradient_of_a_matrix_is_added_to_in_place() -> None:
    compiled = stagegrad.compile(hinge, target="numba", wrt="w")
    w, x, y = RNG.normal(size=(6, 5)), RNG.normal(size=(7, 6)), RNG.integers(0, 5, size=7)
    value, gradient = compiled.value_and_grad(w, x, y)
    wanted = stagegrad.compile(hinge, target="numpy", wrt="w").value_and_grad(w, x, y)
    assert value == pytest.approx(wanted[0], rel=1e-13)
    np.testing.assert_allclose(gradient, wanted[1], rtol=1e-12)
    assert "dw[" in compiled.source("numba") and "dw2" not in compiled.source("numba")
