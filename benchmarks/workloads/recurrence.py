"""1,000 steps of scalar recurrences with a branch: compiled value and gradient against the compiled function alone.

Both are such that their gradients do not die away: where they do, they end as subnormal numbers, on which processors are slow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba

import stagegrad
from benchmarks.checking import require_equal
from benchmarks.figures import Effort, Figure
from benchmarks.timing import Contender, race

STEPS = 1_000
LIMIT = 2.5


def harvest(x: float, growth: float, kept: float, n: int) -> float:
    """A population that grows until it is harvested; which of the two happens depends on the value."""
    for _ in range(n):
        if x > 1.0:  # noqa: SIM108  # the statement is what is measured
            x = kept * x
        else:
            x = x + growth * x * (1.0 - 0.5 * x)
    return x


def harvest_by_hand(x: float, growth: float, kept: float, n: int) -> tuple[float, ...]:
    """Value and gradient of `harvest`, the derivatives carried along by hand."""
    dx, dg, dk = 1.0, 0.0, 0.0
    for _ in range(n):
        if x > 1.0:
            dx, dg, dk = kept * dx, kept * dg, kept * dk + x
            x = kept * x
        else:
            slope = 1.0 + growth * (1.0 - x)
            dx, dg, dk = slope * dx, slope * dg + x * (1.0 - 0.5 * x), slope * dk
            x = x + growth * x * (1.0 - 0.5 * x)
    return x, dx, dg, dk


def neuron(x: float, w: float, b: float, n: int) -> float:
    """A neuron that leaks and inhibits itself: the hyperbolic tangent is what costs."""
    for _ in range(n):
        z = w * x + b
        fired = math.tanh(z) if z > 0.0 else 0.1 * z
        x = 0.9 * x + 0.1 * fired
    return x


def neuron_by_hand(x: float, w: float, b: float, n: int) -> tuple[float, ...]:
    """Value and gradient of `neuron`, the derivatives carried along by hand."""
    dx, dw, db = 1.0, 0.0, 0.0
    for _ in range(n):
        z = w * x + b
        slope = 0.1 / math.cosh(z) ** 2 if z > 0.0 else 0.01
        dx, dw, db = (0.9 + slope * w) * dx, 0.9 * dw + slope * (x + w * dw), 0.9 * db + slope * (w * db + 1.0)
        x = 0.9 * x + 0.1 * (math.tanh(z) if z > 0.0 else 0.1 * z)
    return x, dx, dw, db


#: The function, its derivative by hand, and floats to call it with.
PROGRAMS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[float, ...]]] = {
    "growth with harvest": (harvest, harvest_by_hand, (0.7, 0.05, 0.6)),
    "leaky neuron": (neuron, neuron_by_hand, (0.1, -1.3, 0.4)),
}


def measure(effort: Effort) -> list[Figure]:
    """For each recurrence the time of the function, and how many times that its value and gradient take."""
    figures = []
    for label, (function, by_hand, floats) in PROGRAMS.items():
        args = (*floats, STEPS)
        staged = stagegrad.compile(function, target="numba")
        value, gradient = staged.value_and_grad(*args)
        require_equal((value, *gradient), by_hand(*args), 1e-9, label)
        primal = numba.njit(function)
        contenders = {"primal": Contender(primal, args), "gradient": Contender(staged.numba.value_and_grad, args)}
        times = race(contenders, effort)
        figures += [
            Figure(f"{label}: the function under plain njit", times.median("primal"), "s"),
            Figure(f"{label}: value and gradient, against that", times.ratio("gradient", "primal"), "", LIMIT),
        ]
    return figures
