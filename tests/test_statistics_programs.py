"""Likelihoods, filters, prices and losses as their users write them: loops with a tolerance, early exits, masks, records of parameters.

Value and gradient are those of the untouched function: its gradient by differences of the eighth order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import logsumexp

import stagegrad
from tests.user_programs import Programs, compare

_rng = np.random.default_rng(5)
PROGRAMS = Programs()
called_with = PROGRAMS.called_with


# ---------------------------------------------------------------------------------------------- loops that end by a tolerance


@called_with(0.3, 0.7)
def fixed_point(x: float, slope: float):
    for _ in range(60):
        before = x
        x = slope * math.cos(x)
        if abs(x - before) < 1e-13:
            break
    return x


@called_with(_rng.uniform(size=(3, 4)), np.array([0.2, 0.5, 0.3]), np.array([0.1, 0.4, 0.3, 0.2]), 0.4)
def sinkhorn(cost, a, b, eps):
    f, g = np.zeros_like(a), np.zeros_like(b)
    for _ in range(100):
        f_before = f
        f = eps * (np.log(a) - logsumexp((g[None, :] - cost) / eps, axis=1))
        g = eps * (np.log(b) - logsumexp((f[:, None] - cost) / eps, axis=0))
        if np.max(np.abs(f - f_before)) < 1e-13:
            break
    return np.sum(np.exp((f[:, None] + g[None, :] - cost) / eps) * cost)


@called_with(2.0, 0.3)
def root_by_brent(c: float, k: float):
    a, b = -5.0, 10.0
    fa, fb = math.exp(-k * a) + a - c, math.exp(-k * b) + b - c
    if fa * fb > 0.0:
        raise ValueError("root not bracketed")
    other, fo = a, fa
    step = before = b - a
    for _ in range(100):
        if fb * fo > 0.0:
            other, fo = a, fa
            step = before = b - a
        if abs(fo) < abs(fb):
            a, b, other = b, other, b
            fa, fb, fo = fb, fo, fb
        half = 0.5 * (other - b)
        if abs(half) <= 1e-15 or fb == 0.0:
            break
        if abs(before) >= 1e-15 and abs(fa) > abs(fb):
            s = fb / fa
            p, q = 2.0 * half * s, 1.0 - s
            if a != other:
                q, r = fa / fo, fb / fo
                p = s * (2.0 * half * q * (q - r) - (b - a) * (r - 1.0))
                q = (q - 1.0) * (r - 1.0) * (s - 1.0)
            q, p = -q if p > 0.0 else q, abs(p)
            before, step = (step, p / q) if 2.0 * p < min(3.0 * half * q, abs(before * q)) else (half, half)
        else:
            step = before = half
        a, fa = b, fb
        b += step if abs(step) > 1e-15 else math.copysign(1e-15, half)
        fb = math.exp(-k * b) + b - c
    return b


# ---------------------------------------------------------------------------------------------- sequences


@called_with(_rng.normal(size=3), _rng.normal(size=(3, 3)), _rng.normal(size=(3, 3)), np.array([0, 1, 2, 1, 0, 0, 2]))
def hidden_markov_posterior(start, steps, emissions, seen):
    times, states = len(seen), len(start)
    log_start, log_steps = start - logsumexp(start), steps - logsumexp(steps, axis=1, keepdims=True)
    log_seen = emissions - logsumexp(emissions, axis=-1)[:, np.newaxis]
    alpha, beta = np.full((times, states), -np.inf), np.zeros((times, states))
    alpha[0] = log_start + log_seen[:, seen[0]]
    for t in range(1, times):
        alpha[t] = logsumexp(alpha[t - 1][:, None] + log_steps, axis=0) + log_seen[:, seen[t]]
    for t in reversed(range(times - 1)):
        beta[t] = logsumexp(log_steps + log_seen[:, seen[t + 1]] + beta[t + 1], axis=1)
    total = logsumexp(alpha[-1])
    gamma = np.exp(alpha + beta - total)
    return total + 0.1 * np.sum(gamma * np.log(gamma + 1e-12))


@called_with(0.3, -0.4, 0.95, _rng.normal(size=8))
def local_level(log_noise, log_step, phi, y):
    q, r = math.exp(2 * log_step), math.exp(2 * log_noise)
    a, p, total = 0.0, 10.0, 0.0
    for t in range(len(y)):
        if not math.isnan(y[t]):
            f, v = p + r, y[t] - a
            k = p / f
            a += k * v
            p *= 1 - k
            total -= 0.5 * (math.log(2 * math.pi * f) + v * v / f)
        a, p = phi * a, phi**2 * p + q
    return total


class Linear(NamedTuple):
    move: np.ndarray
    look: np.ndarray
    log_move: np.ndarray
    log_look: float


@called_with(Linear(np.array([[1.0, 0.1], [0.0, 0.95]]), np.array([[1.0, 0.2]]), np.array([-1.0, -2.0]), -0.5), _rng.normal(size=(4, 1)))
def filter_of_a_record(p, ys):
    noise, seen = np.diag(np.exp(p.log_move)), np.exp(p.log_look) * np.eye(1)
    m, cov, total = np.zeros(2), np.eye(2), 0.0
    for y in ys:
        m, cov = p.move @ m, p.move @ cov @ p.move.T + noise
        s = p.look @ cov @ p.look.T + seen
        v = y - p.look @ m
        gain = np.linalg.solve(s, p.look @ cov).T
        m = m + gain @ v
        rest = np.eye(len(m)) - gain @ p.look
        cov = rest @ cov @ rest.T + gain @ seen @ gain.T
        total += -0.5 * (v @ np.linalg.solve(s, v) + np.linalg.slogdet(s)[1])
    return total


# ---------------------------------------------------------------------------------------------- prices


@called_with(100.0, 105.0, 0.05, 0.3, 1.0, 8)
def american_put_on_a_trinomial_tree(spot, strike, r, sigma, years, n: int):
    if n == 0:
        return max(strike - spot, 0.0)
    dt = years / n
    dx, nu = sigma * math.sqrt(3 * dt), r - 0.5 * sigma**2
    half = 0.5 * (sigma**2 * dt + nu**2 * dt**2) / dx**2
    up, down = half + 0.5 * nu * dt / dx, half - 0.5 * nu * dt / dx
    s = np.zeros(2 * n + 1)
    s[0] = spot * math.exp(-n * dx)
    for j in range(1, 2 * n + 1):
        s[j] = s[j - 1] * math.exp(dx)
    v = np.maximum(strike - s, 0)
    for i in range(n - 1, -1, -1):
        w = np.copy(v)
        for j in range(n - i, n + i + 1):
            w[j] = max(math.exp(-r * dt) * (up * v[j + 1] + (1 - up - down) * v[j] + down * v[j - 1]), strike - s[j])
        v = w
    return v[n]


@called_with(np.array([0.03, 0.032, 0.034]), np.array([0.2, 0.19, 0.18]), 0.1, _rng.normal(size=(2, 3)), 0.034)
def libor_market_model(rates, vol, beta, z, strike):
    n, delta, value = len(rates), 0.5, 0.0
    rho = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            rho[i, j] = np.exp(-beta * abs(i - j))
    root = np.linalg.cholesky(rho)
    for p in range(z.shape[0]):
        forward, bank = rates.copy(), 1.0
        for k in range(n):
            dw = np.sqrt(delta) * (root @ z[p])
            for i in range(k + 1, n):
                drift = 0.0
                for j in range(k + 1, i + 1):
                    drift += delta * forward[j] * rho[i, j] * vol[i] * vol[j] / (1 + delta * forward[j])
                forward[i] *= np.exp((drift - 0.5 * vol[i] ** 2) * delta + vol[i] * dw[i])
            bank *= 1 + delta * forward[k]
            value += delta * max(forward[k] - strike, 0) / bank
    return value / z.shape[0]


# ---------------------------------------------------------------------------------------------- models and losses


@called_with({"length": 0.3, "size": 0.1, "noise": -1.0}, np.linspace(0, 3, 4), _rng.normal(size=4))
def gaussian_process(theta, x, y):
    n = x.shape[0]
    k = np.exp(theta["size"] - 0.5 * (np.subtract.outer(x, x) / np.exp(theta["length"])) ** 2)
    k[np.diag_indices(n)] += np.exp(2 * theta["noise"])
    low, z = np.zeros_like(k), np.empty(n)
    for i in range(n):
        for j in range(i + 1):
            s = k[i, j] - np.dot(low[i, :j], low[j, :j])
            if i == j and s <= 0:
                return 1e10
            low[i, j] = np.sqrt(s) if i == j else s / low[j, j]
        z[i] = (y[i] - low[i, :i] @ z[:i]) / low[i, i]
    return 0.5 * z @ z + np.log(np.diag(low)).sum()


@called_with(_rng.normal(size=(4, 4)))
def contrast(s):
    labels = np.arange(len(s))
    return s[labels, labels].mean() ** 2


@called_with(_rng.normal(size=(5, 3)), _rng.normal(size=6), np.array([0, 2, 1, 1, 0]), _rng.normal(size=5), np.array([0, 0, 1, 0, 1]))
def policy_gradient(logits, values, actions, rewards, done, gamma=0.99, lam=0.95, clip=0.2):
    n = len(rewards)
    gain, last = np.zeros(n), 0.0
    for t in reversed(range(n)):
        goes_on = 1.0 - done[t]
        last = rewards[t] + gamma * values[t + 1] * goes_on - values[t] + gamma * lam * goes_on * last
        gain[t] = last
    scaled = (gain - gain.mean()) / (gain.std() + 1e-8)
    log_p = logits - logsumexp(logits, axis=-1)[:, None]
    ratio = np.exp(log_p[np.arange(n), actions] + 1.1)
    won = np.minimum(ratio * scaled, np.clip(ratio, 1 - clip, 1 + clip) * scaled).mean()
    return -won + 0.5 * (gain**2).mean() + 0.01 * (np.exp(log_p) * log_p).sum(1).mean()


COMPILED = {"root_by_brent", "american_put_on_a_trinomial_tree"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_what_was_not_observed_changes_nothing(target: Any) -> None:
    """A nan among the observations that the filter steps over has no gradient, and leaves those of the others alone."""
    made = stagegrad.compile(local_level, target=target, cache=target == "numba")
    y = np.array([0.4, math.nan, -0.3, math.nan])
    value, (*_, by_y) = made.value_and_grad(0.3, -0.4, 0.95, y)
    np.testing.assert_allclose(value, local_level(0.3, -0.4, 0.95, y), rtol=1e-13)
    assert by_y[1] == by_y[3] == 0.0
    assert np.all(by_y[[0, 2]] != 0.0)


def test_steps_that_are_forbidden() -> None:
    """Transitions of no probability: the posterior is finite, and so is every gradient."""
    forbidden = np.where(np.tril(np.ones((3, 3)), -1) > 0, -np.inf, 0.3)
    only_first = np.array([0.0, -np.inf, -np.inf])
    arguments = only_first, forbidden, _rng.normal(size=(3, 3)), np.array([0, 1, 2, 1])
    value, (by_start, by_steps, by_emissions) = stagegrad.compile(hidden_markov_posterior, target="numpy").value_and_grad(*arguments)
    np.testing.assert_allclose(value, hidden_markov_posterior(*arguments), rtol=1e-13)
    assert not by_start.any() and not np.tril(by_steps, -1).any()
    assert np.isfinite(by_steps).all() and by_emissions.any()
