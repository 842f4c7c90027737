"""Methods as their users write them by hand: filters, factorisations, trees, chains, integrators, each against differences of itself."""
# ruff: noqa: B007, B905, E731, E741, RUF007  (as users write)

from __future__ import annotations

import math
from collections.abc import Callable
from math import exp, log, sqrt
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.user_programs import Programs, compare

PROGRAMS = Programs()
_rng = np.random.default_rng(7)
N, U = _rng.normal, _rng.uniform
X = np.array([0.7, -0.4, 1.3, 0.2, 0.9])
obs = np.array([0, 1, 1, 0, 2, 1])


@PROGRAMS.called_with(N(size=(3, 3)), N(size=(3, 3)), N(size=3), obs)
def hmm_fb(a, b, p, o):
    A = np.exp(a) / np.sum(np.exp(a), axis=1, keepdims=True)
    B = np.exp(b) / np.exp(b).sum(axis=1, keepdims=True)
    pi0 = np.exp(p) / np.sum(np.exp(p))
    T = len(o)
    alphas = []
    al = pi0 * B[:, o[0]]
    ll = 0.0
    c = np.sum(al)
    al = al / c
    ll += np.log(c)
    alphas.append(al)
    for t in range(1, T):
        al = (alphas[-1] @ A) * B[:, o[t]]
        c = al.sum()
        al = al / c
        ll += np.log(c)
        alphas.append(al)
    betas = [np.ones(3)]
    for t in range(T - 2, -1, -1):
        be = A @ (B[:, o[t + 1]] * betas[-1])
        betas.append(be / np.sum(be))
    betas = betas[::-1]
    gam = [x * y / np.sum(x * y) for x, y in zip(alphas, betas)]
    return ll + np.sum(np.array(gam)[:, 0] ** 2)


@PROGRAMS.called_with(N(size=(3, 3)), N(size=(3, 3)), N(size=3), obs)
def viterbi(a, b, p, o):
    T = len(o)
    d = p + b[:, o[0]]
    back = []
    for t in range(1, T):
        s = d[:, None] + a
        back.append(np.argmax(s, axis=0))
        d = np.max(s, axis=0) + b[:, o[t]]
    path = [int(np.argmax(d))]
    for t in range(T - 2, -1, -1):
        path.append(int(back[t][path[-1]]))
    return np.max(d) + 0.0 * len(path) + a[path[0], path[1]]


@PROGRAMS.called_with(N(size=(4, 4)) + 4 * np.eye(4), N(size=4))
def lu_solve(a, b):
    n = len(b)
    L = np.eye(n)
    Um = a.copy()
    perm = list(range(n))
    for k in range(n - 1):
        piv = k + int(np.argmax(np.abs(Um[k:, k])))
        if piv != k:
            Um[[k, piv]] = Um[[piv, k]]
            tmp = L[k, :k].copy()
            L[k, :k] = L[piv, :k]
            L[piv, :k] = tmp
            perm[k], perm[piv] = perm[piv], perm[k]
        for i in range(k + 1, n):
            L[i, k] = Um[i, k] / Um[k, k]
            Um[i, k:] -= L[i, k] * Um[k, k:]
    y = np.zeros(n)
    for i in range(n):
        y[i] = b[perm[i]] - L[i, :i] @ y[:i]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (y[i] - Um[i, i + 1 :] @ x[i + 1 :]) / Um[i, i]
    return np.sum(x**2)


@PROGRAMS.called_with(N(size=(5, 3)))
def house_qr(a):
    m, n = a.shape
    R = a.copy()
    Q = np.eye(m)
    for k in range(n):
        x = R[k:, k]
        v = x.copy()
        v[0] += np.sign(x[0]) * np.linalg.norm(x)
        v = v / np.linalg.norm(v)
        R[k:] -= 2.0 * np.outer(v, v @ R[k:])
        Q[:, k:] -= 2.0 * np.outer(Q[:, k:] @ v, v)
    return np.sum(np.log(np.abs(np.diag(R)))) + Q[0, 1] * Q[2, 0]


@PROGRAMS.called_with(95.0, 102.0, 0.08, 0.4, 0.7, 6)
def american_put(s, k, r, v, t, n: int):
    dt = t / n
    u = exp(v * sqrt(dt))
    d = 1 / u
    p = (exp(r * dt) - d) / (u - d)
    disc = exp(-r * dt)
    vals = [max(k - s * u ** (2 * j - n), 0.0) for j in range(n + 1)]
    for i in range(n - 1, -1, -1):
        vals = [max(disc * (p * vals[j + 1] + (1 - p) * vals[j]), k - s * u ** (2 * j - i)) for j in range(i + 1)]
    return vals[0]


class Body(NamedTuple):
    m: float
    x: np.ndarray
    v: np.ndarray


@PROGRAMS.called_with(np.array([1.0, 0.5, 0.2]), N(size=(3, 2)), 0.1 * N(size=(3, 2)))
def nbody(m, x, v):
    bodies = [Body(m[i], x[i], v[i]) for i in range(3)]
    for step in range(5):
        new = []
        for i, b in enumerate(bodies):
            acc = np.zeros(2)
            for j, o in enumerate(bodies):
                if i != j:
                    d = o.x - b.x
                    r2 = d @ d + 0.01
                    acc = acc + o.m * d / r2**1.5
            vv = b.v + 0.05 * acc
            new.append(b._replace(x=b.x + 0.05 * vv, v=vv))
        bodies = new
    return sum(0.5 * b.m * (b.v @ b.v) for b in bodies) + np.sum(bodies[0].x * bodies[2].x)


@PROGRAMS.called_with(N(size=8), 0.3, 0.5)
def kalman_smoother(z, q, r):
    F = np.array([[1.0, 1.0], [0.0, 1.0]])
    H = np.array([[1.0, 0.0]])
    Q = q * np.eye(2)
    x = np.zeros(2)
    P = np.eye(2)
    xs = []
    Ps = []
    xp = []
    Pp = []
    ll = 0.0
    for zi in z:
        x = F @ x
        P = F @ P @ F.T + Q
        xp.append(x)
        Pp.append(P)
        S = (H @ P @ H.T)[0, 0] + r
        K = (P @ H.T)[:, 0] / S
        e = zi - x[0]
        x = x + K * e
        P = P - np.outer(K, H @ P)
        ll += -0.5 * (log(S) + e * e / S)
        xs.append(x)
        Ps.append(P)
    sm = [xs[-1]]
    for t in range(len(z) - 2, -1, -1):
        G = Ps[t] @ F.T @ np.linalg.inv(Pp[t + 1])
        sm.append(xs[t] + G @ (sm[-1] - xp[t + 1]))
    return ll + np.sum(np.array(sm[::-1])[:, 0] ** 2)


@PROGRAMS.called_with(N(size=(6, 3)), {"Wx": N(size=(3, 16)) * 0.3, "Wh": N(size=(4, 16)) * 0.3, "b": N(size=16) * 0.1})
def lstm(xs, p):
    h = np.zeros(4)
    c = np.zeros(4)
    hs = []
    for x in xs:
        z = x @ p["Wx"] + h @ p["Wh"] + p["b"]
        i, f, o, g = np.split(z, 4)
        i = 1 / (1 + np.exp(-i))
        f = 1 / (1 + np.exp(-f))
        o = 1 / (1 + np.exp(-o))
        g = np.tanh(g)
        c = f * c + i * g
        h = o * np.tanh(c)
        hs.append(h)
    return np.mean(np.stack(hs) ** 2) + np.sum(h * c)


@PROGRAMS.called_with(N(size=(5, 8)), N(size=(8, 8)), N(size=(8, 8)), N(size=(8, 8)), N(size=(8, 8)))
def mha(x, Wq, Wk, Wv, Wo):
    nh = 2
    d = 4
    Q = x @ Wq
    K = x @ Wk
    V = x @ Wv
    outs = []
    for h in range(nh):
        s = slice(h * d, (h + 1) * d)
        sc = Q[:, s] @ K[:, s].T / math.sqrt(d)
        mask = np.tril(np.ones_like(sc))
        sc = np.where(mask > 0, sc, -np.inf)
        w = np.exp(sc - np.max(sc, axis=-1, keepdims=True))
        w /= w.sum(axis=-1, keepdims=True)
        outs.append(w @ V[:, s])
    return np.sum((np.concatenate(outs, axis=-1) @ Wo) ** 2)


@PROGRAMS.called_with(N(size=12), np.array([0.2, -0.3]), np.array([-1.0, 1.0]), np.array([0.1, 0.3]))
def em_gmm(x, lw, mu, ls):
    for it in range(3):
        w = np.exp(lw) / np.sum(np.exp(lw))
        comp = [np.log(w[k]) - ls[k] - 0.5 * ((x - mu[k]) / np.exp(ls[k])) ** 2 for k in range(2)]
        L = np.stack(comp, axis=1)
        R = np.exp(L - np.logaddexp.reduce(L, axis=1)[:, None])
        Nk = R.sum(axis=0)
        mu = (R.T @ x) / Nk
        ls = 0.5 * np.log(np.array([R[:, k] @ (x - mu[k]) ** 2 / Nk[k] for k in range(2)]))
        lw = np.log(Nk / len(x))
    return np.sum(mu**2) + np.sum(ls) + lw[0]


@PROGRAMS.called_with(N(size=6) * 0.1, 2 + U(size=7), N(size=6) * 0.1, N(size=7))
def thomas(a, b, c, d):
    n = len(b)
    cp = [c[0] / b[0]]
    dp = [d[0] / b[0]]
    for i in range(1, n):
        m = b[i] - a[i - 1] * cp[i - 1]
        if i < n - 1:
            cp.append(c[i] / m)
        dp.append((d[i] - a[i - 1] * dp[i - 1]) / m)
    x = [0.0] * n
    x[-1] = dp[-1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return sum(v**2 for v in x)


@PROGRAMS.called_with(N(size=(5, 5)), N(size=5))
def conj_grad(m, b):
    A = m @ m.T + 5 * np.eye(5)
    x = np.zeros_like(b)
    r = b - A @ x
    p = r
    rs = r @ r
    hist = [rs]
    for _ in range(5):
        Ap = A @ p
        al = rs / (p @ Ap)
        x = x + al * p
        r = r - al * Ap
        new = r @ r
        if np.sqrt(new) < 1e-3:
            break
        p = r + new / rs * p
        rs = new
        hist.append(rs)
    return np.sum(x) + np.log(hist[1])


@PROGRAMS.called_with(N(size=5), N(size=6))
def dtw(a, b):
    n, m = len(a), len(b)
    D = [[float("inf")] * (m + 1) for _ in range(n + 1)]
    D[0][0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            D[i][j] = (a[i - 1] - b[j - 1]) ** 2 + min(D[i - 1][j], D[i][j - 1], D[i - 1][j - 1])
    return D[n][m]


@PROGRAMS.called_with(N(size=(5, 3)), N(size=(3, 3)), np.array([0, 2, 1, 1, 0]))
def crf(e, t, y):
    al = e[0]
    for i in range(1, len(e)):
        al = e[i] + np.array([np.logaddexp.reduce(al + t[:, k]) for k in range(3)])
    sc = e[0, y[0]]
    for a, b, row in zip(y[:-1], y[1:], e[1:]):
        sc += t[a, b] + row[b]
    return np.logaddexp.reduce(al) - sc


@PROGRAMS.called_with(N(size=8), N(size=8))
def fft_hand(re, im):
    n = len(re)

    def fft(r, i):
        if len(r) == 1:
            return r, i
        er, ei = fft(r[::2], i[::2])
        orr, oi = fft(r[1::2], i[1::2])
        k = np.arange(len(r) // 2)
        a = -2 * np.pi * k / len(r)
        c = np.cos(a)
        s = np.sin(a)
        tr = c * orr - s * oi
        ti = c * oi + s * orr
        return np.concatenate((er + tr, er - tr)), np.concatenate((ei + ti, ei - ti))

    fr, fi = fft(re, im)
    return np.sum(fr**3) + np.sum(fi**2 * np.arange(n))


@PROGRAMS.called_with(np.array([0.3, 0.5, -0.2]), np.array([1.0, 2.0, 3.0]))
def quat(w, v):
    q = (1.0, 0.0, 0.0, 0.0)

    def mul(a, b):
        return (
            a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
            a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
            a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
            a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
        )

    for _ in range(4):
        th = np.linalg.norm(w)
        ax = w / th
        dq = (np.cos(th / 2), np.sin(th / 2) * ax[0], np.sin(th / 2) * ax[1], np.sin(th / 2) * ax[2])
        q = mul(q, dq)
        nn = sum(c * c for c in q) ** 0.5
        q = tuple(c / nn for c in q)
    r = mul(mul(q, (0.0, v[0], v[1], v[2])), (q[0], -q[1], -q[2], -q[3]))
    return r[1] ** 2 + r[2] * r[3]


DH = [(0.0, 0.3, 1.57), (0.5, 0.0, 0.0), (0.4, 0.1, -1.57)]


@PROGRAMS.called_with(np.array([0.3, 0.6, -0.4]))
def dh_chain(q):
    T = np.eye(4)
    ps = []
    for (a, d, al), th in zip(DH, q):
        ct, st, ca, sa = np.cos(th), np.sin(th), np.cos(al), np.sin(al)
        T = T @ np.array([[ct, -st * ca, st * sa, a * ct], [st, ct * ca, -ct * sa, a * st], [0, sa, ca, d], [0, 0, 0, 1.0]])
        ps.append(T[:3, 3])
    return np.sum(np.array(ps) ** 2) + np.linalg.norm(ps[-1] - ps[0])


@PROGRAMS.called_with(np.array([0.1, 0.2]), N(size=(6, 2)), np.log(U(size=6)))
def metropolis(x, eps, lu):
    def lp(z):
        return -0.5 * np.sum(z**2) - 0.1 * np.sum(z**4)

    cur = lp(x)
    chain = []
    acc = 0
    for e, u in zip(eps, lu):
        prop = x + 0.5 * e
        l = lp(prop)
        if u < l - cur:
            x = prop
            cur = l
            acc += 1
        chain.append(x)
    return np.mean(np.array(chain)[:, 0]) + np.sum(chain[-1] ** 2) + acc


@PROGRAMS.called_with(U(size=(4, 4)))
def pagerank(w):
    n = len(w)
    P = w / w.sum(axis=1, keepdims=True)
    r = np.ones(n) / n
    for k in range(60):
        new = 0.85 * (P.T @ r) + 0.15 / n
        if np.abs(new - r).sum() < 1e-12:
            r = new
            break
        r = new
    else:
        raise RuntimeError("no convergence")
    return r[0] * r[2]


@PROGRAMS.called_with(1.0, 0.1, 0.3, N(size=20))
def sde_milstein(x, mu, s, dw):
    dt = 0.05
    path = [x]
    for z in dw:
        w = z * sqrt(dt)
        x = x + mu * x * dt + s * x * w + 0.5 * s * s * x * (w * w - dt)
        path.append(x)
    return max(path) - min(path) + np.mean(np.array(path))


@PROGRAMS.called_with(U(size=6), U(size=6))
def radiative(tau, src):
    I = 0.0
    T = []
    for t, s in zip(tau, src):
        e = exp(-t)
        I = I * e + s * (1 - e)
        T.append(I)
    J = [0.5 * (a + b) for a, b in zip(T, T[1:])]
    return I + sum(J) * T[2]


@PROGRAMS.called_with(np.array([1.0, 0.5]), 1.5)
def newton_hand(x, a):
    for _ in range(20):
        f = np.array([x[0] ** 2 + x[1] ** 2 - a, x[0] - x[1] ** 3])
        J = np.array([[2 * x[0], 2 * x[1]], [1.0, -3 * x[1] ** 2]])
        dx = np.linalg.solve(J, -f)
        x = x + dx
        if np.max(np.abs(dx)) < 1e-12:
            break
    return x[0] * x[1]


@PROGRAMS.called_with(N(size=(4, 3)), N(size=(2, 6)) * 0.1, N(size=(2, 4, 2)))
def bundle(pts, cams, obs):
    err = 0.0
    for cam, ob in zip(cams, obs):
        w, t = cam[:3], cam[3:]
        th = np.sqrt(w @ w)
        k = w / th
        res = []
        for p in pts:
            r = p * np.cos(th) + np.cross(k, p) * np.sin(th) + k * (k @ p) * (1 - np.cos(th)) + t
            z = r[2] + 5.0
            res.append(np.array([r[0] / z, r[1] / z]))
        d = np.stack(res) - ob
        s = np.sum(d**2, axis=1)
        err += np.sum(np.where(s < 1.0, 0.5 * s, np.sqrt(s) - 0.5))
    return err


@PROGRAMS.called_with(N(size=(3, 4)), N(size=4))
def adaptive(A, y):
    t, h = 0.0, 0.1
    n = 0
    y = y[:3]
    f = lambda y: np.tanh(A[:, :3] @ y) - 0.1 * y
    while t < 1.0:
        h = min(h, 1.0 - t)
        k1 = f(y)
        k2 = f(y + h * k1)
        e = np.max(np.abs(k2 - k1)) * h / 2
        if e < 1e-2:
            y = y + h * (k1 + k2) / 2
            t += h
        h *= 0.9 * min(2.0, max(0.3, sqrt(1e-2 / (e + 1e-12))))
        n += 1
        if n > 200:
            raise ValueError("steps")
    return y @ y


# lists that a trip makes and the next one reads
@PROGRAMS.called_with(X)
def lists_of_two_trips(x):
    prev = [x[0]]
    s = 0.0
    for k in range(4):
        cur = [x[k] * 2, x[k]]
        s += prev[0] * cur[1]
        prev = cur
        prev = [prev[0]]
    return s


@PROGRAMS.called_with(X)
def a_list_of_the_trip_before(x):
    prev = [x[0], x[1]]
    s = 0.0
    for k in range(4):
        prev[0] = prev[0] * x[k]
        cur = [x[k] * 2, x[k]]
        s += prev[0] * cur[1]
        prev = cur
    return s + prev[0]


@PROGRAMS.called_with(X)
def lists_that_change_places_once_more(x):
    a = [x[0], x[1]]
    b = [x[2], x[3]]
    for k in range(4):
        a, b = b, [a[0] * x[k], a[1]]
        a[0] += 1.0
    return a[0] * b[1]


@PROGRAMS.called_with(X)
def one_longer_than_in_the_trip_before(x):
    vals = [v * 1.0 for v in x]
    for i in range(3):
        old = vals
        vals = [0.5 * (old[j] + old[j + 1]) for j in range(len(old) - 1)]
        vals.append(old[0])
        vals[0] = vals[1] * 2
    return sum(vals) * old[0]


@PROGRAMS.called_with(X)
def a_name_for_the_list_before(x):
    vals = [v * 1.0 for v in x]
    keep = vals
    for i in range(3):
        vals = [2 * v for v in vals]
        keep[0] = 1.0
        keep = vals
    return sum(keep)


COMPILED = {"thomas", "radiative", "one_longer_than_in_the_trip_before"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)
