"""Array programs that together use what the Python frontend knows of arrays, lists and records; `PROGRAMS` lists each with arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

PROGRAMS = []
WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0, 5.0])

_rng = np.random.default_rng(0)
V, W = _rng.normal(size=5), _rng.normal(size=5)
A, B = _rng.normal(size=(3, 4)), _rng.normal(size=(3, 3))
INDEX = np.array([0, 2, 2])


def at(*calls):
    """Lists a function with the arguments to call it with."""

    def add(function):
        PROGRAMS.append((function, calls))
        return function

    return add


class Point(NamedTuple):
    x: float
    y: float = 2.0


@dataclass
class Body:
    mass: float
    q: np.ndarray

    def energy(self, k):
        return self.mass * k + self.q[0]

    @property
    def weight(self):
        return 9.81 * self.mass


# ---------------------------------------------------------------------------------------------- reading


@at((V,))
def ends(v):
    return v[0] + v[-1]


@at((A,))
def elements(a):
    return a[0, 1] + a[1][2] + a[-1, -1] + a.T[1, 2]


@at((A, 1), (A, -2), (A, 7))
def sections(a, k):
    n = 1
    return a[1:, ::2], a[..., 0], a[:, None, 1], a[k], a[k][n:], a[:, n:][0], a[slice(0, 2), 1], a[::-1, :-n], a[:k:n]


@at((V, INDEX))
def gathers(v, index):
    where = (v > 0) & ~(v > 1.0)
    return v[index], v[v > 0], v[[0, 1]], v[where], v[index[1]]


@at((A,))
def rows(a):
    total = 0.0
    for row in a:
        for x in row:
            total += x * x
    for i, (x, y) in enumerate(zip(a[0], a[1, 1:]), 2):  # noqa: B905  (as users write it)
        total += i * x * y
    for x in reversed(a[2]):
        total = total * 0.5 + x
    for k, x in zip(range(1, 9, 2), a[1]):  # noqa: B905  (as users write it)
        total -= k * x
    return total + sum(a[0]) + sum(x * x for x in a[1]) + max(a[2]) - min(a[0, 1:])


@at((V,), (V[:3],), (V[:0],))
def unpacked(v):
    a, b, c, d, e = v
    return a * b - c * d + e


@at((A,))
def facts(a):
    n, m = a.shape
    return n * m + a.ndim + a.size + len(a) + a.shape[0] + a[1:].shape[1]


@at((V, W))
def arithmetic(v, w):
    return v @ w + (v * w).sum(), abs(v), v**2, -v, v**3, 2.0 / v, v * WEIGHTS, np.where(v > 0, v, 0.0), 2.0 ** (v > w), v // w, v % 2.0


@at((V, W, 1.0), (V, W, -1.0))
def chosen(v, w, c):
    x = v if c > 0 else w
    for _ in range(3):
        x = x * 0.5 + v
    return x


def first(v):
    return v[0]


def along(a, axis):
    return np.sum(a, axis=axis)


@at((A,))
def called(a):
    return first(a[1]) + along(a, 1)[0] * along(a, axis=0)[-1]


# ---------------------------------------------------------------------------------------------- containers


@at(({"w": 2.0, "b": V},))
def dicts(p):
    total = 0.0
    for value in p.values():
        total = total + np.sum(value)
    return {"total": total * p["w"], "names": len(p), "has": "w" in p}


@at((Point(1.0, 2.0),), (Point(-1.0),))
def named_tuples(p):
    a, b = p
    return Point(p.x * 2.0, y=b) if a > 0.0 else Point(p[0])


@at((Body(2.0, V),))
def objects(body):
    heavier = Body(body.mass * 2.0, body.q * 3.0)
    return body.energy(3.0) + heavier.energy(1.0) + body.weight, heavier


@at((V,), (V, np.sin, "sum"))
def static_arguments(v, f=None, mode="mean"):
    if f is not None:
        v = f(v)
    return np.sum(v) if mode == "sum" else np.mean(v)


# ---------------------------------------------------------------------------------------------- lists


@at((V,))
def comprehensions(v):
    pairs = [a * b for a in v for b in v]
    return [2.0 * x for x in v][1] + len([x for x in v if x > 0.0]) + sum([x * i for i, x in enumerate(v)]) + pairs[7]


@at((V, 4), (V, 0))
def appended(v, n: int):
    xs = [v[0]]
    for i in range(n):
        xs.append(xs[-1] * 0.5 + i)
        if i > 1:
            xs.append(1.0)
    half = xs[1:]
    return np.array(xs), len(xs), max(xs), xs[0] + len(half)


@at((V,))
def positions(v):
    found = []
    for i in range(len(v)):
        if v[i] > 0:
            found.append(i)
    total = 0.0
    for i in found:
        total += v[i] * i
    return total


@at((V,))
def short_lists(v):
    a = []
    a.append(v[0])
    a.append(2.0)
    b = [x + 1.0 for x in a] + [3.0]
    return a[0] + b[2] + np.sum(b) + max(x * x for x in v)


@at((V, 3), (V, 0))
def empty_list(v, n: int):
    xs = []
    for i in range(n):
        xs.append(v[i])
    return xs[-1]


# ---------------------------------------------------------------------------------------------- writing


@at((V,))
def elements_written(v):
    u = v.copy()
    u[0] = 1
    u[1] += v[2]
    u[2:] *= 2.0
    u[-1] **= 2
    return u


@at((V,))
def views_of_views(v):
    u = v.copy()
    b = u
    b[0] = 5.0
    c = u[1:4]
    c[0] = 7.0
    c[1] *= 2.0
    d = c[1:]
    d[0] -= 1.0
    d += 0.25
    return u, b, c, d


@at((A,))
def columns(a):
    q = a.copy()
    for j in range(4):
        col = q[:, j]
        col /= 2.0 + j
        for k in range(j + 1, 4):
            q[:, k] -= col * 0.5
    return q


@at((V, 3), (V, 0))
def buffers_swapped(v, n: int):
    u, new = v.copy(), np.zeros(len(v))
    for _ in range(n):
        for i in range(1, len(v) - 1):
            new[i] = 0.5 * (u[i - 1] + u[i + 1])
        u, new = new, u
    return u, new


@at((V,))
def argument_written(v):
    v[0] = 3.0
    v *= 2.0
    return v.sum()


def gravity(p, acc):
    acc[:] = 0.0
    for i in range(len(p)):
        for j in range(len(p)):
            if i != j:
                acc[i] += p[j] - p[i]


@at((V, 2), (V, 0))
def helper_writes(v, n: int):
    acc, u = np.zeros(len(v)), v.copy()
    gravity(u, acc)
    for _ in range(n):
        u += 0.1 * acc
        gravity(u, acc)
    return u.sum(), acc


@at((A,))
def swaps(a):
    m = a.copy()
    m[0], m[1] = m[1], m[0]  # of rows: views, so that both are the old second row
    m[[0, 2]] = m[[2, 0]]
    m[1, 0], m[1, 1] = m[1, 1], m[1, 0]
    return m


@at((V, INDEX))
def overlaps(v, index):
    u = v.copy()
    u[1:] = u[:-1]
    u += u[::-1]
    u[index] += 1.0
    u[u > 1.0] = 0.0
    return u


@at((A,))
def transposed(a):
    m = a.copy()
    t = m.T
    t[0] = 1.0
    t[1][2] = 3.0
    for row in m:
        row *= 2.0
    for i, row in enumerate(m):
        row[0] = i
    return m, t


@at((V, W, 1.0), (V, W, -1.0))
def alias_by_branch(v, w, c):
    a, b = v.copy(), w.copy()
    x = a if c > 0 else b
    x[0] = 9.0
    p, q = np.zeros(2), np.ones(2)
    if c > 0.5:
        p, q = q, p
    p[1] = 4.0
    return x, p, q


@at((V, 3), (V, 0))
def rebound_in_loop(v, n: int):
    x, y = v.copy(), v
    for _ in range(n):
        new = np.zeros(len(v))
        for i in range(len(v)):
            new[i] = 0.5 * x[i] + 1.0
        x = new
        y = y * 0.5
        y[0] = x[1]
    return x, y


@at((V, 1.0), (V, -1.0))
def written_in_one_arm(v, c):
    u = v.copy()
    if c > 0:
        u[0] = 2.0
    else:
        u[1:] *= 3.0
    return u


def filled(a, x):
    a.fill(x)
    return a


@at((V,))
def helper_returns_its_argument(v):
    u = np.empty(3)
    z = filled(u, v[0])
    z[1] = 2.0
    pair = (u, 1.0)
    pair[0][2] = 5.0
    return u, z


@at((V, 9), (V, 1), (V, 4))
def left_early(v, n: int):
    u = v.copy()
    for i in range(n):
        if u[0] > 3.0:
            break
        u[0] += 1.0
        if i == 2:
            return u, i
    return u, n


@at(({"a": V, "b": W},))
def dict_of_arrays_written(d):
    d["a"][0] = 2.0
    return d["a"] + d["b"]


@at((V,))
def old_name_keeps(v):
    u = v.copy()
    z = u
    u = u + 1.0
    u[0] = 4.0
    return u, z


@at((A,))
def rows_as_accumulators(a):
    x = np.zeros((2, 3))
    row = x[0]
    row[:] = a[0, :3]
    row += 1.0
    x[1] = row
    row = x[1]
    row[0] = -1.0
    return x


@at((V,))
def written_in_while(v):
    u = v.copy()
    i = 0
    while u[i] < 10.0 and i < 4:
        u[i + 1] = u[i] + u[i + 1]
        i += 1
    return u


@at((V, 4), (V, 7))
def history(v, n: int):
    a, kept = v.copy(), np.zeros((4, 5))
    for t in range(n):
        a = a * 0.9
        kept[t] = a
        a[0] = t
    return kept


def halves(u):
    if len(u) < 2:
        return
    u[::2] *= 0.5
    halves(u[1:])
    u[0] += u[-1]


@at((V,))
def recursive_writer(v):
    u = v.copy()
    halves(u)
    halves(u[2:])
    return u


@at((V,))
def closure_writes(v):
    u = v.copy()

    def step(k):
        u[k] = u[k - 1] * 0.5

    for k in range(1, 4):
        step(k)
    return u


# ---------------------------------------------------------------------------------------------- widths and kinds

F = V.astype(np.float32)
I = np.arange(1, 6)  # noqa: E741  (an index)
M = np.array([True, False, True, True, False])


@at((F, 0.3, V))
def narrow(x, w, y):
    total = 0.0
    for k in range(5):
        total += x[k]
    return x * 2.0 + 1, x[0] * w * x, total * x, x[1:] / 3, x**2, np.exp(x), x @ x * x, x + y, x * y[0], x * np.sum(y), x * float(y[0])


@at((F,))
def narrow_written(x):
    u = x.copy()
    u[0] = 0.1
    u += 0.3
    u[1] *= 3.3
    u[2:] = u[2:] / 3
    return u, math.sin(x[0]) * x, x * np.sin(2.0), abs(x[0]) * x, max(x[0], 0.5) * x


@at((I,))
def ints(i):
    j = i.copy()
    j[0] += 3
    j *= 2
    j[1:] -= j[:-1]
    return j, i + 1, i * i, i / 2, i // 2, i % 2, -i, abs(i), i**2, i > 2, i * 0.5, i[0] / i[1], i.sum(), i & 3, ~i


@at((M, V))
def bools(m, x):
    return m * x, m & ~m, np.sum(m), x[m], m * 1.0, np.where(m, x, 0.0), ~m, m | m, m ^ m


@at((A,))
def reshaped(a):
    m = np.zeros((3, 4))
    flat = m.reshape(-1)
    flat[2] = a[0, 0]
    flat[3:5] += a[1, :2]
    wide = flat.reshape(2, 6)
    wide[1] *= 2.0
    line = m.ravel()
    line[0] = 7.0
    line += 1.0
    row = m.reshape((4, 3))[1]
    row[0] = 9.0
    same = np.asarray(m)
    same[0, 3] = -1.0
    return m, flat, wide, line, row


@at(({"w": V, "b": 2.0}, W))
def dict_of_weights(p, g):
    w = {"w": p["w"].copy(), "b": p["b"]}
    for _ in range(3):
        w["w"] -= 0.1 * g
    w["w"].sort()
    p["w"] *= 2.0
    return w["w"], p["w"] * w["b"]


@at((np.asfortranarray(A),), (A[::2],), (A.T,))
def copies_in_order(a):
    m = a.copy()
    flat = m.reshape(-1)
    flat[1] = 9.0
    line = np.copy(a).reshape(-1)  # of an array in Fortran's order, a copy of a copy
    line[0] = 5.0
    twice = (a * 2.0).copy()
    twice.ravel()[2] = 7.0
    return m, flat, line, twice


# ---------------------------------------------------------------------------------------------- recursion that writes


def even(u, k):
    if k >= len(u):
        return 0.0
    u[k] *= 2.0
    return odd(u, k + 1) + u[k]


def odd(u, k):
    if k >= len(u):
        return 0.0
    u[k] += 1.0
    return even(u, k + 1)


@at((V,))
def mutually(v):
    u = v.copy()
    return even(u, 0), u, odd(v, 1)


def quicksort(a, lo, hi):
    if lo < hi:
        p = lo
        for k in range(lo, hi):
            if a[k] < a[hi]:
                a[k], a[p] = a[p], a[k]
                p += 1
        a[p], a[hi] = a[hi], a[p]
        quicksort(a, lo, p - 1)
        quicksort(a, p + 1, hi)


@at((V,), (W,))
def sorted_by_hand(v):
    u = v.copy()
    quicksort(u, 0, len(u) - 1)
    return u


@at((V,))
def recursive_closure(v):
    def walk(k):
        if k < len(v) - 1:
            v[k + 1] += v[k]
            walk(k + 1)

    walk(0)
    return v.sum()
