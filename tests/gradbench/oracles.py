"""GradBench's objectives a second time, in whole-array NumPy that takes complex numbers: an imaginary step measures their derivatives.

A function of real numbers that is analytic has df/dx = Im f(x + ih) / h, with no difference of nearby numbers that could lose digits, so
these gradients are right to the last few bits. Nothing here is shared with `benchmarks.gradbench`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

STEP = 1e-30


def jacobian(function: Callable[..., Any], args: list[Any], place: int) -> Any:
    """The derivatives of all results (a row each, or one number) by the elements of one argument."""
    columns = []
    for k in range(np.size(args[place])):
        moved = np.array(args[place], complex)
        moved.flat[k] += 1j * STEP
        columns.append(np.imag(function(*args[:place], moved, *args[place + 1 :])) / STEP)
    return np.stack(columns, axis=-1)


def gradient(function: Callable[..., Any], args: list[Any], place: int) -> Any:
    """The gradient of one number by an argument, in its shape."""
    return jacobian(function, args, place).reshape(np.shape(args[place]))


def log_sum_exp(x: Any) -> Any:
    top = np.max(np.real(x), axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.sum(np.exp(x - top), axis=-1))


def log_posterior(alpha: Any, mu: Any, q: Any, l: Any, x: Any, gamma: float, m: int) -> Any:  # noqa: E741
    """By the definitions of both densities, with whole matrices."""
    k, d = mu.shape
    terms, prior = [], 0.0
    for c in range(k):
        factor = np.zeros((d, d), complex)
        factor.T[np.triu_indices(d, 1)] = l[c]
        factor[np.diag_indices(d)] = np.exp(q[c])
        precision = factor.T @ factor
        half = np.sum(q[c])  # half of the logarithm of the precision's determinant
        away = x - mu[c]
        squares = np.einsum("na,ab,nb->n", away, precision, away)
        terms.append(alpha[c] - log_sum_exp(alpha) + half - 0.5 * d * np.log(2 * np.pi) - 0.5 * squares)
        n = d + m + 1
        multigamma = 0.25 * d * (d - 1) * np.log(np.pi) + sum(math.lgamma(0.5 * (n - j)) for j in range(d))
        # V is the unit matrix divided by gamma squared.
        norm = 0.5 * n * d * np.log(2.0) - n * d * np.log(gamma) + multigamma
        prior += 0.5 * (n - d - 1) * 2.0 * half - 0.5 * gamma**2 * np.trace(precision) - norm
    return np.sum(log_sum_exp(np.stack(terms, axis=-1))) + prior


def turned(axis: Any, points: Any) -> Any:
    """Points turned about an axis, by the exponential of the matrix of its cross product; to first order where there is no axis."""
    x, y, z = axis
    cross = np.array([[0 * x, -z, y], [z, 0 * x, -x], [-y, x, 0 * x]])
    angle = np.sqrt(x * x + y * y + z * z)
    if abs(np.real(angle)) < 1e-20:
        return points @ (np.eye(3) + cross).T
    matrix = np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross
    return points @ matrix.T


def observed(block: Any, feature: Any) -> Any:
    """The two errors of an observation; `block` is a camera, a point and a weight."""
    axis, centre, focus, principal, radial, point, weight = np.split(block, [3, 6, 7, 9, 11, 14])
    across, up, depth = turned(axis, (point - centre)[None])[0]
    flat = np.array([across, up]) / depth
    far = np.sum(flat * flat)
    return weight * (flat * (1 + radial[0] * far + radial[1] * far**2) * focus + principal - feature)


def lstm_loss(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    """With all units of a layer at once."""

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    hidden, cell = list(state[0::2]), list(state[1::2])
    total = 0.0
    for row, follows in pairwise(sequence):
        signal = row * extra[0]
        for i, (weight, bias) in enumerate(zip(main[0::2], main[1::2], strict=True)):
            (w_forget, w_in, w_out, w_change), (b_forget, b_in, b_out, b_change) = np.split(weight, 4), np.split(bias, 4)
            change = np.tanh(hidden[i] * w_change + b_change)
            cell[i] = cell[i] * sigmoid(signal * w_forget + b_forget) + sigmoid(hidden[i] * w_in + b_in) * change
            hidden[i] = signal = sigmoid(signal * w_out + b_out) * np.tanh(cell[i])
        prediction = signal * extra[1] + extra[2]
        total += np.sum(follows * (prediction - np.log(2 + np.sum(np.exp(prediction)))))
    return -total / (sequence.shape[1] * (len(sequence) - 1))


def misfit(x: Any, n: int) -> Any:
    t = -1 + np.arange(n) * 2 / (n - 1)
    rest = np.sign(t) - np.vander(t, len(x), increasing=True) @ x
    return 0.5 * np.sum(rest * rest)


def solution(x: Any, s: int) -> Any:
    """All equations at once."""

    def slope(y: Any) -> Any:
        return x * np.concatenate([[1.0], y[:-1]])

    y, h = 0 * x, 2 / s
    for _ in range(s):
        k1 = slope(y)
        k2 = slope(y + h * k1 / 2)
        k3 = slope(y + h * k2 / 2)
        k4 = slope(y + h * k3)
        y = y + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return y


def distances(theta: Any, us: Any, data: Any) -> Any:
    """Bone after bone, with homogeneous matrices."""
    model = data["model"]
    angles = np.zeros((3, len(model["parents"]) + 3), complex)
    taken = iter(theta[6:])
    for finger in range(5):
        for joint in range(3):
            angles[0, 5 + 4 * finger + joint] = next(taken)
            if joint == 0:
                angles[1, 5 + 4 * finger] = next(taken)
    absolutes: list[Any] = []
    positions = 0.0
    base = np.array(model["base_positions"])
    for b, parent in enumerate(model["parents"]):
        bend, spread, _ = angles[:, b + 3]
        joint = np.eye(4, dtype=complex)
        about_x = np.array([[1, 0, 0], [0, np.cos(bend), -np.sin(bend)], [0, np.sin(bend), np.cos(bend)]])
        about_z = np.array([[np.cos(spread), -np.sin(spread), 0], [np.sin(spread), np.cos(spread), 0], [0, 0, 1]])
        joint[:3, :3] = about_z @ about_x
        local = np.array(model["base_relatives"][b]) @ joint
        absolutes.append(local if parent == -1 else absolutes[parent] @ local)
        transform = absolutes[b] @ np.array(model["inverse_base_absolutes"][b])
        positions = positions + np.array(model["weights"])[:, b : b + 1] * (base @ transform.T)[:, :3]
    if model["is_mirrored"]:
        positions = positions * [-1, 1, 1]
    positions = turned(theta[:3], positions) + theta[3:6]
    at = np.array(data["correspondences"])
    if us is None:
        return (np.array(data["points"]) - positions[at]).ravel()
    corners = positions[np.array(model["triangles"])[at]]
    inside = us[:, :1] * corners[:, 0] + us[:, 1:] * corners[:, 1] + (1 - us[:, :1] - us[:, 1:]) * corners[:, 2]
    return (np.array(data["points"]) - inside).ravel()
