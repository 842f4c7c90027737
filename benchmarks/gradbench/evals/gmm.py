"""gmm: the log posterior of a mixture of Gaussians, whose inverse covariances have a Wishart prior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import stagegrad
from benchmarks.gradbench.fields import Fields, Floats
from benchmarks.gradbench.task import Task, plain


@stagegrad.compile(wrt=("alpha", "mu", "q", "l"))
def log_posterior(alpha: Any, mu: Any, q: Any, l: Any, x: Any, gamma: float, m: int) -> Any:  # noqa: E741
    """Of the weights' logarithms, the means and the factors of the inverse covariances, given the points `x`.

    Each factor is lower triangular, with exp(q) on the diagonal and l below it, column by column.
    """
    n, d = x.shape
    k = alpha.shape[0]
    terms = np.empty((k, n))
    prior = 0.0
    for c in range(k):
        factor = np.diag(np.exp(q[c]))
        at = 0
        for i in range(d):
            for j in range(i + 1, d):
                factor[j, i] = l[c, at]
                at += 1
        away = (x - mu[c]) @ factor.T
        height = alpha[c] + np.sum(q[c])
        for i in range(n):
            square = 0.0
            for j in range(d):
                square += away[i, j] * away[i, j]
            terms[c, i] = height - 0.5 * square
        prior += 0.5 * gamma * gamma * np.sum(factor * factor) - m * np.sum(q[c])
    top = np.max(terms, axis=0)
    likelihood = np.sum(top + np.log(np.sum(np.exp(terms - top), axis=0)))
    largest = np.max(alpha)
    weights = largest + np.log(np.sum(np.exp(alpha - largest)))
    return likelihood - n * weights - prior - 0.5 * n * d * math.log(2.0 * math.pi) + k * wishart(d, gamma, m)


def wishart(d: int, gamma: float, m: int) -> float:
    """The logarithm of the density's constant, for factors of `d` rows."""
    freedom = d + m + 1
    half_gamma = 0.25 * d * (d - 1) * math.log(math.pi)
    for j in range(d):
        half_gamma += math.lgamma(0.5 * (freedom - j))
    return freedom * d * (math.log(gamma) - 0.5 * math.log(2.0)) - half_gamma


def arguments(given: Any) -> tuple[Floats, Floats, Floats, Floats, Floats, float, int]:
    """The parameters, the points and the prior's."""
    fields = Fields(given, "input")
    d, k, n = (fields.whole(name, 1) for name in ("d", "k", "n"))
    alpha, mu, q = fields.array("alpha", (k,)), fields.array("mu", (k, d)), fields.array("q", (k, d))
    below = fields.array("l", (k, d * (d - 1) // 2))
    return alpha, mu, q, below, fields.array("x", (n, d)), fields.number("gamma"), fields.whole("m")


def gradient(found: tuple[Floats, ...]) -> dict[str, Any]:
    """The four gradients by the names of their parameters."""
    return dict(zip(("alpha", "mu", "q", "l"), map(plain, found), strict=True))


FUNCTIONS = {
    "objective": Task(arguments, log_posterior, plain),
    "jacobian": Task(arguments, log_posterior.grad, gradient),
}
