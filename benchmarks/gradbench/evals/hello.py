"""hello: the square of a number and its derivative, to see that the protocol works."""

from __future__ import annotations

from typing import Any

import stagegrad
from benchmarks.gradbench.fields import Fields
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile
def square(x: float) -> float:
    """A number times itself."""
    return x * x


def arguments(given: Any) -> tuple[float]:
    """The input is the number itself."""
    return (Fields({"input": given}, "the message").number("input"),)


FUNCTIONS = {
    "square": Task(arguments, square, plain),
    "double": Task(arguments, square.grad, plain),
}
