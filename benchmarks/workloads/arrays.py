"""Programs of arrays: compiled value and gradient against the compiled function alone, and how both grow with the arrays.

The first three write to their arrays element by element; their cost is per innermost step, of which a Cholesky factorisation has a
sixth of the cube of its rows. Each copies what it is given, so that the function alone can be called again on the same arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np

import stagegrad
from benchmarks.checking import require_direction
from benchmarks.figures import Effort, Figure
from benchmarks.timing import Contender, race

#: What growing linearly leaves room for: the largest arrays do not fit into the nearest cache.
LIMIT = 1.5


def gauss_seidel(start: Any, load: Any) -> Any:
    """One sweep over a nonlinear boundary value problem."""
    u = start.copy()
    for i in range(1, len(u) - 1):
        u[i] = 0.5 * (u[i - 1] + u[i + 1] - 0.01 * (u[i] ** 3 - load[i]))
    return np.sum(u * u)


def cholesky(matrix: Any) -> Any:
    """The logarithm of a determinant by a factorisation in place, written by hand."""
    a = matrix.copy()
    total = 0.0
    for j in range(a.shape[0]):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = np.sqrt(a[j, j])
        total += np.log(a[j, j])
        for i in range(j + 1, a.shape[0]):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
    return 2.0 * total


def alignment(cost: Any) -> Any:
    """The soft minimum over all paths through a table of costs, which is filled in by its recursion."""
    table = np.zeros(cost.shape)
    for i in range(cost.shape[0]):
        for j in range(cost.shape[1]):
            if i == 0 and j == 0:
                before = 0.0
            elif i == 0:
                before = table[i, j - 1]
            elif j == 0:
                before = table[i - 1, j]
            else:
                before = -np.log(np.exp(-table[i - 1, j]) + np.exp(-table[i, j - 1]))
            table[i, j] = cost[i, j] + before
    return table[-1, -1]


def heat(start: Any, c: float, steps: int) -> Any:
    """Heat in a rod, whole slices at a time."""
    u = start.copy()
    for _ in range(steps):
        u[1:-1] += c * (u[2:] - 2.0 * u[1:-1] + u[:-2])
    return np.sum(u * u)


def burgers(start: Any, c: float, steps: int) -> Any:
    """Burgers' equation by upwind differences, cell by cell."""
    u = start.copy()
    for _ in range(steps):
        for i in range(len(u) - 1, 0, -1):
            u[i] -= c * u[i] * (u[i] - u[i - 1])
    return np.sum(u * u)


def bodies(at: Any, speed: Any, mass: Any, h: float, steps: int) -> Any:
    """Bodies that attract one another, by leapfrog steps; how far they have come."""
    x, v = at.copy(), speed.copy()
    for _ in range(steps):
        for i in range(x.shape[0]):
            for j in range(x.shape[0]):
                if i != j:
                    away = x[j] - x[i]
                    v[i] += h * mass[j] * away / (np.sum(away * away) + 0.01) ** 1.5
        x += h * v
    return np.sum(x * x)


def species(start: Any, rates: Any, h: float, steps: int) -> Any:
    """Predators and prey by Runge-Kutta steps of the vector of both."""

    def change(y: Any) -> Any:
        return np.array([rates[0] * y[0] - rates[1] * y[0] * y[1], rates[2] * y[0] * y[1] - rates[3] * y[1]])

    y = start.copy()
    for _ in range(steps):
        k1 = change(y)
        k2 = change(y + 0.5 * h * k1)
        k3 = change(y + 0.5 * h * k2)
        k4 = change(y + h * k3)
        y = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return np.sum(y)


def kalman(readings: Any, drift: float, noise: float) -> Any:
    """The likelihood of readings of a place that moves at an unknown speed."""
    move, seen = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([1.0, 0.0])
    state, spread = np.zeros(2), np.eye(2)
    total = 0.0
    for k in range(len(readings)):
        state, spread = move @ state, move @ spread @ move.T + drift * np.eye(2)
        width = seen @ spread @ seen + noise
        gain, miss = spread @ seen / width, readings[k] - seen @ state
        state, spread = state + gain * miss, spread - np.outer(gain, seen @ spread)
        total -= 0.5 * (np.log(width) + miss * miss / width)
    return total


def logistic(weights: Any, bias: float, x: Any, label: Any) -> Any:
    """The cross-entropy of a logistic regression; a label is 1 or -1."""
    return np.mean(np.log1p(np.exp(-label * (x @ weights + bias))))


def positive(n: int) -> Any:
    """A symmetric matrix whose eigenvalues are between 1 and 3."""
    rows = np.random.default_rng(n).normal(size=(n, n))
    return 2.0 * np.eye(n) + (rows + rows.T) / (6.0 * np.sqrt(n))


def costs(n: int) -> Any:
    """A table of costs between 0 and 1."""
    return np.random.default_rng(n).uniform(size=(n, n))


#: The function, its arguments for a size, three sizes of which each has ten times the steps of the one before, and those steps.
Growing = tuple[Callable[..., Any], Callable[[int], tuple[Any, ...]], Sequence[int], Callable[[int], float]]
GROWING: dict[str, Growing] = {
    "Gauss-Seidel": (gauss_seidel, lambda n: (np.cos(np.linspace(0, 6, n)), np.ones(n)), (1_000, 10_000, 100_000), float),
    "Cholesky": (cholesky, lambda n: (positive(n),), (30, 65, 139), lambda n: n**3 / 6.0),
    "alignment": (alignment, lambda n: (costs(n),), (32, 101, 320), lambda n: n**2),
}


def _steady() -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    draw = np.random.default_rng(1).normal
    wave = 1.5 + np.sin(np.linspace(0, 6, 1_000))
    label = np.where(draw(size=1_000) > 0.0, 1.0, -1.0)
    return {
        "heat, 100 steps of 1,000 cells": (heat, (wave, 0.2, 100)),
        "Burgers, 100 steps of 1,000 cells": (burgers, (wave, 0.1, 100)),
        "8 bodies, 20 steps": (bodies, (draw(size=(8, 3)), draw(size=(8, 3)), np.ones(8), 0.01, 20)),
        "two species, 1,000 Runge-Kutta steps": (species, (np.array([1.0, 0.5]), np.array([1.0, 0.8, 0.6, 0.9]), 0.01, 1_000)),
        "Kalman filter, 1,000 readings": (kalman, (np.cumsum(draw(size=1_000)) * 0.1, 0.01, 0.5)),
        "logistic regression, 1,000 by 20": (logistic, (draw(size=20), 0.1, draw(size=(1_000, 20)), label)),
    }


def measure(effort: Effort) -> list[Figure]:
    """The time of a step and its growth, then value and gradient of other programs against their functions."""
    figures = [figure for label, growing in GROWING.items() for figure in _growth(label, growing, effort)]
    for label, (function, args) in _steady().items():
        times = race(_contenders(label, function, [args]), effort)
        figures += [
            Figure(f"{label}: the function under plain njit", times.median("primal 0"), "s"),
            Figure(f"{label}: value and gradient, against that", times.ratio("gradient 0", "primal 0")),
        ]
    return figures


def _growth(label: str, growing: Growing, effort: Effort) -> list[Figure]:
    function, made, sizes, steps = growing
    times = race(_contenders(label, function, [made(n) for n in sizes]), effort)
    figures = [Figure(f"{label}: a step of value and gradient, n = {sizes[0]:,}", times.median("gradient 0") / steps(sizes[0]), "s")]
    for k in (1, 2):
        per_step = times.ratio(f"gradient {k}", "gradient 0") * steps(sizes[0]) / steps(sizes[k])
        figures.append(Figure(f"{label}: a step with n = {sizes[k]:,}, against that", per_step, "", LIMIT))
    figures += [
        Figure(f"{label}: value and gradient against plain njit, n = {n:,}", times.ratio(f"gradient {k}", f"primal {k}"))
        for k, n in enumerate(sizes)
    ]
    return figures


def _contenders(label: str, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> dict[str, Contender]:
    staged = stagegrad.compile(function, target="numba")
    primal = numba.njit(function)
    found = {}
    for k, args in enumerate(calls):
        require_direction(primal, staged.value_and_grad, args, 1e-5, label)
        found[f"primal {k}"] = Contender(primal, args)
        found[f"gradient {k}"] = Contender(staged.value_and_grad, args)
    return found
