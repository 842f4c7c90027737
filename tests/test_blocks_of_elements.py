"""What Numba's text moves block by block, against NumPy: every axis, arrays in every layout and without elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import stagegrad.rules  # noqa: F401  (fills the registry)
from stagegrad.ops import HELPERS

RNG = np.random.default_rng(11)
SHAPES = [(5,), (0,), (1,), (3, 4), (0, 3), (3, 0), (2, 1, 3), (2, 0, 3), (2, 3, 1, 2), (1, 2, 2, 3, 2)]


@pytest.fixture(scope="module")
def words() -> dict[str, Any]:
    """The helpers as Numba gets them, run by Python."""
    found: dict[str, Any] = {"np": np}
    for name, helper in HELPERS.items():
        if name.partition("_")[0] in ("roll", "repeat", "tile", "diff", "lanes"):
            exec(helper.for_target("numba"), found)
    return found


def layouts(shape: tuple[int, ...]) -> list[Any]:
    """Arrays of a shape: in rows, in columns, every second element, backwards, of ints."""
    x = RNG.random(shape)
    spaced = np.repeat(x, 2, axis=0)[::2]
    return [x, np.asfortranarray(x), spaced, x[..., ::-1], (x * 100).astype(np.int64)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_numpy(shape: tuple[int, ...], words: dict[str, Any]) -> None:
    rank = len(shape)
    for x in layouts(shape):
        for axis in range(rank):
            for n in (-7, -1, 0, 1, 3, 5):
                same(words["roll_along"](x, n, axis), np.roll(x, n, axis))
            for n in (0, 1, 3):
                same(words[f"repeat_{rank}"](x, n, axis), np.repeat(x, n, axis))
                same(words[f"tile_{rank}"](x, n, axis), np.tile(x, [n if k == axis else 1 for k in range(rank)]))
            same(words[f"diff_{rank}"](x, axis), np.diff(x, axis=axis))


def same(found: Any, right: Any) -> None:
    assert found.dtype == right.dtype
    np.testing.assert_array_equal(found, right)
