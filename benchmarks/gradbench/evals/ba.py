"""ba: how far points, seen by cameras, are from where they were observed, and the sparse Jacobian of all these errors.

Each observation depends on 11 numbers of its camera, 3 of its point and its own weight, so its block of the Jacobian is 2 by 15. The
gradients of both of its errors are compiled into the loop over observations, where what they share is computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats, Ints
from benchmarks.gradbench.generated import inlined
from benchmarks.gradbench.task import Task

#: The numbers of a camera and of a point, and with the weight those that an observation's errors depend on.
CAMERA, POINT = 11, 3
BLOCK = CAMERA + POINT + 1


def turned(r1: float, r2: float, r3: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A point turned about the axis r, by an angle as large as r is long (Rodrigues)."""
    angle = math.sqrt(r1 * r1 + r2 * r2 + r3 * r3)
    cosine = math.cos(angle)
    sine = math.sin(angle)
    inverse = 1.0 / angle
    n1 = r1 * inverse
    n2 = r2 * inverse
    n3 = r3 * inverse
    along = (n1 * x + n2 * y + n3 * z) * (1.0 - cosine)
    return (
        x * cosine + (n2 * z - n3 * y) * sine + n1 * along,
        y * cosine + (n3 * x - n1 * z) * sine + n2 * along,
        z * cosine + (n1 * y - n2 * x) * sine + n3 * along,
    )


def nudged(r1: float, r2: float, r3: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    """The same to first order, for r = 0, where there is no axis."""
    return x + (r2 * z - r3 * y), y + (r3 * x - r1 * z), z + (r1 * y - r2 * x)


def errors_of(turn: Callable[..., tuple[float, float, float]]) -> tuple[stagegrad.Staged[..., float], ...]:
    """The weighted errors of an observation along both axes of the picture, for a way to turn points."""

    def error_across(
        r1: float, r2: float, r3: float, c1: float, c2: float, c3: float, focus: float, u: float, v: float, k1: float, k2: float,
        x: float, y: float, z: float, weight: float, observed: float,
    ) -> float:  # fmt: skip
        across, up, depth = turn(r1, r2, r3, x - c1, y - c2, z - c3)
        nearness = 1.0 / depth
        across *= nearness
        up *= nearness
        far = across * across + up * up
        return weight * (across * (1.0 + k1 * far + k2 * far * far) * focus + u - observed)

    def error_up(
        r1: float, r2: float, r3: float, c1: float, c2: float, c3: float, focus: float, u: float, v: float, k1: float, k2: float,
        x: float, y: float, z: float, weight: float, observed: float,
    ) -> float:  # fmt: skip
        across, up, depth = turn(r1, r2, r3, x - c1, y - c2, z - c3)
        nearness = 1.0 / depth
        across *= nearness
        up *= nearness
        far = across * across + up * up
        return weight * (up * (1.0 + k1 * far + k2 * far * far) * focus + v - observed)

    return tuple(stagegrad.compile(error, wrt=tuple(range(BLOCK)), stages="gates") for error in (error_across, error_up))


def regularisation(weight: float) -> float:
    """How far a weight is from 1."""
    return 1.0 - weight * weight


@cache
def loops() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The compiled loops over all observations: the errors, and the Jacobian's rows, columns and values."""
    free = stagegrad.compile(regularisation)
    value, block = of_observation("value"), of_observation("grad")
    value_free, block_free = inlined(free, "value"), inlined(free)

    @numba.njit
    def errors(cams: Any, points: Any, weights: Any, feats: Any, obs: Any) -> Any:
        found = np.empty((weights.size, 2))
        rest = np.empty(weights.size)
        for i in range(weights.size):
            found[i, 0], found[i, 1] = value(cams, points, weights, feats, obs, i)
            rest[i] = value_free(weights[i])
        return found, rest

    @numba.njit
    def jacobian(cams: Any, points: Any, weights: Any, feats: Any, obs: Any) -> Any:
        count = weights.size
        vals = np.empty((2 * BLOCK + 1) * count)
        rows, cols = pattern(len(cams), len(points), obs)
        blocks = vals[: 2 * BLOCK * count].reshape(count, 2, BLOCK)
        for i in range(count):
            across, up = block(cams, points, weights, feats, obs, i)
            fill(blocks, i, 0, across)
            fill(blocks, i, 1, up)
            vals[2 * BLOCK * count + i] = block_free(weights[i])
        return rows, cols, vals

    return errors, jacobian


def of_observation(answer: str) -> Callable[..., Any]:
    """What is computed of both errors of an observation; the gradients share all that they have in common."""
    (across, up), (across_nudged, up_nudged) = ([inlined(error, answer) for error in errors_of(turn)] for turn in (turned, nudged))

    @numba.njit(forceinline=True)
    def both(cams: Any, points: Any, weights: Any, feats: Any, obs: Any, i: int) -> Any:
        numbers = (*camera(cams, obs[i, 0]), *point(points, obs[i, 1]), weights[i])
        if numbers[0] * numbers[0] + numbers[1] * numbers[1] + numbers[2] * numbers[2] == 0.0:
            return across_nudged(*numbers, feats[i, 0]), up_nudged(*numbers, feats[i, 1])
        return across(*numbers, feats[i, 0]), up(*numbers, feats[i, 1])

    compiled: Callable[..., Any] = both
    return compiled


@numba.njit
def pattern(cameras: int, points: int, obs: Any) -> Any:
    """Where each row of the Jacobian starts among the columns, and the columns that are not zero, row by row."""
    count = len(obs)
    rows = np.empty(3 * count + 1, np.int32)
    cols = np.empty((2 * BLOCK + 1) * count, np.int32)
    places = cols[: 2 * BLOCK * count].reshape(count, 2, BLOCK)
    first_point, first_weight = CAMERA * cameras, CAMERA * cameras + POINT * points
    for i in range(count):
        for row in range(2):
            rows[2 * i + row] = (2 * i + row) * BLOCK
            for k in range(CAMERA):
                places[i, row, k] = CAMERA * obs[i, 0] + k
            for k in range(POINT):
                places[i, row, CAMERA + k] = first_point + POINT * obs[i, 1] + k
            places[i, row, BLOCK - 1] = first_weight + i
        rows[2 * count + i] = 2 * BLOCK * count + i
        cols[2 * BLOCK * count + i] = first_weight + i
    rows[3 * count] = (2 * BLOCK + 1) * count
    return rows, cols


@numba.njit(forceinline=True)
def camera(cams: Any, c: int) -> Any:
    """A camera's numbers, one by one: views of arrays, which are counted, would cost as much as all the rest."""
    return (
        cams[c, 0], cams[c, 1], cams[c, 2], cams[c, 3], cams[c, 4], cams[c, 5], cams[c, 6], cams[c, 7], cams[c, 8], cams[c, 9], cams[c, 10],
    )  # fmt: skip


@numba.njit(forceinline=True)
def point(points: Any, p: int) -> Any:
    """A point's numbers, one by one."""
    return points[p, 0], points[p, 1], points[p, 2]


@numba.njit(forceinline=True)
def fill(blocks: Any, i: int, row: int, gradient: Any) -> None:
    """Writes a gradient into a row of a block."""
    (
        blocks[i, row, 0], blocks[i, row, 1], blocks[i, row, 2], blocks[i, row, 3], blocks[i, row, 4], blocks[i, row, 5], blocks[i, row, 6],
        blocks[i, row, 7], blocks[i, row, 8], blocks[i, row, 9], blocks[i, row, 10], blocks[i, row, 11], blocks[i, row, 12],
        blocks[i, row, 13], blocks[i, row, 14],
    ) = gradient  # fmt: skip


def arguments(given: Any) -> tuple[Floats, Floats, Floats, Floats, Ints]:
    """The scene: the input has one camera, point, weight and feature, which all the others are copies of."""
    fields = Fields(given, "input")
    n, m, p = (fields.whole(name, 1) for name in ("n", "m", "p"))
    cams = np.tile(fields.array("cam", (CAMERA,)), (n, 1))
    points = np.tile(fields.array("x", (POINT,)), (m, 1))
    feats = np.tile(fields.array("feat", (2,)), (p, 1))
    seen = np.arange(p)
    return cams, points, np.full(p, fields.number("w")), feats, np.stack([seen % n, seen % m], axis=1)


def brief_errors(found: tuple[Floats, Floats]) -> dict[str, Any]:
    """The errors as GradBench wants them: all are alike, so one of each kind and how many there are."""
    errors, rest = found
    return {
        "reproj_error": {"elements": errors[0].tolist(), "repeated": len(errors)},
        "w_err": {"element": float(rest[0]), "repeated": len(rest)},
    }


def brief_jacobian(found: tuple[Ints, Ints, Floats]) -> dict[str, Any]:
    """The Jacobian as GradBench wants it: of rows, columns and values the first block's, as many as that has elements, and the last."""
    return {name: [*part[: 2 * BLOCK].tolist(), part[-1].item()] for name, part in zip(("rows", "cols", "vals"), found, strict=True)}


FUNCTIONS = {
    "objective": Task(arguments, lambda *scene: loops()[0](*scene), brief_errors),
    "jacobian": Task(arguments, lambda *scene: loops()[1](*scene), brief_jacobian),
}
