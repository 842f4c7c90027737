"""Axes in another order or of other sizes on Numba: views as NumPy makes them, in words that a user may have for something else."""

from __future__ import annotations

import re

import numpy as np
import pytest

import stagegrad

numba = pytest.importorskip("numba")

from stagegrad.kernels.axes import laid_out, of_kind, permuted  # noqa: E402  # they need Numba
from stagegrad.ops import HELPERS  # noqa: E402


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


@numba.njit
def relaid(x, like):
    flat = laid_out(x, (x.size,))
    return flat, laid_out(flat, (x.shape[0], x.size // 2 // x.shape[0], 2) if x.size else (0, 3, 2)), of_kind(flat, like)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_other_sizes_are_views_of_the_same_memory(kind):
    for x in (np.arange(24.0).reshape(4, 6), np.zeros((0, 6))):
        for found, expected in zip(relaid(x, np.ones(1, kind)), relaid.py_func(x, np.ones(1, kind)), strict=True):
            assert found.dtype == expected.dtype and found.shape == expected.shape and np.array_equal(found, expected)
            assert np.shares_memory(found, x) == np.shares_memory(expected, x)


def test_what_broadcasting_repeated_is_summed_up():
    """Both texts of the helper, on arrays that lie in any order, empty ones and those of one element; the sum is made in float64."""
    texts = {"numpy": HELPERS["unbroadcast"].text, "numba": HELPERS["unbroadcast"].numba}
    scopes = {target: {"np": np, "laid_out": laid_out, "of_kind": of_kind} for target in texts}
    for target, text in texts.items():
        exec(text, scopes[target])
    plain, compiled = scopes["numpy"]["unbroadcast"], numba.njit(scopes["numba"]["unbroadcast"])
    random = np.random.default_rng(1)
    pairs = [((4, 5), (5,)), ((4, 5), (4, 1)), ((4, 5), (4, 5)), ((4, 5), (1, 1)), ((0, 5), (5,)), ((1, 1), (1, 1)), ((4, 0), (4, 1))]
    for of, to in pairs:
        whole, x = random.normal(size=of), np.zeros(to)
        widths = [(np.float32(whole), np.float32(x))] if to == (4, 1) else []  # each list of types is compiled anew
        for g, like in [(whole, x), (np.repeat(whole, 2, 1)[:, ::2], x), *widths]:
            found, expected = compiled(g, like), plain(g, like)
            assert found.dtype == expected.dtype and found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-5 if widths else 1e-14, atol=1e-6)
