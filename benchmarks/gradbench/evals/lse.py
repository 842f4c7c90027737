"""lse: the logarithm of a sum of exponentials, shifted by the largest of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile(wrt="x")
def log_sum_exp(x: Any, shift: float) -> Any:
    """log(sum(exp(x))), which is the same for every shift: only what overflows depends on it."""
    return shift + np.log(np.sum(np.exp(x - shift)))


@stagegrad.compile
def largest(x: Any) -> Any:
    """The shift with which nothing overflows."""
    return np.max(x)


def primal(x: Floats) -> float:
    """The value."""
    found: float = log_sum_exp(x, largest(x))
    return found


def gradient(x: Floats) -> Floats:
    """The gradient; the shift stays as it is, for what it would add is a rounding error alone."""
    found: Floats = log_sum_exp.grad(x, largest(x))
    return found


def arguments(given: Any) -> tuple[Floats]:
    """The vector."""
    return (Fields(given, "input").some("x"),)


FUNCTIONS = {
    "primal": Task(arguments, primal, plain),
    "gradient": Task(arguments, gradient, plain),
}
