"""Arguments of random array programs: shape, dtype, numbers and layout in memory, written down so that every call gets fresh arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Bundle:
    """Several arguments in one container, a tuple, a list or, if they have keys, a dict."""

    kind: type
    items: tuple[Any, ...]
    keys: tuple[str, ...] = ()


def items(point: Sequence[Any]) -> list[Any]:
    """The arguments of a point, those inside containers too, left to right."""
    return [part for item in point for part in (items(item.items) if isinstance(item, Bundle) else [item])]


def refilled(point: Sequence[Any], parts: Iterator[Any]) -> tuple[Any, ...]:
    """The point with other arguments in the same containers."""
    return tuple(replace(item, items=refilled(item.items, parts)) if isinstance(item, Bundle) else next(parts) for item in point)


def fresh(point: Sequence[Any]) -> list[Any]:
    """New arguments for a call."""
    made: list[Any] = []
    for item in items(point):
        made.append(made[item.position] if isinstance(item, Same) else item.make() if isinstance(item, Input) else item)
    return _packed(point, iter(made))


def _packed(point: Sequence[Any], parts: Iterator[Any]) -> list[Any]:
    packed: list[Any] = []
    for item in point:
        match item:
            case Bundle(keys=()):
                packed.append(item.kind(_packed(item.items, parts)))
            case Bundle():
                packed.append(dict(zip(item.keys, _packed(item.items, parts), strict=True)))
            case _:
                packed.append(next(parts))
    return packed


def flat(tree: Any) -> list[Any]:
    """The numbers and arrays in containers, left to right."""
    match tree:
        case dict():
            return flat(list(tree.values()))
        case list() | tuple():
            return [leaf for part in tree for leaf in flat(part)]
        case _:
            return [tree]


def skeleton(tree: Any) -> Any:
    """The containers alone."""
    match tree:
        case dict():
            return {key: skeleton(part) for key, part in tree.items()}
        case list() | tuple():
            return type(tree)(skeleton(part) for part in tree)
        case _:
            return None
