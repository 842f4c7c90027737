"""Axes in another order on Numba: a view as `np.transpose` makes it, and a word that a user may have for something else."""

from __future__ import annotations

import re

import numpy as np
import pytest

import stagegrad

numba = pytest.importorskip("numba")

from stagegrad.kernels.axes import permuted  # noqa: E402  # it needs Numba


@numba.njit
def orders(x):
    return permuted(x, (1, 2, 0)), permuted(x, (0, 2, 1)), permuted(x[::-2, :, 1:], (2, 1, 0)), permuted(x[0], (1, 0)).copy()


@numba.njit
def kept(n):
    x = np.arange(float(n)).reshape((2, 3, n // 6))
    return permuted(x, (2, 0, 1))


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 1, 1), (2, 0, 4), (1, 3, 0)])
def test_it_is_the_view_that_numpy_makes(shape):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    for found, expected in zip(orders(x), orders.py_func(x), strict=True):
        assert found.shape == expected.shape and np.array_equal(found, expected)
        assert not x.size or found.strides == expected.strides
        assert np.shares_memory(found, x) == np.shares_memory(expected, x)


def test_the_memory_lives_as_long_as_the_view():
    found = kept(24)
    for _ in range(100):
        kept(24)
    assert np.array_equal(found, kept.py_func(24))


def test_a_user_may_have_that_word_for_something_else():
    def f(permuted):
        turned = np.transpose(permuted, (2, 0, 1))
        return np.sum(turned * turned) + np.sum(permuted[0] * turned[0, 0, 0])

    staged = stagegrad.compile(f, target="numba", types={"permuted": "float64[:, :, :]"})
    text = staged.source("numba")
    assert "from stagegrad.kernels.axes import permuted" in text
    (parameter,) = re.search(r"def f_value_and_grad\((\w+)", text).groups()
    assert parameter != "permuted" and f"permuted({parameter}, (2, 0, 1))" in text
