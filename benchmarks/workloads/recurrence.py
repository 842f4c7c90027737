"""1,000 steps of scalar recurrences with a branch: compiled value and gradient against the compiled function alone."""

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


def branch(x: float, r: float, s: float, n: int) -> float:
    """Two contractions; which one is applied depends on the value."""
    for _ in range(n):
        if x > 0.5:  # noqa: SIM108  # the statement is what is measured
            x = r * x * (1.0 - x)
        else:
            x = s * x + 0.25
    return x


def branch_by_hand(x: float, r: float, s: float, n: int) -> tuple[float, ...]:
    """Value and gradient of `branch`, the derivatives carried along by hand."""
    dx, dr, ds = 1.0, 0.0, 0.0
    for _ in range(n):
        if x > 0.5:
            slope = r * (1.0 - 2.0 * x)
            dx, dr, ds = slope * dx, slope * dr + x * (1.0 - x), slope * ds
            x = r * x * (1.0 - x)
        else:
            dx, dr, ds = s * dx, s * dr, s * ds + x
            x = s * x + 0.25
    return x, dx, dr, ds


def neuron(x: float, w: float, b: float, n: int) -> float:
    """A leaky neuron: the exponential in each step is what costs."""
    for _ in range(n):
        z = w * x + b
        x = math.tanh(z) if z > 0.0 else 0.1 * z
    return x


def neuron_by_hand(x: float, w: float, b: float, n: int) -> tuple[float, ...]:
    """Value and gradient of `neuron`, the derivatives carried along by hand."""
    dx, dw, db = 1.0, 0.0, 0.0
    for _ in range(n):
        z = w * x + b
        slope = 1.0 / math.cosh(z) ** 2 if z > 0.0 else 0.1
        dx, dw, db = slope * w * dx, slope * (x + w * dw), slope * (w * db + 1.0)
        x = math.tanh(z) if z > 0.0 else 0.1 * z
    return x, dx, dw, db


#: The function, its derivative by hand, and floats to call it with.
PROGRAMS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[float, ...]]] = {
    "logistic or linear step": (branch, branch_by_hand, (0.3, 1.9, 0.7)),
    "leaky tanh neuron": (neuron, neuron_by_hand, (0.1, -1.3, 0.4)),
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
