"""Operations that move the elements of small arrays and do not look at them: where each element of the result comes from.

`moved` asks how many elements the operands have, and counts through them: ``load(m, 1) {at='[:, {0}]'}`` of a 2 by 3 matrix is made of
the elements 1 and 4 of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from stagegrad.ir import Atom, Lit, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

Sizes = tuple[int, ...]
Index = tuple[int | slice | EllipsisType | None, ...]

_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?")


@dataclass(frozen=True)
class Moved:
    """The result's sizes, and for each of its elements its number among those of the operands at these positions, one after the other."""

    sizes: Sizes
    sources: tuple[int, ...]
    operands: tuple[int, ...]


def position(number: int, sizes: Sizes) -> tuple[int, ...]:
    """The index of an element that is the so-and-so-manieth of an array, row after row."""
    index = list[int]()
    for size in reversed(sizes):
        number, here = divmod(number, size)
        index.insert(0, here)
    return tuple(index)


def moved(stage: Stage, sizes: Callable[[Atom], Sizes | None]) -> Moved | None:
    """What a stage does if it only moves elements; None if it does more, or if the program alone knows where they go."""
    if stage.op in ("concatenate", "stack"):
        return _together(stage, sizes)
    held = sizes(stage.args[0]) if stage.op in ("load", "store", "transpose") else None
    if held is None:
        return None
    numbers = _numbered(held)
    match stage.op:
        case "load":
            index = _index(stage, stage.args[1:])
            return None if index is None else _taken(numbers, index)
        case "store":
            index = _index(stage, stage.args[1:-1])
            return None if index is None else _put(numbers, index, stage, sizes)
        case "transpose":
            axes = dict(stage.attrs).get("axes")
            return _found(numbers.transpose(axes if isinstance(axes, tuple) else None))  # type: ignore[arg-type]
    return None


def _together(stage: Stage, sizes: Callable[[Atom], Sizes | None]) -> Moved | None:
    """Arrays one after the other, or side by side."""
    import numpy as np

    parts: list[NDArray[Any]] = []
    for arg in stage.args:
        if (held := sizes(arg)) is None:
            return None
        parts.append(_numbered(held) + sum(part.size for part in parts))
    axis = dict(stage.attrs).get("axis", 0)
    try:
        found = _found(getattr(np, stage.op)(parts, axis=axis))
    except ValueError:  # the program raises it
        return None
    return replace(found, operands=tuple(range(len(parts))))


def _numbered(sizes: Sizes) -> NDArray[Any]:
    import numpy as np  # a pass that is imported need not wait for NumPy

    return np.arange(math.prod(sizes)).reshape(sizes)


def _found(numbers: NDArray[Any]) -> Moved:
    return Moved(tuple(numbers.shape), tuple(int(k) for k in numbers.flat), (0,))


def _taken(numbers: NDArray[Any], index: Index) -> Moved | None:
    try:
        taken = numbers[index]
    except IndexError:  # the program raises it
        return None
    return _found(_numbered(()) + taken) if taken.size else None


def _put(numbers: NDArray[Any], index: Index, stage: Stage, sizes: Callable[[Atom], Sizes | None]) -> Moved | None:
    value = stage.args[-1]
    brought = sizes(value) if value.type.rank else ()
    if brought is None or (value.type.kind != "float" and not isinstance(value, Lit)):
        return None
    numbers = numbers.copy()
    try:
        numbers[index] = _numbered(brought) + numbers.size
    except (IndexError, ValueError):  # the program raises it
        return None
    found = _found(numbers)
    return Moved(found.sizes, found.sources, (0, len(stage.args) - 1))


def _index(stage: Stage, args: tuple[Atom, ...]) -> Index | None:
    """The index of a `load` or a `store`, if it is written down; None where it is computed."""
    attrs = dict(stage.attrs)
    if attrs.get("gather") or any(not isinstance(arg, Lit) for arg in args):
        return None
    at = attrs.get("at")
    spelled = str(at)[1:-1] if isinstance(at, str) else ", ".join(f"{{{k}}}" for k in range(len(args)))
    parts = spelled.format(*(arg.value for arg in args if isinstance(arg, Lit))).split(",")
    index = [_part(part.strip()) for part in parts if part.strip()]
    return None if any(isinstance(part, str) for part in index) else tuple(index)  # type: ignore[arg-type]


def _part(text: str) -> int | slice | EllipsisType | str | None:
    """A part of an index; its text, where it is none of those."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if (match := _SLICE.fullmatch(text)) is not None:
        return slice(*(int(group) if group else None for group in match.groups()))
    return {"...": ..., "None": None}.get(text, text)
