"""Agreement: a measured function has to give the right numbers before it is timed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class WrongAnswer(Exception):
    """A workload computes something else than the formula beside it."""


def require_equal(found: Sequence[float], expected: Sequence[float], tolerance: float, what: str) -> None:
    """Raises WrongAnswer unless all numbers agree to a relative tolerance; nan agrees with nothing."""
    if len(found) != len(expected):
        raise WrongAnswer(f"{what}: {len(found)} numbers instead of {len(expected)}")
    for a, b in zip(found, expected, strict=True):
        if not math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-300):
            raise WrongAnswer(f"{what}: found {a!r}, expected {b!r}")


def require_slopes(function: Callable[..., float], args: Sequence[Any], gradient: Sequence[float], tolerance: float, what: str) -> None:
    """Raises WrongAnswer unless a gradient by all float arguments agrees with central differences of the plain function."""
    floats = [k for k, value in enumerate(args) if isinstance(value, float)]
    differences = [_difference(function, list(args), k) for k in floats]
    require_equal(gradient, differences, tolerance, what)


def _difference(function: Callable[..., float], args: list[Any], k: int) -> float:
    step = 1e-5 * max(1.0, abs(args[k]))
    ahead, behind = args.copy(), args.copy()
    ahead[k] += step
    behind[k] -= step
    slope: float = (function(*ahead) - function(*behind)) / (ahead[k] - behind[k])
    return slope


def require_close(found: Sequence[Any], expected: Sequence[Any], tolerance: float, what: str) -> None:
    """Raises WrongAnswer unless all arrays agree to a tolerance relative to their largest entry; nan agrees with nothing."""
    if [np.size(array) for array in found] != [np.size(array) for array in expected]:
        raise WrongAnswer(f"{what}: {[np.size(array) for array in found]} numbers instead of {[np.size(array) for array in expected]}")
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        off, largest = float(np.max(np.abs(a - b))), float(np.max(np.abs(b)))
        if not off <= tolerance * largest:
            raise WrongAnswer(f"{what}: number {k} is off by {off:.3g}, its largest entry is {largest:.3g}")


def require_direction(
    function: Callable[..., Any],
    value_and_grad: Callable[..., Any],
    args: tuple[Any, ...],
    tolerance: float,
    what: str,
    wrt: Sequence[int] | None = None,
) -> None:
    """Raises WrongAnswer unless the value is the function's, and the gradient its central difference in one direction of its arguments.

    The gradient is by the arguments at the positions `wrt`, by default by all floats and arrays.
    """
    value, gradient = value_and_grad(*args)
    floats = [k for k, given in enumerate(args) if isinstance(given, float | np.ndarray)] if wrt is None else wrt
    slopes = gradient if isinstance(gradient, tuple) else (gradient,)
    draw = np.random.default_rng(7).normal
    steps = {k: 1e-6 * draw(size=np.shape(args[k])) for k in floats}
    ahead, behind = (function(*(given + sign * steps.get(k, 0) for k, given in enumerate(args))) for sign in (1, -1))
    along = sum(float(np.sum(slope * steps[k])) for k, slope in zip(floats, slopes, strict=True))
    require_equal([value], [function(*args)], 1e-12, what)
    require_equal([2.0 * along], [ahead - behind], tolerance, what)
