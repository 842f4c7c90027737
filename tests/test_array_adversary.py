"""Array programs with traps: each writes in place, leaves early, swaps, gathers or reads through views in a way that is easy to get wrong.

The oracle is a difference of the eighth order of the untouched function. Numba compiles a fifth of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat, leaves

PROGRAMS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

_rng = np.random.default_rng(1)


def called_with(*arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds a program with its arguments."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS.append((function, arguments))
        return function

    return add


@called_with(_rng.normal(size=(4, 4)) + 4 * np.eye(4), _rng.normal(size=4))
def jacobi_converge(A, b):
    x = np.zeros(4)
    k = 0
    while True:
        new = np.empty_like(x)
        for i in range(4):
            s = b[i]
            for j in range(4):
                if j == i:
                    continue
                s -= A[i, j] * x[j]
            new[i] = s / A[i, i]
        err = np.max(np.abs(new - x))
        x = new
        k += 1
        if err < 1e-3 or k >= 8:
            break
    return np.sum(x * x)


@called_with(_rng.normal(size=6), 3)
def bubble(x, n):
    a = x.copy()
    for i in range(len(a)):
        for j in range(len(a) - 1 - i):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    s = 0.0
    for i in range(n):
        s += (i + 1) * a[i] ** 2
    return s


@called_with(_rng.normal(size=(3, 5)))
def rows(A):
    t = 0.0
    for i, row in enumerate(A):
        row = row - row.mean()
        row[0] *= 2.0
        t += (i + 1) * np.dot(row, row)
    return t


@called_with(_rng.normal(size=(3, 5)))
def rows_inplace(A):
    B = A.copy()
    for row in B:
        row -= row.mean()
        row /= np.sqrt(1.0 + row @ row)
    return np.sum(B * np.arange(5.0))


@called_with(_rng.normal(size=5), 0.3)
def newton_inner(x, tol):
    y = np.zeros_like(x)
    for i in range(x.size):
        z = 1.0
        for _ in range(50):
            d = (z**3 + z - x[i]) / (3 * z * z + 1)
            z -= d
            if abs(d) < 1e-14:
                break
        y[i] = z
    return np.sum(np.sin(y))


@called_with(_rng.normal(size=(4, 3)), _rng.normal(size=3))
def helper_write(A, b):
    def relu_(v):
        for i in range(v.shape[0]):
            if v[i] < 0:
                v[i] = 0.1 * v[i]

    h = A @ b
    relu_(h)
    relu_(h[1:])
    return (h**2).sum()


@called_with(_rng.uniform(0.5, 1.5, size=(5,)), _rng.uniform(0.1, 0.5, size=(5, 5)))
def early(x, W):
    for i in range(5):
        x = np.tanh(W @ x)
        if x.sum() < 0.2 * i:
            return x.sum() * 2
    return (x * x).sum()


@called_with(_rng.normal(size=8))
def prefix_views(x):
    a = x.copy()
    even = a[::2]
    odd = a[1::2]
    even += odd
    odd -= 0.5 * even
    a[:] = a[::-1] * a
    return (a * np.arange(1.0, 9.0)).sum()


@called_with(_rng.normal(size=(3, 4)))
def transposed(M):
    B = M.copy()
    T = B.T
    for j in range(4):
        T[j] *= j + 1.0
        T[j, 0] += B[1, j] ** 2
    return np.sum(B**3)


@called_with(_rng.normal(size=4), _rng.normal(size=4))
def swap_buffers(u, v):
    a = u.copy()
    b = v.copy()
    for _ in range(3):
        b[1:] = a[:-1] * a[1:]
        b[0] = a[-1]
        a, b = b, a
    return a.sum() + 2 * (b * b).sum()


@called_with(_rng.uniform(0.1, 1, size=(4,)), _rng.uniform(0.2, 1, size=(4, 4)), np.array([0, 2, 1, 3, 3]))
def hmm(pi, T, obs):
    alpha = np.zeros((len(obs), 4))
    alpha[0] = pi / pi.sum()
    ll = 0.0
    for t in range(1, len(obs)):
        alpha[t] = (alpha[t - 1] @ T) * np.exp(-((np.arange(4) - obs[t]) ** 2) / 2.0)
        c = alpha[t].sum()
        alpha[t] /= c
        ll += np.log(c)
    return ll


@called_with(_rng.normal(size=(3, 3)))
def lu(A):
    n = A.shape[0]
    U = A.copy() + 5 * np.eye(n)
    L = np.eye(n)
    for k in range(n):
        for i in range(k + 1, n):
            L[i, k] = U[i, k] / U[k, k]
            U[i, k:] = U[i, k:] - L[i, k] * U[k, k:]
    d = 1.0
    for i in range(n):
        d *= U[i, i]
    return np.log(abs(d)) + np.sum(L)


@called_with(_rng.normal(size=5), _rng.normal(size=5))
def maxplus(x, y):
    best = np.full(5, -np.inf)
    for i in range(5):
        for j in range(i + 1):
            s = x[j] + math.sin(y[i - j])
            if s > best[i]:
                best[i] = s
    return best.sum()


@called_with(_rng.normal(size=(2, 3, 4)))
def rank3(X):
    Y = np.zeros((2, 4))
    for b in range(2):
        for k in range(3):
            Y[b] += X[b, k] * np.tanh(X[b, (k + 1) % 3])
    return (Y.max(axis=1) * np.array([1.0, 2.0])).sum() + Y[:, -1] @ Y[:, 0]


@called_with({"w": _rng.normal(size=(3, 2)), "b": _rng.normal(size=2)}, _rng.normal(size=(4, 3)))
def params(p, x):
    h = np.tanh(x @ p["w"] + p["b"])
    return (h**2).mean()


@called_with(_rng.normal(size=6), 0.1)
def while_state(x, tol):
    y = x.copy()
    n = 0
    while np.sum(y * y) > tol and n < 5:
        y *= 0.7
        y[n] -= 0.1 * y[0]
        n += 1
    return y.sum() + n


@called_with(_rng.normal(size=(5,)))
def stack_list(x):
    out = []
    for i in range(5):
        out.append(x[i] ** 2 + (out[-1] if i > 0 else 0.0))
    return sum(out)


@called_with(_rng.normal(size=(4,)), np.array([True, False, True, True]))
def masked(x, m):
    y = x.copy()
    y[m] *= 2.0
    y[~m] = y[m][0]
    return (y * y).sum()


@called_with(_rng.normal(size=(3, 3)), 4)
def power(M, k):
    R = np.eye(3)
    B = 0.3 * M
    while k > 0:
        if k % 2 == 1:
            R = R @ B
        B = B @ B
        k //= 2
    return np.trace(R) + R[0].sum()


@called_with(_rng.normal(size=10), np.array([0.2, 0.5, 0.3]))
def conv(x, w):
    y = np.zeros(len(x) - len(w) + 1)
    for i in range(len(y)):
        for j in range(len(w)):
            y[i] += x[i + j] * w[j]
    z = np.convolve(x, w, mode="valid")
    return (y * z).sum()


@called_with(_rng.normal(size=(5, 3)), 0.05, 20)
def nbody(q, dt, n):
    N = q.shape[0]
    p = np.zeros_like(q)
    x = q.copy()
    m = np.arange(1.0, N + 1)
    for _ in range(n):
        a = np.zeros_like(x)
        for i in range(N):
            for j in range(N):
                if i != j:
                    d = x[j] - x[i]
                    a[i] += m[j] * d / (d @ d + 0.5) ** 1.5
        p += dt * a
        x += dt * p
    return 0.5 * np.sum(m[:, None] * p**2)


@called_with(_rng.normal(size=7), _rng.normal(size=(7,)))
def cum(x, w):
    c = np.cumsum(x)
    d = np.diff(c**2)
    e = np.concatenate([d[:1], d * w[1:]])
    s = np.sort(e)[::-1]
    return s @ np.arange(7.0) + np.median(x) + np.max(e) - np.std(w)


@called_with(_rng.uniform(0.5, 2, size=(6,)), 0.2, 1.1, 0.9)
def binomial(s, r0, up, down):
    n = len(s)
    v = np.zeros(n + 1)
    p = (math.exp(r0 / n) - down) / (up - down)
    for i in range(n + 1):
        v[i] = max(s.sum() * up**i * down ** (n - i) - 6.0, 0.0)
    for t in range(n - 1, -1, -1):
        for i in range(t + 1):
            v[i] = math.exp(-r0 / n) * (p * v[i + 1] + (1 - p) * v[i])
    return v[0]


@called_with(_rng.normal(size=(3, 3)), _rng.normal(size=3), _rng.normal(size=(4, 3)))
def kalman(F, x0, ys):
    x = x0
    P0 = np.eye(3)
    ll = 0.0
    H = np.ones((1, 3))
    R = np.array([[0.5]])
    for t in range(len(ys)):
        x = 0.4 * F @ x
        P0 = 0.16 * F @ P0 @ F.T + 0.1 * np.eye(3)
        S = H @ P0 @ H.T + R
        K = P0 @ H.T @ np.linalg.inv(S)
        e = ys[t, :1] - H @ x
        ll -= 0.5 * (np.log(np.linalg.det(S)) + e @ np.linalg.solve(S, e))
        x = x + K @ e
        P0 = P0 - K @ H @ P0
    return ll


@called_with(_rng.normal(size=(4, 2)), _rng.normal(size=(8, 3)), _rng.normal(size=(2, 8)), _rng.normal(size=8))
def lstm(X, W, U, b):
    h = np.zeros(2)
    c = np.zeros(2)
    out = 0.0
    for t in range(X.shape[0]):
        z = U.T @ h + W[:, :2] @ X[t] + b
        i = 1 / (1 + np.exp(-z[:2]))
        f = 1 / (1 + np.exp(-z[2:4]))
        g = np.tanh(z[4:6])
        o = 1 / (1 + np.exp(-z[6:]))
        c = f * c + i * g
        h = o * np.tanh(c)
        out += h.sum()
    return out


@called_with(_rng.normal(size=(2, 4, 3)), _rng.normal(size=(3, 3)), _rng.normal(size=(3, 3)), _rng.normal(size=(3, 3)))
def attention(X, Q, K, V):
    tot = 0.0
    for b in range(X.shape[0]):
        q = X[b] @ Q
        k = X[b] @ K
        v = X[b] @ V
        s = q @ k.T / np.sqrt(3.0)
        s = s - s.max(axis=1, keepdims=True)
        w = np.exp(s)
        w /= w.sum(axis=-1, keepdims=True)
        tot += ((w @ v) ** 2).sum()
    return tot


@called_with(_rng.normal(size=(5, 5)), np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]))
def conv2d(img, k):
    h, w = img.shape
    out = np.zeros((h - 2, w - 2))
    for i in range(h - 2):
        for j in range(w - 2):
            out[i, j] = np.sum(img[i : i + 3, j : j + 3] * k)
    return np.sum(np.maximum(out, 0.0) ** 2)


@called_with(_rng.normal(size=5), _rng.uniform(1, 2, size=5), _rng.uniform(0.1, 0.4, size=4), _rng.uniform(0.1, 0.4, size=4))
def thomas(d, b, a, c):
    n = len(d)
    b = b.copy()
    d = d.copy()
    for i in range(1, n):
        w = a[i - 1] / b[i - 1]
        b[i] -= w * c[i - 1]
        d[i] -= w * d[i - 1]
    x = np.empty(n)
    x[-1] = d[-1] / b[-1]
    for i in range(n - 2, -1, -1):
        x[i] = (d[i] - c[i] * x[i + 1]) / b[i]
    return np.sum(x**2)


@called_with(_rng.uniform(0.2, 1, size=(4, 5)), _rng.uniform(0.5, 1, size=4), _rng.uniform(0.5, 1, size=5))
def sinkhorn(C, a, b):
    K = np.exp(-C / 0.5)
    u = np.ones(4)
    v = np.ones(5)
    a = a / a.sum()
    b = b / b.sum()
    for _ in range(5):
        u = a / (K @ v)
        v = b / (K.T @ u)
    return np.sum(u[:, None] * K * v[None, :] * C)


@called_with(_rng.normal(size=8), 0.1, 0.2, 0.3)
def garch(y, om, al, be):
    n = len(y)
    s2 = np.empty(n)
    s2[0] = np.var(y)
    ll = 0.0
    for t in range(1, n):
        s2[t] = om + al * y[t - 1] ** 2 + be * s2[t - 1]
        ll += -0.5 * (math.log(2 * math.pi) + math.log(s2[t]) + y[t] ** 2 / s2[t])
    return ll


@called_with(_rng.normal(size=(6,)), 2)
def levels(x, depth):
    def smooth(v, k):
        if k == 0:
            return v
        return smooth(0.5 * (v + np.roll(v, 1)), k - 1)

    return (smooth(x, depth) ** 2).sum()


@called_with(_rng.normal(size=(4, 4)))
def outer_diag(A):
    B = A.copy()
    for i in range(4):
        B[i, i] = A[i].sum()
    B[[0, 1]] = B[[1, 0]]
    return np.trace(B @ B.T) + B[0, 1]


@called_with(np.arange(1.0, 7.0), 3)
def writes_and_calls_itself(x, n: int):
    if n == 0:
        return np.sum(x * x)
    x[n] = 2.0 * x[n] * x[n - 1]
    return writes_and_calls_itself(x, n - 1)


@called_with(np.array([-0.9, 0.4]))
def read_again_after_a_write(z):
    state = np.sin(z)
    state[0] = 1.0
    return state.sum() + np.sum(np.sin(z))


@called_with(_rng.normal(size=3), 0.5, np.array([0, 0, 1]))
def one_place_written_twice(x, s, places):
    v = x.copy()
    v[places] -= s
    v[:] = v
    return np.mean(v)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize(("function", "arguments"), PROGRAMS, ids=lambda part: getattr(part, "__name__", ""))
def test_value_and_gradient(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    wrt = tuple(k for k, argument in enumerate(arguments) if leaves(argument))
    made = stagegrad.compile(function, wrt=wrt, target=target, cache=False)
    given = copy.deepcopy(arguments)
    value, gradients = made.value_and_grad(*given)
    np.testing.assert_array_equal(flat(given), flat(arguments))
    plain = copy.deepcopy(arguments)
    np.testing.assert_allclose(value, function(*plain), rtol=1e-12)
    np.testing.assert_allclose(made(*given), value, rtol=1e-12)
    np.testing.assert_allclose(flat(given), flat(plain), rtol=1e-12)
    fresh = lambda *numbers: function(*copy.deepcopy(numbers))  # noqa: E731  (the function may write to what it is given)
    np.testing.assert_allclose(flat(gradients), differences(fresh, arguments), rtol=1e-7, atol=1e-8)
