"""What an entry must give: the untouched function's own value, and its derivatives by central differences of the eighth order.

Nothing here knows stagegrad. A step of 0.004 leaves about 1e-13 of rounding and less of truncation in a first derivative of an
ordinary function, and about 1e-10 in a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tests.surface import Array

Function = Callable[..., Any]
_OFFSETS = (1, 2, 3, 4)
_WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


def differentiable(argument: Any) -> bool:
    """Is an argument a float or an array of floats?"""
    return np.asarray(argument).dtype.kind == "f"


def along(function: Function, args: Sequence[Any], directions: Sequence[Any], step: float) -> float:
    """The derivative of a function along directions, one for each argument (None where it stays)."""
    total = 0.0
    for offset, weight in zip(_OFFSETS, _WEIGHTS, strict=True):
        there, back = (
            [a if d is None else a + sign * offset * step * d for a, d in zip(args, directions, strict=True)] for sign in (1.0, -1.0)
        )
        total += weight * (float(function(*there)) - float(function(*back)))
    return total / step


def gradient(function: Function, args: Sequence[Any], step: float) -> list[Array | None]:
    """The gradient with respect to every float argument, an array of the argument's shape; None for the others."""
    found: list[Array | None] = []
    for position, argument in enumerate(args):
        if not differentiable(argument):
            found.append(None)
            continue
        slopes = np.zeros(np.shape(argument))
        for index in np.ndindex(slopes.shape):
            unit = np.zeros(slopes.shape)
            unit[index] = 1.0
            slopes[index] = along(function, args, [unit if k == position else None for k in range(len(args))], step)
        found.append(slopes)
    return found


def second(function: Function, args: Sequence[Any], directions: Sequence[Any], step: float) -> list[Array | None]:
    """The gradient of the derivative along directions: the second derivative applied to them."""
    return gradient(lambda *moved: along(function, moved, directions, step), args, step)


def in_double(args: Sequence[Any]) -> list[Any]:
    """The same numbers in 64 bits: what 32 bits are judged by."""
    return [a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args]


def distance(found: Any, wanted: Any) -> float:
    """The largest difference, relative to the largest number of what is wanted where that is above 1; inf where a nan is amiss."""
    a, b = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    if not a.size:
        return 0.0
    error = np.nan_to_num(np.abs(np.where(a == b, 0.0, a - b)), nan=0.0, posinf=np.inf)
    return float(error.max() / max(1.0, np.nan_to_num(np.abs(b), posinf=1.0).max()))
