"""saddle: the lowest point x of the highest value over y of a function of both, by a search inside what a search minimises.

The inner search is written out, because the outer derivative goes through it. The four functions differ in the mode of the outer
derivative and in that of the inner one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

import stagegrad
from benchmarks.gradbench.descent import FIRST, NEAR, STREAK, lowest
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.generated import as_function, directional
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile(wrt=("y1", "y2"))
def surface(x1: float, x2: float, y1: float, y2: float) -> float:
    """Up with the first point, down with the second."""
    return (x1**2 + x2**2) - (y1**2 + y2**2)


def slopes(forward: bool) -> Callable[..., tuple[float, float]]:
    """The gradient of the surface by the second point, as a function that can be differentiated again."""
    if not forward:
        return as_function(surface)
    push = directional(surface, 2, 3)

    def gradient(x1: float, x2: float, y1: float, y2: float) -> tuple[float, float]:
        return push(x1, x2, y1, y2, 1.0, 0.0)[1], push(x1, x2, y1, y2, 0.0, 1.0)[1]

    return gradient


def summits(forward: bool) -> Callable[..., tuple[float, float, float]]:
    """The highest value over the second point, and that point, from a start on."""
    gradient = slopes(forward)

    def summit(x1: float, x2: float, y1: float, y2: float) -> tuple[float, float, float]:
        most = surface(x1, x2, y1, y2)
        d1, d2 = gradient(x1, x2, y1, y2)
        factor = FIRST
        streak = 0
        while math.sqrt(d1 * d1 + d2 * d2) > NEAR:
            if streak == STREAK:
                factor *= 2.0
                streak = 0
                continue
            there1 = y1 + factor * d1
            there2 = y2 + factor * d2
            if math.sqrt((there1 - y1) ** 2 + (there2 - y2) ** 2) <= NEAR:
                break
            found = surface(x1, x2, there1, there2)
            if found > most:
                y1 = there1
                y2 = there2
                most = found
                d1, d2 = gradient(x1, x2, y1, y2)
                streak += 1
            else:
                factor /= 2.0
                streak = 0
        return most, y1, y2

    return summit


@cache
def search(outer: bool, inner: bool) -> Callable[[Floats], Floats]:
    """Both points of the saddle; `outer` and `inner` say which derivatives are by forward mode."""
    summit = summits(inner)

    def height(x1: float, x2: float, y1: float, y2: float) -> float:
        return summit(x1, x2, y1, y2)[0]

    staged = stagegrad.compile(height, wrt=("x1", "x2"))
    value, ends = staged.numba.value, stagegrad.compile(summit).numba.value
    slope = along(staged) if outer else staged.numba.grad
    descend = lowest(
        numba.njit(lambda x, start: value(x[0], x[1], start[0], start[1])),
        numba.njit(lambda x, start: np.array(slope(x[0], x[1], start[0], start[1]))),
    )

    @numba.njit
    def saddle(start: Any) -> Any:
        x = descend(start, start)
        end = ends(x[0], x[1], start[0], start[1])
        return np.array([x[0], x[1], end[1], end[2]])

    found: Callable[[Floats], Floats] = saddle
    return found


def along(staged: stagegrad.Staged[..., float]) -> Callable[..., Any]:
    """The gradient by the first point by forward mode, for compiled code to call."""
    push = stagegrad.compile(directional(staged, 0, 1)).numba.value

    @numba.njit
    def gradient(x1: float, x2: float, y1: float, y2: float) -> Any:
        return push(x1, x2, y1, y2, 1.0, 0.0)[1], push(x1, x2, y1, y2, 0.0, 1.0)[1]

    compiled: Callable[..., Any] = gradient
    return compiled


def arguments(given: Any) -> tuple[Floats]:
    """Where all searches begin."""
    return (Fields(given, "input").array("start", (2,)),)


def task(outer: bool, inner: bool) -> Task:
    """The function whose outer and inner derivatives are by forward mode, or by reverse mode."""
    return Task(arguments, lambda start: search(outer, inner)(start), plain)


FUNCTIONS = {"ff": task(True, True), "fr": task(True, False), "rf": task(False, True), "rr": task(False, False)}
