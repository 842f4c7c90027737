"""det: a determinant by expansion along the first row, then that of what is left, down to the last, and its gradient.

Minors of five rows and fewer are functions of their elements, which are plain numbers; larger ones call themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import BadMessage, Fields, Floats
from benchmarks.gradbench.task import Task, plain

#: The order from which on a minor is written out.
SMALL = 5


def det3(a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float) -> float:
    """Of three rows."""
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def det4(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float,
    i: float, j: float, k: float, l: float, m: float, n: float, o: float, p: float,  # noqa: E741
) -> float:  # fmt: skip
    """Of four rows."""
    first = a * det3(f, g, h, j, k, l, n, o, p) - b * det3(e, g, h, i, k, l, m, o, p)
    return first + c * det3(e, f, h, i, j, l, m, n, p) - d * det3(e, f, g, i, j, k, m, n, o)


def det5(
    a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float, j: float, k: float, l: float, m: float,  # noqa: E741
    n: float, o: float, p: float, q: float, r: float, s: float, t: float, u: float, v: float, w: float, x: float, y: float,
) -> float:  # fmt: skip
    """Of five rows."""
    first = a * det4(g, h, i, j, l, m, n, o, q, r, s, t, v, w, x, y) - b * det4(f, h, i, j, k, m, n, o, p, r, s, t, u, w, x, y)
    second = c * det4(f, g, i, j, k, l, n, o, p, q, s, t, u, v, x, y) - d * det4(f, g, h, j, k, l, m, o, p, q, r, t, u, v, w, y)
    return first + second + e * det4(f, g, h, i, k, l, m, n, p, q, r, s, u, v, w, x)


def minor(a: Any, row: int, used: int) -> Any:
    """The determinant of the rows from `row` on, without the columns whose bits are set in `used`."""
    if row == a.shape[0]:
        return 1.0
    if row == a.shape[0] - SMALL:
        c = np.zeros(SMALL, dtype=np.int64)
        at = 0
        for j in range(a.shape[0]):
            if (used >> j) & 1 == 0 and at < SMALL:
                c[at] = j
                at += 1
        return det5(
            a[row, c[0]], a[row, c[1]], a[row, c[2]], a[row, c[3]], a[row, c[4]],
            a[row + 1, c[0]], a[row + 1, c[1]], a[row + 1, c[2]], a[row + 1, c[3]], a[row + 1, c[4]],
            a[row + 2, c[0]], a[row + 2, c[1]], a[row + 2, c[2]], a[row + 2, c[3]], a[row + 2, c[4]],
            a[row + 3, c[0]], a[row + 3, c[1]], a[row + 3, c[2]], a[row + 3, c[3]], a[row + 3, c[4]],
            a[row + 4, c[0]], a[row + 4, c[1]], a[row + 4, c[2]], a[row + 4, c[3]], a[row + 4, c[4]],
        )  # fmt: skip
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
