"""The search that GradBench gives to particle and saddle: descent whose step doubles after ten successes and halves at a failure.

It is compiled with Numba from the compiled functions that it is given; what it is to be differentiated through itself is written out in
saddle.py, where it is part of the objective.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from benchmarks.gradbench.fields import Floats

#: Where a search ends: with a gradient, or a step, no longer than this.
NEAR = 1e-5
#: The first factor of a step.
FIRST = 1e-5
#: After this many steps that went down, the factor is doubled.
STREAK = 10


def lowest(value: Callable[..., Any], gradient: Callable[..., Any]) -> Callable[[Floats, Floats], Floats]:
    """The search for a minimum of `value`, both functions of an array and of another that stays as it is, from a start on."""

    @numba.njit
    def search(start: Any, fixed: Any) -> Any:
        x = start.copy()
        least = value(x, fixed)
        slope = gradient(x, fixed)
        factor = FIRST
        streak = 0
        while math.sqrt(np.sum(slope * slope)) > NEAR:
            if streak == STREAK:
                factor *= 2.0
                streak = 0
                continue
            there = x - factor * slope
            if math.sqrt(np.sum((there - x) ** 2)) <= NEAR:
                break
            found = value(there, fixed)
            if found < least:
                x = there
                least = found
                slope = gradient(x, fixed)
                streak += 1
            else:
                factor /= 2.0
                streak = 0
        return x

    compiled: Callable[[Floats, Floats], Floats] = search
    return compiled
