"""kmeans: the cost of a clustering, and Newton's step towards a better one.

The cost is a sum of one function of two numbers, over all points and their coordinates, and that function's slope and curvature by the
centroid's coordinate are the transform applied once and twice. As no term has two coordinates of centroids, the Hessian is diagonal.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.task import Task, plain

#: As many points as leave room in the nearest cache for all that is known of them.
CHUNK = 256


@stagegrad.compile
def term(point: float, centroid: float) -> float:
    """What one coordinate of a point adds to the cost."""
    return (point - centroid) ** 2


slope = stagegrad.grad(term, "centroid")
curvature = stagegrad.grad(slope, "centroid")

_term, _slope, _curvature = term.numba.value, slope.numba.value, curvature.numba.value


@numba.njit
def clusters(points: Any, centroids: Any) -> Any:
    """The least distance of each point from a centroid, and which one it is from; a chunk of points at a time, all of it at once."""
    least = np.full(len(points), np.inf)
    nearest = np.zeros(len(points), np.int64)
    for start in range(0, len(points), CHUNK):
        across = points[start : start + CHUNK].T.copy()
        search(across, centroids, least[start : start + CHUNK], nearest[start : start + CHUNK])
    return least, nearest


@numba.njit
def search(across: Any, centroids: Any, least: Any, nearest: Any) -> None:
    """The same for one chunk; `across` has a row for each coordinate."""
    distances = np.empty(len(least))
    for j in range(len(centroids)):
        distances[:] = 0.0
        for a in range(len(across)):
            row, there = across[a], centroids[j, a]
            for i in range(len(distances)):
                distances[i] += _term(row[i], there)
        for i in range(len(distances)):
            closer = distances[i] < least[i]
            least[i] = distances[i] if closer else least[i]
            nearest[i] = j if closer else nearest[i]


@numba.njit
def cost(points: Any, centroids: Any) -> Any:
    """The sum of the squared distances of all points from the centroids that they are nearest to."""
    return np.sum(clusters(points, centroids)[0])


@numba.njit
def direction(points: Any, centroids: Any) -> Any:
    """The gradient divided by the Hessian's diagonal."""
    gradient = np.zeros_like(centroids)
    diagonal = np.zeros_like(centroids)
    nearest = clusters(points, centroids)[1]
    for i in range(len(points)):
        j = nearest[i]
        for a in range(points.shape[1]):
            gradient[j, a] += _slope(points[i, a], centroids[j, a])
            diagonal[j, a] += _curvature(points[i, a], centroids[j, a])
    return gradient / diagonal


def arguments(given: Any) -> tuple[Floats, Floats]:
    """The points and the centroids, a row each."""
    fields = Fields(given, "input")
    points = fields.table("points")
    return points, fields.table("centroids", columns=points.shape[1])


FUNCTIONS = {
    "cost": Task(arguments, cost, plain),
    "dir": Task(arguments, direction, plain),
}
