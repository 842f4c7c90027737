"""Stencils that the user writes as loops: what is gathered is what the loops would have added, to the last bit or nearly."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

pytest.importorskip("numba")

RNG = np.random.default_rng(5)


def steps_1d(u, c, count):
    for _ in range(count):
        v = u.copy()
        for i in range(1, len(u) - 1):
            v[i] = u[i] + c * (u[i + 1] - 2.0 * u[i] + u[i - 1]) * u[i]
        u = v
    return np.sum(u * u)


def wide(u, k):
    if len(u) != len(k):
        raise ValueError("lengths")
    total = 0.0
    for i in range(3, len(u) - 2):
        d = k[i] * (u[i - 3] + u[i + 2] * u[i]) - np.tanh(u[i - 1]) * k[i - 1]
        total += d * d
    return total


def owned_fields(p, q, dt):
    if p.shape[0] != q.shape[0] or p.shape[1] != q.shape[1]:
        raise ValueError("shapes")
    p = p.copy()
    q = q.copy()
    pn = p.copy()
    qn = q.copy()
    n, m = p.shape
    for i in range(1, n - 1):
        for j in range(1, m):
            p[i, j] = pn[i, j] - dt * pn[i, j] * (qn[i + 1, j] - qn[i, j - 1])
            q[i, j] = qn[i, j] + dt * (pn[i - 1, j] - qn[i, j]) * qn[i, j]
    return np.sum(p * q)


def coefficients(u, k, w):
    if u.shape[0] != k.shape[0] or u.shape[1] != k.shape[1]:
        raise ValueError("shapes")
    n, m = u.shape
    v = np.zeros((n, m))
    for i in range(n - 1):
        for j in range(2, m):
            v[i, j] = k[i, j] * (u[i + 1, j] - u[i, j - 2]) + w * u[i, j] ** 2
    return np.sum(v * v * v)


def boxes(u, c):
    n, m, size = u.shape
    v = u.copy()
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            for k in range(1, size - 1):
                v[i, j, k] = c * (u[i + 1, j, k] * u[i - 1, j, k] + u[i, j + 1, k] - u[i, j - 1, k] + u[i, j, k + 1] * u[i, j, k - 1])
    return np.sum(v * v)


def limited(u, c):
    n = len(u)
    v = u.copy()
    for i in range(1, n - 1):
        left = u[i] - u[i - 1]
        right = u[i + 1] - u[i]
        slope = left if abs(left) < abs(right) else right
        v[i] = u[i] - c * slope * u[i + 1]
    return np.sum(v * v)


def donor(u, a, c):
    if len(u) != len(a):
        raise ValueError("lengths")
    v = u.copy()
    for i in range(1, len(u) - 1):
        if a[i] > 0.0:
            flux = a[i] * (u[i] - u[i - 1]) * u[i]
            if flux > 1.0:
                flux = flux * c
        else:
            flux = a[i] * (u[i + 1] - u[i])
        v[i] = u[i] - c * flux
    return np.sum(v * v)


def sources(u, s, c):
    n, m = u.shape
    v = np.zeros((n, m))
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            v[i, j] = c * (u[i + 1, j] + u[i - 1, j]) * u[i, j]
            v[i, j] += s * u[i, j - 1]
    return np.sum(v * v)


def residuals(u, k):
    if u.shape[0] != k.shape[0] or u.shape[1] != k.shape[1]:
        raise ValueError("shapes")
    total = 0.0
    for i in range(1, u.shape[0] - 1):
        for j in range(2, u.shape[1]):
            d = k[i, j] * u[i + 1, j] * u[i - 1, j - 2] - u[i, j]
            if d > 0.5:
                d = d * u[i, j - 1]
            total += d * d
    return total


def slopes_of_what_was_made(u, c):
    n = len(u)
    v = np.zeros(n)
    w = u.copy()
    for i in range(n):
        v[i] = u[i] * u[i] + c
    for i in range(1, n - 1):
        w[i] = v[i] * (v[i + 1] - v[i - 1])
    return np.sum(w * w)


def upside_down(u):
    n, m = u.shape
    v = np.zeros((n, m))
    for i in range(n - 2, 0, -1):
        for j in range(1, m - 1):
            v[i, j] = u[i - 1, j + 1] * u[i + 1, j - 1]
    return np.sum(v)


def shifted_write(u):
    n = len(u)
    v = np.zeros(n)
    for i in range(n - 1):
        v[i + 1] = u[i] * u[i + 1]
    return np.sum(v * v)


def gauss_seidel(u, c):
    u = u.copy()
    for i in range(1, len(u) - 1):
        u[i] = u[i] + c * (u[i + 1] - 2.0 * u[i] + u[i - 1])
    return np.sum(u * u)


def periodic(u):
    total = 0.0
    for i in range(len(u)):
        d = u[i] - u[i - 1]
        total += d * d * d
    return total


def upwind(u, c):
    u = u.copy()
    for i in range(len(u) - 1, 0, -1):
        u[i] = u[i] - c * (u[i] - u[i - 1]) * u[i]
    return np.sum(u * u)


def padded(u, c):
    """What is written is longer than what the loops count through."""
    n, m = u.shape
    v = np.zeros((n + 2, m + 1))
    for i in range(n):
        for j in range(m):
            v[i + 1, j] = u[i, j] * c
    w = np.zeros((n + 2, m + 1))
    for i in range(1, n + 1):
        for j in range(1, m):
            w[i, j] = v[i + 1, j] * v[i - 1, j] - c * v[i, j - 1] * v[i, j] + v[i, j + 1]
    return np.sum(w * w)


def ghosts(u0, c, count):
    """The border is filled in place, then all cells are computed anew."""
    n, m = u0.shape
    u = np.zeros((n + 2, m + 2))
    for i in range(n):
        for j in range(m):
            u[i + 1, j + 1] = u0[i, j]
    for _ in range(count):
        for i in range(1, n + 1):
            u[i, 0] = u[i, 1]
            u[i, m + 1] = c * u[i, m] ** 2
        for j in range(m + 2):
            u[0, j] = u[n, j]
            u[n + 1, j] = u[1, j]
        new = u.copy()
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                new[i, j] = u[i, j] + c * (u[i + 1, j] * u[i - 1, j] + u[i, j + 1] - u[i, j - 1] - 4.0 * u[i, j])
        u = new
    return np.sum(u * u)


def by_counts(u, n):
    total = 0.0
    for i in range(1, n - 1):
        total += u[i + 1] * u[i - 1]
    return total


VECTORS = [RNG.normal(size=n) for n in (0, 1, 2, 3, 4, 5, 6, 7, 9, 24)]
GRIDS = [RNG.normal(size=shape) for shape in itertools.product((0, 1, 2, 3, 4, 5, 11), repeat=2)]
BOXES = [RNG.normal(size=shape) for shape in ((0, 3, 3), (1, 1, 1), (2, 3, 4), (3, 3, 3), (4, 5, 3), (5, 6, 9))]


def like(array: Any) -> Any:
    return RNG.normal(size=array.shape)


#: Each with the arguments it is called with, and whether its gradient is gathered.
PROGRAMS: list[tuple[Any, list[tuple[Any, ...]], bool]] = [
    (steps_1d, [(u, 0.1, 3) for u in VECTORS], True),
    (wide, [(u, like(u)) for u in VECTORS], True),
    (owned_fields, [(u, like(u), 0.2) for u in GRIDS], True),
    (coefficients, [(u, like(u), 0.3) for u in GRIDS], True),
    (boxes, [(u, 0.4) for u in BOXES], True),
    (limited, [(u, 0.3) for u in VECTORS], True),
    (donor, [(u, like(u), 0.3) for u in VECTORS], True),
    (sources, [(u, 0.7, 0.3) for u in GRIDS], True),
    (residuals, [(u, like(u)) for u in GRIDS], True),
    (slopes_of_what_was_made, [(u, 0.3) for u in VECTORS], True),
    (upside_down, [(u,) for u in GRIDS], True),
    (shifted_write, [(u,) for u in VECTORS if len(u)], True),
    (padded, [(u, 0.4) for u in GRIDS], True),
    (ghosts, [(u, 0.2, 2) for u in GRIDS], True),
    (gauss_seidel, [(u, 0.3) for u in VECTORS], False),
    (periodic, [(u,) for u in VECTORS], False),
    (upwind, [(u, 0.3) for u in VECTORS], False),
    (by_counts, [(u, len(u)) for u in VECTORS], False),
]


def same(found: Any, expected: Any, bits: int = 64) -> None:
    if isinstance(expected, tuple):
        for one, other in zip(found, expected, strict=True):
            same(one, other, bits)
        return
    tolerance = 1e-12 if bits == 64 else 3e-5
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    assert np.asarray(found).dtype == np.asarray(expected).dtype


def arrays_of(args: tuple[Any, ...]) -> list[str]:
    return ["uvwxyz"[k] for k, arg in enumerate(args) if isinstance(arg, np.ndarray)]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("program", "arguments", "gathers"), PROGRAMS, ids=[program.__name__ for program, *_ in PROGRAMS])
def test_value_and_gradient_of_every_size(program, arguments, gathers):
    on_numba = stagegrad.compile(program, target="numba")
    on_numpy = stagegrad.compile(program, target="numpy")
    for args in arguments:
        value, gradient = on_numpy.value_and_grad(*args)
        found = on_numba.value_and_grad(*args)
        same(found[0], value)
        same(found[1], gradient)
    assert ("near the borders" in on_numba.source("numba")) is gathers


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("program", "arguments", "gathers"), PROGRAMS[:14], ids=[program.__name__ for program, *_ in PROGRAMS[:14]])
def test_narrow_and_scattered_arrays(program, arguments, gathers):
    on_numba = stagegrad.compile(program, target="numba")
    on_numpy = stagegrad.compile(program, target="numpy")
    for args in arguments[-2:]:
        narrow = tuple(arg.astype(np.float32) if isinstance(arg, np.ndarray) else arg for arg in args)
        apart = tuple(np.repeat(arg, 2, axis=-1)[..., ::2] if isinstance(arg, np.ndarray) else arg for arg in args)
        turned = tuple(np.asfortranarray(arg)[::-1] if isinstance(arg, np.ndarray) else arg for arg in args)
        for given, bits in ((narrow, 32), (apart, 64), (turned, 64)):
            value, gradient = on_numpy.value_and_grad(*given)
            found = on_numba.value_and_grad(*given)
            same(found[0], value, bits)
            same(found[1], gradient, bits)


def test_infinite_neighbours_stay_where_they_are():
    """A cell that no trip reaches is not multiplied by anything: neither inf nor nan spreads further than in the loops."""
    u = RNG.normal(size=(7, 8))
    for place in ((0, 0), (0, 3), (3, 0), (6, 7), (3, 3)):
        for value in (np.inf, np.nan):
            v = u.copy()
            v[place] = value
            on_numba = stagegrad.compile(coefficients, target="numba").value_and_grad(v, like(v), 0.5)
            assert np.isnan(on_numba[1][0]).sum() < v.size


def test_the_comments_name_the_line_that_is_undone():
    f = stagegrad.compile(steps_1d, types={"u": "float64[:]", "c": "float64", "count": "int64"}, wrt=("u", "c"))
    text = f.source("numba")
    assert re.search(r"# uip1 = u\[\(?i \+ 1\)?\]\n\s+du_i \+= ", text), text
    assert "zeros" not in text and "copy()" not in text.split("for trip")[1], text


def test_the_gradient_of_the_gradient_is_right():
    """By a factor of the field, so that it is one number; the oracle is the difference of the first derivative."""

    def scaled(t: float, u, c, n: int):
        return steps_1d(u * t, c, n)

    u = RNG.normal(size=9)
    once = stagegrad.compile(scaled, wrt="t", target="numpy")
    h = 1e-3
    near, far = ((once.grad(1.1 + k * h, u, 0.1, 2) - once.grad(1.1 - k * h, u, 0.1, 2)) / (2.0 * k * h) for k in (1, 2))
    for target in ("numpy", "numba"):
        twice = stagegrad.grad(stagegrad.grad(stagegrad.compile(scaled, wrt="t", target=target)))
        assert twice(1.1, u, 0.1, 2) == pytest.approx((4.0 * near - far) / 3.0, rel=1e-8)


def test_the_cells_at_the_ends_of_a_row_come_with_their_row():
    """A loop along a column would come when the rows have left the cache: gradients on 256 by 256 cells took a third longer."""
    lines = stagegrad.compile(boxes, types={"u": "float64[:, :, :]", "c": "float64"}).source("numba").splitlines()
    sides = [number for number, line in enumerate(lines) if line.strip() == "k = 0"]
    assert sides
    for side in sides:
        indent = len(lines[side]) - len(lines[side].lstrip())
        around = next(line for line in reversed(lines[:side]) if len(line) - len(line.lstrip()) < indent and line.strip())
        assert around.strip().startswith("for j in range("), around


def leapfrog(u, c, count):
    n, m = u.shape
    old, now, new = u.copy(), 0.9 * u, np.zeros((n, m))
    for _ in range(count):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                around = now[i + 1, j] + now[i - 1, j] + now[i, j + 1] + now[i, j - 1]
                new[i, j] = 2.0 * now[i, j] - old[i, j] + c * (around - 4.0 * now[i, j]) * now[i, j]
        old, now, new = now, new, old
    return np.sum(now * now) + old[1, 1] * new[0, 0]


def read_behind(u, c, count):
    n = len(u)
    now, new = u.copy(), u * c
    s = 0.0
    for k in range(count):
        s += new[k % n] * now[0]
        for i in range(1, n):
            new[i] = now[i] * c + now[i - 1] ** 2
        s += new[1] * now[n - 1]
        if s > 0.3:
            now, new = new, now
    return s + np.sum(now * new)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_arrays_that_a_loop_hands_around_are_recorded_whole(target):
    grid, line = RNG.normal(size=(5, 6)) * 0.4, RNG.normal(size=7) * 0.4
    for function, u in ((leapfrog, grid), (read_behind, line), (ghosts, grid)):
        staged = stagegrad.compile(function, target=target)
        for count in (0, 1, 4):
            value, gradient = staged.value_and_grad(u.copy(), 0.2, count)
            assert value == pytest.approx(function(u.copy(), 0.2, count), rel=1e-12)
            found = np.concatenate([np.ravel(one) for one in gradient])
            wanted = differences(function, (u, 0.2, count))
            np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9 * max(1.0, np.max(np.abs(wanted))))
        assert "record" not in staged.source(target)
        assert "uip1j_tape" not in staged.source(target)
