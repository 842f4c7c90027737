"""A nonlinear stencil of 1,000 steps on 10,000 cells: the most memory that value and gradient hold, against the tape by count.

By count the tape is one float for each cell and step: what a step overwrites and the backward pass reads. Python's `tracemalloc` counts
what is allocated: NumPy reports its arrays to it, and Numba takes its own from the allocator that it watches.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import stagegrad
from benchmarks.checking import WrongAnswer, require_direction
from benchmarks.figures import Effort, Figure

STEPS, CELLS, FEWER = 1_000, 10_000, 50
LIMIT = 1.3


def by_slices(start: Any, c: float, steps: int) -> Any:
    """Diffusion with decay by the cube, all cells of a step at once."""
    u = start.copy()
    for _ in range(steps):
        curve = u[2:] - 2.0 * u[1:-1] + u[:-2]
        u[1:-1] = u[1:-1] + c * (curve - u[1:-1] ** 3)
    return np.sum(u)


def by_elements(start: Any, c: float, steps: int) -> Any:
    """The same cell by cell, from one array to the next."""
    u = start.copy()
    for _ in range(steps):
        v = u.copy()
        for i in range(1, len(u) - 1):
            v[i] = u[i] + c * (u[i + 1] - 2.0 * u[i] + u[i - 1] - u[i] ** 3)
        u = v
    return np.sum(u)


def in_place(start: Any, c: float, steps: int) -> Any:
    """The same cell by cell in one array, so that a cell sees the new value on its left."""
    u = start.copy()
    for _ in range(steps):
        for i in range(1, len(u) - 1):
            u[i] += c * (u[i + 1] - 2.0 * u[i] + u[i - 1] - u[i] ** 3)
    return np.sum(u)


#: The function, and the targets that take seconds for it.
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[stagegrad.Target, ...]]] = {
    "whole slices": (by_slices, ("numpy", "numba")),
    "an element loop": (by_elements, ("numba",)),
    "an element loop in place": (in_place, ("numba",)),
}


def measure(effort: Effort) -> list[Figure]:
    """For each way to write the stencil the most memory that its gradient holds, and how many times its tape that is."""
    start, steps = np.sin(np.linspace(0.0, 6.0, CELLS)), FEWER if effort.quick else STEPS
    tape = 8 * steps * CELLS
    figures = []
    for label, (function, targets) in PROGRAMS.items():
        for target in targets:
            staged = stagegrad.compile(function, target=target)
            require_direction(function, staged.value_and_grad, (start[:40], 0.1, 3), 1e-6, label)
            held = most_held(staged.value_and_grad, (start, 0.1, steps))
            figures += [
                Figure(f"{label}, {target}: the most memory held, tape {tape // 1_000_000} MB", held / 1e6, "MB"),
                Figure(f"{label}, {target}: against the tape", held / tape, "", LIMIT),
            ]
    return figures


def most_held(function: Callable[..., Any], args: tuple[Any, ...]) -> int:
    """The most bytes that a call has allocated at a time, beyond what was there before; at least what it returns."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        _, gradient = function(*args)
        held = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    if held < gradient[0].nbytes:
        raise WrongAnswer(f"tracemalloc saw {held} bytes, which is less than the gradient")
    return held
