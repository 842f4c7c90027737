"""One gradient of the CS231n function, called from Python, beside what any call of compiled code costs."""

from __future__ import annotations

import math

import numba

import stagegrad
from benchmarks.checking import require_equal
from benchmarks.figures import Effort, Figure
from benchmarks.timing import Contender, race

POINT = (3.0, -4.0)


def staged_function(x: float, y: float) -> float:
    """The function of the notes, as code."""
    sigy = 1.0 / (1.0 + math.exp(-y))
    num = x + sigy
    sigx = 1.0 / (1.0 + math.exp(-x))
    return num / (sigx + (x + y) ** 2)


def closed_form(x: float, y: float) -> tuple[float, float, float]:
    """Value and gradient by the quotient rule, by hand."""
    sigx, sigy = 1.0 / (1.0 + math.exp(-x)), 1.0 / (1.0 + math.exp(-y))
    num, den = x + sigy, sigx + (x + y) ** 2
    dx = (den - num * (sigx * (1.0 - sigx) + 2.0 * (x + y))) / den**2
    dy = (sigy * (1.0 - sigy) * den - num * 2.0 * (x + y)) / den**2
    return num / den, dx, dy


@numba.njit
def nothing(x: float, y: float) -> tuple[float, tuple[float, float]]:
    """The same arguments and the same shape of result, with nothing computed: what Numba's own call costs."""
    return x, (y, x)


def measure(effort: Effort) -> list[Figure]:
    """The time of a call of value and gradient, of Numba's call around it and of the function in plain Python."""
    staged = stagegrad.compile(staged_function, target="numba")
    raw = staged.numba.value_and_grad
    kept = staged.value_and_grad  # as one hands it to a minimiser: from before the first call
    for call in (kept, staged.value_and_grad, raw):
        value, gradient = call(*POINT)
        require_equal((value, *gradient), closed_form(*POINT), 1e-14, "the CS231n function")
    times = race(
        {
            "value_and_grad": Contender(staged.value_and_grad, POINT),
            "kept": Contender(kept, POINT),
            "raw": Contender(raw, POINT),
            "nothing": Contender(nothing, POINT),
            "python": Contender(staged_function, POINT),
        },
        effort,
    )
    return [
        Figure("f.value_and_grad(x, y) from Python", times.median("value_and_grad"), "s", 350e-9),
        Figure("the same by a reference from before the first call", times.median("kept"), "s"),
        Figure("its compiled function, called directly", times.median("raw"), "s"),
        Figure("an njit function of the same signature that computes nothing", times.median("nothing"), "s"),
        Figure("the value alone, in plain Python", times.median("python"), "s"),
    ]
