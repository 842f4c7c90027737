"""ht: how far the surface of a hand model in some pose is from measured points, and the Jacobian of all these distances.

The distances of one point depend on the 26 numbers of the pose and, where it lies inside a triangle, on its 2 coordinates there: each
row of the Jacobian is a gradient by reverse mode, of one distance of one point.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

import stagegrad
from benchmarks.gradbench.fields import BadMessage, Fields, Floats, Ints
from benchmarks.gradbench.task import Task, plain

#: Numbers of a pose: a rotation, a translation, and four angles for each finger.
POSE, FINGERS = 26, 5
#: Below this angle the whole hand is not turned at all.
STILL = 1e-4


def transforms(theta: Any, parents: Any, relatives: Any, inverses: Any) -> Any:
    """What each bone does to a vertex that follows it: matrices of 3 rows and 4 columns."""
    absolutes = np.zeros(relatives.shape)
    found = np.zeros((relatives.shape[0], 3, 4))
    local = np.zeros((4, 4))
    for b in range(parents.shape[0]):
        finger = (b - 1) // 4
        joint = (b - 1) % 4
        bend = 0.0
        spread = 0.0
        if 0 <= finger < FINGERS and joint > 0:
            bend = theta[6 + 4 * finger + (joint if joint > 1 else 0)]
            if joint == 1:
                spread = theta[7 + 4 * finger]
        # A joint is bent about its first axis, then spread about its third.
        c1 = math.cos(bend)
        s1 = math.sin(bend)
        c3 = math.cos(spread)
        s3 = math.sin(spread)
        for i in range(4):
            local[i, 0] = relatives[b, i, 0] * c3 + relatives[b, i, 1] * s3
            side = relatives[b, i, 1] * c3 - relatives[b, i, 0] * s3
            local[i, 1] = side * c1 + relatives[b, i, 2] * s1
            local[i, 2] = relatives[b, i, 2] * c1 - side * s1
            local[i, 3] = relatives[b, i, 3]
        for i in range(4):
            for j in range(4):
                if parents[b] < 0:
                    absolutes[b, i, j] = local[i, j]
                else:
                    for k in range(4):
                        absolutes[b, i, j] += absolutes[parents[b], i, k] * local[k, j]
        for i in range(3):
            for j in range(4):
                for k in range(4):
                    found[b, i, j] += absolutes[b, i, k] * inverses[b, k, j]
    return found


def skinned(moves: Any, base: Any, weights: Any, vertex: int, axis: int) -> Any:
    """A coordinate of a vertex, which follows all bones by its weights."""
    found = 0.0
    for b in range(moves.shape[0]):
        moved = 0.0
        for k in range(4):
            moved += moves[b, axis, k] * base[vertex, k]
        found += weights[vertex, b] * moved
    return found


def placed(theta: Any, x: float, y: float, z: float) -> tuple[Any, Any, Any]:
    """A point of the hand, turned about the axis that is the first of the pose, and moved."""
    angle = math.sqrt(theta[0] ** 2 + theta[1] ** 2 + theta[2] ** 2)
    a = 0.0
    b = 0.0
    c = 0.0
    cosine = 1.0
    sine = 0.0
    if angle >= STILL:
        a = theta[0] / angle
        b = theta[1] / angle
        c = theta[2] / angle
        cosine = math.cos(angle)
        sine = math.sin(angle)
    along = (a * x + b * y + c * z) * (1.0 - cosine)
    return (
        x * cosine + (b * z - c * y) * sine + a * along + theta[3],
        y * cosine + (c * x - a * z) * sine + b * along + theta[4],
        z * cosine + (a * y - b * x) * sine + c * along + theta[5],
    )


def distance(theta: Any, u: Any, moves: Any, corners: Any, point: Any, base: Any, weights: Any, sign: float) -> tuple[Any, Any, Any]:
    """From a measured point to one on the surface, at the coordinates `u` in a triangle, along the three axes."""
    inside = np.zeros(3)
    for axis in range(3):
        first = skinned(moves, base, weights, corners[0], axis)
        second = skinned(moves, base, weights, corners[1], axis)
        third = skinned(moves, base, weights, corners[2], axis)
        inside[axis] = u[0] * first + u[1] * second + (1.0 - u[0] - u[1]) * third
    x, y, z = placed(theta, sign * inside[0], inside[1], inside[2])
    return point[0] - x, point[1] - y, point[2] - z


@stagegrad.compile
def distances(
    theta: Any, us: Any, corners: Any, points: Any, parents: Any, relatives: Any, inverses: Any, base: Any, weights: Any, sign: float
) -> Any:
    """All distances, a row for each point."""
    moves = transforms(theta, parents, relatives, inverses)
    found = np.zeros(points.shape)
    for k in range(points.shape[0]):
        found[k, 0], found[k, 1], found[k, 2] = distance(theta, us[k], moves, corners[k], points[k], base, weights, sign)
    return found


@stagegrad.compile(wrt=("theta", "u"))
def weighted(
    theta: Any, u: Any, seed: Any, corners: Any, point: Any, parents: Any, relatives: Any, inverses: Any,
    base: Any, weights: Any, sign: float,
) -> Any:  # fmt: skip
    """The distances of one point, each times its seed."""
    moves = transforms(theta, parents, relatives, inverses)
    x, y, z = distance(theta, u, moves, corners, point, base, weights, sign)
    return seed[0] * x + seed[1] * y + seed[2] * z


@cache
def rows() -> Callable[..., Any]:
    """The loop over all distances of all points: the gradient of each by the coordinates in the triangle, then by the pose."""
    ints, floats = np.zeros(3, np.int64), np.zeros((2, 4, 4))
    weighted.build_for(np.zeros(POSE), np.zeros(2), np.zeros(3), ints, np.zeros(3), ints, floats, floats, floats[0], floats[0], 1.0)
    gradient = weighted.numba.grad

    @numba.njit
    def jacobian(
        theta: Any, us: Any, corners: Any, points: Any, parents: Any, relatives: Any, inverses: Any, base: Any, weights: Any, sign: float
    ) -> Any:
        found = np.empty((points.size, 2 + theta.size))
        seeds = np.eye(3)
        for k in range(len(points)):
            for i in range(3):
                ahead, inside = gradient(theta, us[k], seeds[i], corners[k], points[k], parents, relatives, inverses, base, weights, sign)
                found[3 * k + i, :2] = inside
                found[3 * k + i, 2:] = ahead
        return found

    compiled: Callable[..., Any] = jacobian
    return compiled


def jacobian(inside: bool, *rest: Any) -> Floats:
    """The rows; without the columns by the coordinates where the points are at vertices."""
    found: Floats = rows()(*rest)
    return found if inside else found[:, 2:]


def arguments(given: Any) -> tuple[Any, ...]:
    """Whether points lie inside triangles, the pose, the coordinates there, the triangles' corners, the points and the model."""
    fields = Fields(given, "input")
    data = fields.part("data")
    model = data.part("model")
    base = model.array("base_positions", (None, 4))
    bones = model.whole("bone_count", 1)
    parents = model.indices("parents", (bones,), -1, bones)
    if np.any(parents >= np.arange(bones)):
        raise BadMessage("input.data.model.parents has a bone that comes before its parent")
    matrices = (model.array(name, (bones, 4, 4)) for name in ("base_relatives", "inverse_base_absolutes"))
    corners, us, inside = surface(fields, data, model, len(base))
    points = data.array("points", (len(us), 3))
    sign = -1.0 if model.flag("is_mirrored") else 1.0
    weights = model.array("weights", (len(base), bones))
    return inside, fields.array("theta", (POSE,)), us, corners, points, parents, *matrices, base, weights, sign


def surface(fields: Fields, data: Fields, model: Fields, vertices: int) -> tuple[Ints, Floats, bool]:
    """The corners of each point's triangle, its coordinates in it, and whether there are any: else the point is at a vertex."""
    if "us" not in fields or not fields.items("us"):
        at = data.indices("correspondences", (None,), 0, vertices)
        return np.stack([at, at, at], axis=1), np.zeros((len(at), 2)), False
    triangles = model.indices("triangles", (None, 3), 0, vertices)
    at = data.indices("correspondences", (None,), 0, len(triangles))
    return triangles[at], fields.array("us", (len(at), 2)), True


FUNCTIONS = {
    "objective": Task(arguments, lambda _, *rest: distances(*rest), lambda found: plain(found.ravel())),
    "jacobian": Task(arguments, jacobian, plain),
}
