"""Arguments of random array programs: shape, dtype, numbers and layout in memory, written down so that every call gets fresh arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: How an array may lie in memory. The last two cannot be written to.
LAYOUTS = ("C", "F", "strided", "reversed", "swapped", "offset", "readonly", "spread")


@dataclass(frozen=True)
class Input:
    """An array argument: its numbers in C order, its shape, its dtype, and its layout, one of `LAYOUTS`."""

    numbers: tuple[float, ...]
    shape: tuple[int, ...]
    dtype: str = "float64"
    layout: str = "C"

    def make(self) -> np.ndarray:
        """A fresh array with these numbers and this layout."""
        plain = np.array(self.numbers, dtype=self.dtype).reshape(self.shape)
        match self.layout:
            case "F":
                return np.asfortranarray(plain)
            case "strided":
                return _inside(plain, tuple(slice(1, None, 2) for _ in self.shape), [2 * size + 1 for size in self.shape])
            case "reversed":
                return _inside(plain, tuple(slice(None, None, -1) for _ in self.shape), self.shape)
            case "swapped":
                return _inside(plain.T, (slice(None),) * plain.ndim, plain.T.shape).T
            case "offset":
                return _inside(plain, tuple(slice(1, 1 + size) for size in self.shape), [size + 3 for size in self.shape])
            case "readonly":
                plain.flags.writeable = False
                return plain
            case "spread":
                return np.broadcast_to(plain[:1], self.shape) if plain.ndim and plain.shape[0] > 1 else plain
            case _:
                return plain


@dataclass(frozen=True)
class Same:
    """The very array that stands at an earlier position."""

    position: int


def _inside(numbers: np.ndarray, where: tuple[slice, ...], shape: Sequence[int]) -> np.ndarray:
    """A view with these numbers inside a larger array of other numbers."""
    base = np.full(shape, 7, dtype=numbers.dtype)
    view = base[where]
    view[...] = numbers
    return view


def fresh(point: Sequence[Any], dtype: str | None = None) -> list[Any]:
    """New arguments for a call; `dtype` takes the place of float32."""
    made: list[Any] = []
    for item in point:
        match item:
            case Same(position):
                made.append(made[position])
            case Input() if dtype and item.dtype == "float32":
                made.append(Input(item.numbers, item.shape, dtype, item.layout).make())
            case Input():
                made.append(item.make())
            case _:
                made.append(item)
    return made
