"""Agreement: a measured function has to give the right numbers before it is timed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any


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
