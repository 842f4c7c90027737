"""kmeans: the cost of a clustering, and Newton's step towards a better one.

The Hessian of the cost is diagonal, so the Hessian times a vector of ones has all of it. Both transforms are applied one after the other:
`slope` is the gradient's text times a direction; its own derivative by the direction is the gradient, that by the centroids the
Hessian times the direction, and one compiled function has both.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.generated import as_function
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile
def nearest(points: Any, centroids: Any) -> Any:
    """Which centroid each point is nearest to."""
    found = np.zeros(points.shape[0], dtype=np.int64)
    for i in range(points.shape[0]):
        least = np.inf
        for j in range(centroids.shape[0]):
            distance = 0.0
            for a in range(points.shape[1]):
                distance += (points[i, a] - centroids[j, a]) ** 2
            if distance < least:
                least = distance
                found[i] = j
    return found


@stagegrad.compile(wrt="centroids")
def spread(points: Any, centroids: Any, cluster: Any) -> Any:
    """The sum of the squared distances of all points from the centroids of their clusters."""
    total = 0.0
    for i in range(points.shape[0]):
        for a in range(points.shape[1]):
            total += (points[i, a] - centroids[cluster[i], a]) ** 2
    return total


@cache
def slope() -> stagegrad.Staged[..., Any]:
    """The function whose gradient is the gradient of `spread` and its Hessian times `ahead`."""
    spread.build_for(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros(2, np.int64))
    gradient = as_function(spread)

    def along(points: Any, centroids: Any, cluster: Any, ahead: Any) -> Any:
        found = gradient(points, centroids, cluster)
        total = 0.0
        for j in range(centroids.shape[0]):
            for a in range(centroids.shape[1]):
                total += found[j, a] * ahead[j, a]
        return total

    return stagegrad.compile(along, wrt=("ahead", "centroids"))


def cost(points: Floats, centroids: Floats) -> float:
    """What the clustering costs."""
    found: float = spread(points, centroids, nearest(points, centroids))
    return found


def direction(points: Floats, centroids: Floats) -> Floats:
    """The gradient divided by the Hessian's diagonal."""
    gradient, diagonal = slope().grad(points, centroids, nearest(points, centroids), np.ones_like(centroids))
    step: Floats = gradient / diagonal
    return step


def arguments(given: Any) -> tuple[Floats, Floats]:
    """The points and the centroids, a row each."""
    fields = Fields(given, "input")
    points = fields.table("points")
    return points, fields.table("centroids", columns=points.shape[1])


FUNCTIONS = {
    "cost": Task(arguments, cost, plain),
    "dir": Task(arguments, direction, plain),
}
