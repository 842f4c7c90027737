"""lse: the logarithm of a sum of exponentials, shifted by the largest of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile
def log_sum_exp(x: Any) -> Any:
    """log(sum(exp(x))) without overflow."""
    top = np.max(x)
    return top + np.log(np.sum(np.exp(x - top)))


def arguments(given: Any) -> tuple[Floats]:
    """The vector."""
    return (Fields(given, "input").some("x"),)


FUNCTIONS = {
    "primal": Task(arguments, log_sum_exp, plain),
    "gradient": Task(arguments, log_sum_exp.grad, plain),
}
