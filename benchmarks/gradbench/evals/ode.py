"""ode: a chain of equations, each driven by the one before it, by steps of Runge and Kutta.

y[0]' = x[0] and y[i]' = x[i] * y[i - 1], from y = 0 at time 0 to time 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile
def solution(x: Any, s: int) -> Any:
    """All of y at time 2, after `s` steps; equation after equation within a step, as each needs only the one before it."""
    h = 2.0 / s
    y = np.zeros(x.shape[0])
    for _ in range(s):
        before1 = before2 = before3 = before4 = 1.0
        for i in range(x.shape[0]):
            here = y[i]
            k1 = x[i] * before1
            k2 = x[i] * before2
            k3 = x[i] * before3
            k4 = x[i] * before4
            before1 = here
            before2 = here + h * k1 / 2.0
            before3 = here + h * k2 / 2.0
            before4 = here + h * k3
            y[i] = here + h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0
    return y


@stagegrad.compile(wrt="x")
def last(x: Any, s: int) -> Any:
    """The last equation's y at time 2."""
    return solution(x, s)[x.shape[0] - 1]


def arguments(given: Any) -> tuple[Floats, int]:
    """The factors and the number of steps."""
    fields = Fields(given, "input")
    return fields.some("x"), fields.whole("s", 1)


FUNCTIONS = {
    "primal": Task(arguments, solution, plain),
    "gradient": Task(arguments, last.grad, plain),
}
