"""llsq: how far a polynomial is from the sign of its variable, in squares, at n places between -1 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile(wrt="x")
def misfit(x: Any, n: int) -> Any:
    """Half the sum of the squared differences between the polynomial with the coefficients `x` and the sign."""
    total = 0.0
    for i in range(n):
        t = -1.0 + i * 2.0 / (n - 1)
        rest = np.sign(t)
        power = 1.0
        for j in range(x.shape[0]):
            rest -= x[j] * power
            power *= t
        total += rest * rest
    return 0.5 * total


def arguments(given: Any) -> tuple[Floats, int]:
    """The coefficients and the number of places."""
    fields = Fields(given, "input")
    return fields.some("x"), fields.whole("n", 2)


FUNCTIONS = {
    "primal": Task(arguments, misfit, plain),
    "gradient": Task(arguments, misfit.grad, plain),
}
