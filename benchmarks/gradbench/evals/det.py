"""det: a determinant by expansion along the first row, down to the last, and its gradient."""

from __future__ import annotations

from typing import Any

import stagegrad
from benchmarks.gradbench.fields import BadMessage, Fields, Floats
from benchmarks.gradbench.task import Task, plain


def minor(a: Any, row: int, used: int) -> Any:
    """The determinant of the rows from `row` on, without the columns whose bits are set in `used`."""
    if row == a.shape[0]:
        return 1.0
    total = 0.0
    sign = 1.0
    for j in range(a.shape[0]):
        if (used >> j) & 1 == 0:
            total += sign * a[row, j] * minor(a, row + 1, used | (1 << j))
            sign = -sign
    return total


@stagegrad.compile
def determinant(a: Any) -> Any:
    """The determinant by minors."""
    return minor(a, 0, 0)


def arguments(given: Any) -> tuple[Floats]:
    """The matrix, of which the input has the elements row by row."""
    fields = Fields(given, "input")
    order = fields.whole("ell", 1)
    if order > 62:
        raise BadMessage(f"input.ell is {order}, and expansion by minors would not end; at most 62 is read")
    return (fields.array("A", (order * order,)).reshape(order, order),)


FUNCTIONS = {
    "primal": Task(arguments, determinant, plain),
    "gradient": Task(arguments, determinant.grad, lambda gradient: plain(gradient.ravel())),
}
