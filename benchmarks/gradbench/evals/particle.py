"""particle: the strength of a field that bends a charge's path through the origin, by descent along a derivative of a derivative.

The force on the charge is the gradient of a potential, the path is many steps under that force, and what is minimised is where the path
crosses the axis. The four functions differ in the mode of the outer derivative and in that of the inner one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

import stagegrad
from benchmarks.gradbench.descent import lowest
from benchmarks.gradbench.fields import Fields
from benchmarks.gradbench.generated import as_function, directional
from benchmarks.gradbench.task import Task, plain

#: The length of a step in time.
STEP = 0.1


@stagegrad.compile(wrt=("x", "y"))
def potential(x: float, y: float, w: float) -> float:
    """Of two charges, one of which is moved by `w`."""
    moved = math.sqrt((x - 10.0) ** 2 + (y - (10.0 - w)) ** 2)
    fixed = math.sqrt((x - 10.0) ** 2 + y**2)
    return 1.0 / moved + 1.0 / fixed


def slopes(forward: bool) -> Callable[..., tuple[float, float]]:
    """The gradient of the potential as a function that can be differentiated again."""
    if not forward:
        return as_function(potential)
    push = directional(potential, 0, 1)

    def gradient(x: float, y: float, w: float) -> tuple[float, float]:
        return push(x, y, w, 1.0, 0.0)[1], push(x, y, w, 0.0, 1.0)[1]

    return gradient


def miss(forward: bool) -> stagegrad.Staged[..., float]:
    """The square of where the path crosses the axis, as a function of `w`."""
    gradient = slopes(forward)

    def crossing(w: float) -> float:
        x = 0.0
        y = 8.0
        vx = 0.75
        vy = 0.0
        while y + STEP * vy > 0.0:
            dx, dy = gradient(x, y, w)
            x += STEP * vx
            y += STEP * vy
            vx -= STEP * dx
            vy -= STEP * dy
        rest = -y / vy
        return (x + rest * vx) ** 2

    return stagegrad.compile(crossing)


@cache
def search(outer: bool, inner: bool) -> Callable[[float], float]:
    """The best `w`, from a start on; `outer` and `inner` say which derivatives are by forward mode."""
    path = miss(inner)
    value = path.numba.value
    slope = along(path) if outer else path.numba.grad
    descend = lowest(numba.njit(lambda w, _: value(w[0])), numba.njit(lambda w, _: np.array([slope(w[0])])))
    return lambda w: float(descend(np.array([w]), np.empty(0))[0])


def along(path: stagegrad.Staged[..., float]) -> Callable[..., Any]:
    """The derivative of a function of one number by forward mode, for compiled code to call."""
    both = stagegrad.compile(directional(path, 0)).numba.value
    derivative: Callable[..., Any] = numba.njit(lambda w: both(w, 1.0)[1])
    return derivative


def arguments(given: Any) -> tuple[float]:
    """Where the search begins."""
    return (Fields(given, "input").number("w"),)


def task(outer: bool, inner: bool) -> Task:
    """The function whose outer and inner derivatives are by forward mode, or by reverse mode."""
    return Task(arguments, lambda w: search(outer, inner)(w), plain)


FUNCTIONS = {"ff": task(True, True), "fr": task(True, False), "rf": task(False, True), "rr": task(False, False)}
