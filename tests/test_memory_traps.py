"""Array programs whose names share memory, or that leave, skip or repeat what writes to it: each is right, or refused for a reason.

The oracle is a difference of the eighth order of the untouched function; what it writes to its arguments is compared as well.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat, leaves


@dataclass(frozen=True)
class Trap:
    """A program, its arguments, and what the refusal says if it is refused."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    refused: str = ""


TRAPS: list[Trap] = []
X = np.array([0.7, -0.4, 1.3, 0.2])
_rng = np.random.default_rng(7)
M = _rng.normal(size=(4, 4))


def called_with(*arguments: Any, refused: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds a program with its arguments."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        TRAPS.append(Trap(function, arguments, refused))
        return function

    return add


# ---------------------------------------------------------------------------------------------- names that change places


@called_with(X, 3)
def an_array_and_its_view_change_places(x, n: int):
    p = 2.0 * x
    e = p[::-1]
    for _ in range(n):
        e, p = p, e
    return e[0] * 100.0 + p[1] * 10.0 + p[3] * e[3]


@called_with(X, 3, refused="whether the write on line .* changes `p` cannot be told")
def an_array_and_its_view_change_places_and_are_written_to(x, n: int):
    p = 2.0 * x
    e = p[::-1]
    for _ in range(n):
        e, p = p, e
    e[0] = 7.0
    return e[0] * 100.0 + p[1] * 10.0 + p[3] * e[3]


@called_with(X, X + 1.0, 0.5, refused="whether the write on line .* changes `x` cannot be told")
def lost_in_one_arm(x, y, s):
    x, y = x * s, y + s
    c = x[::1]
    if s > 0.2:
        x, y = y, x
    y *= 2.0
    if s < 0.4:
        x, c = c, x
    return np.sum(x)


@called_with(X, X + 1.0, 0.5)
def lost_in_one_arm_and_not_read(x, y, s):
    x, y = x * s, y + s
    c = x[::1]
    if s > 0.2:
        x, y = y, x
    y *= 2.0
    if s < 0.4:
        x, c = c, x
    return np.sum(y)


@called_with(X, X + 1.0, M)
def an_array_from_outside_is_chosen_in_an_inner_loop(a, b, m):
    a, b = b, a
    w = a[1:3]
    w[0] = 0.5
    n = m[1]
    s = 0.5
    for _ in range(2):
        for j in range(2):
            a, b = b, a
            m[:, j] = 3.0
            s += a[0]
        for _ in range(1):
            b = b if b[0] > 0.0 else a
    return s + n[0]


# ---------------------------------------------------------------------------------------------- sections written to sections


@called_with(X, 1)
def vectors_of_one_array(x, k: int):
    a = np.outer(x, x + 1.0)
    a[1, 1:] = a[1, :-1]
    a[:, 2] = a[:, k]
    a[3, ::-1] = a[0]
    a[0, 1:] = a[1:, 0]  # these two share no element
    a[2] = a[2, ::-1]
    return np.sum(a * np.arange(16.0).reshape(4, 4))


# ---------------------------------------------------------------------------------------------- views, exits and repetitions


@called_with(M)
def rows_change_places_in_a_nest(m):
    a = m.copy()
    for i in range(4):
        for j in range(i):
            p, q = a[i], a[j]
            p[0], q[1] = q[1] * 1.5, p[0]
            p[2:] += q[:2]
    return np.sum(a * np.arange(16.0).reshape(4, 4))


@called_with(X, 0.3)
def leaves_early_while_writing(x, s):
    a = x * 1.0
    for k in range(10):
        a[k % 4] = a[(k + 1) % 4] * s + x[k % 4]
        if a[k % 4] > 1.2:
            return a[0] * a[3] + k
        a[(k + 2) % 4] *= 1.1
    return np.sum(a)


@called_with(X, 3.0)
def returns_from_the_inner_loop(x, limit):
    a = x.copy()
    t = 0.0
    for _ in range(5):
        for j in range(4):
            a[j] = a[j] * 1.2 + 0.1 * a[j - 1]
            t += a[j] * a[j]
            if t > limit:
                return t + a[0] * a[j]
        a[0] -= 0.2
    return -t


@called_with(M)
def a_row_is_carried(m):
    a = m * 1.0
    row = a[0]
    for i in range(1, 4):
        row[1] += a[i, 0] * row[0]
        row = a[i]
        row *= 0.5
    row[2] = 4.0
    return np.sum(a * a)


def blend(v, k):
    v[k:] -= 0.5 * v[:-k]
    v[0] *= v[-1]
    return v


@called_with(M)
def a_helper_writes_to_rows_and_columns(m):
    a = m.copy()
    for i in range(3):
        blend(a[i], 1)
        w = blend(a.T[i], 2)
        w[1] += 1.0
    return np.sum(a * a * a)


@called_with(X, np.array([0, 2, 2, 1]))
def repeated_places_in_a_while_loop(x, places):
    a = x * 1.0
    t = 0
    while np.sum(a * a) < 20.0:
        a[places] += 0.3 * a[places[::-1]] + 0.2
        a[places] = a[places] * 1.1
        t += 1
    return np.sum(a) * t + a[2]


@called_with(X)
def where_with_nan_beside(x):
    y = np.where(x > 0.0, np.sqrt(x), 0.1 * x)
    z = np.where(x < 0.0, x * x, np.log(np.abs(x)))
    w = np.where(x > 5.0, np.arccos(x + 3.0), 1.0)
    return np.sum(y * z * w)


@called_with(X.astype(np.float32), 0.3)
def single_precision_mixtures(x, s):
    a = x * s
    b = np.zeros(4)
    b[:] = a
    b += x
    c = x.astype(np.float64) * b[1]
    a[1:] = c[:-1]
    a *= 2.0
    return float(np.sum(a)) + np.sum(c) * s


@called_with(X)
def empty_sections(x):
    a = x[2:2]
    b = np.zeros((0, 3))
    c = np.concatenate((a, x, x[4:]))
    t = a.sum() + np.sum(b) + np.prod(a)
    for k in range(len(a)):
        t += c[k]
    c[3:3] = 7.0
    return t * np.dot(c, x)


@called_with(X, 0)
def loops_without_trips(x, n: int):
    a = x.copy()
    last = 2.0
    for i in range(n):
        a[i] = last
        last = a[i] * 3.0
        row = a[1:]
        row[0] += 1.0
    while n > 0:
        a = a * 2.0
        n -= 1
    return last * np.sum(a)


@called_with(X, 1.5)
def arrays_without_axes(x, s):
    a = np.array(s)
    b = a * 2.0
    c = np.asarray(x[1]) + b
    d = np.sum(x, keepdims=True)
    return float(a) * b + c * d[0] + np.float64(s)


@called_with(X)
def containers_share(x):
    p = {"a": x.copy(), "b": [x * 2.0, x * 3.0]}
    q = p["a"]
    q[0] = 3.0 * x[1]
    r, _ = p["b"]
    r[1:] = q[:-1]
    p["b"][1][2] *= 5.0
    t = (q, r)
    t[0][3] = 1.0
    return np.sum(p["a"] * p["b"][0] + p["b"][1])


@called_with(X, 9)
def ring_of_buffers(x, n: int):
    ring = np.zeros((3, 4))
    ring[0] = x
    ring[1] = np.sin(x)
    for k in range(2, n):
        ring[k % 3] = 0.5 * ring[(k - 1) % 3] - ring[(k - 2) % 3, ::-1] * 0.3
        if k % 4 == 0:
            continue
        ring[k % 3, 0] += 1.0
    return np.sum(ring * ring)


@called_with(X)
def closure_writes(x):
    a = x * 2.0

    def bump(k, by):
        a[k] += by * a[k - 1]
        return a[k]

    t = 0.0
    for k in range(4):
        t += bump(k, 0.5) * bump(3 - k, 0.25)
    return t + a[0]


@called_with(X)
def one_array_two_names(x):
    a = b = x * x
    a[0] = 2.0 * b[1]
    b[2] += a[0]
    c = b
    c = c + 1.0
    c[0] = 9.0
    return np.sum(a) * c[0] + b[0] * c[2]


@called_with(X)
def overlapping_sums(x):
    a = x * 1.0
    a[1:] += a[:-1]
    a += a[::-1]
    a[:-1] *= a[1:]
    a[::2] -= a[1::2]
    a -= a[0]
    return np.sum(np.sin(a) * x)


@called_with(M)
def rows_by_unpacking(m):
    a = m * 1.0
    r, s, q, _ = a
    r -= s * s
    s[0] = r[1]
    q[1] *= r[0]
    return np.sum(a * m)


@called_with(X, 1e-3)
def stepping_until_it_settles(x, tol):
    u, v = x.copy(), np.zeros(4)
    for step in range(60):
        for i in range(4):
            v[i] = 0.4 * u[i] + 0.3 * u[i - 1] + 0.1 * x[i]
        if np.max(np.abs(v - u)) < tol:
            return np.sum(v * v) + step
        u, v = v, u
    return np.sum(u)


@called_with(_rng.normal(size=6))
def sorted_places(x):
    a = x * 1.0
    for k in range(3):
        order = np.argsort(a)
        a[order[0]] += 2.0 * a[order[-1]] ** 2
        a[a > 1.5] *= 0.5
        a[order[1:3]] = a[order[3:5]] * x[k]
    return np.sum(a * np.arange(6.0))


@called_with(M)
def a_transposed_view_in_a_nest(m):
    a = m.copy()
    t = a.T
    for i in range(3):
        t[i] *= a[i, 1]
        for j in range(2):
            t[j, i + 1] -= a[j, i]
    return np.sum(a * np.arange(16.0).reshape(4, 4))


@called_with(X)
def another_shape_of_an_array(x):
    a = np.zeros(4)
    a[:] = x
    v = a.reshape(2, 2)
    v[0] = v[1] * x[0]
    a[3] += v[0, 1]
    w = v.ravel()
    w[2] *= 2.0
    return np.sum(v * v) + a[2]


@called_with(np.array([2.0, 0.0, 3.0, 0.5]))
def products_in_place_through_zero(x):
    a = x.copy()
    for i in range(1, 4):
        a[i] *= a[i - 1]
    b = np.cumprod(x)
    c = 1.0
    for v in x:
        c *= v
    return a[3] + b[2] + c + np.sum(a[:2]) + np.prod(x)


@called_with(X * 9.0, 0.55)
def halved_until_small(x, tol):
    a = x * 1.0
    n = 0
    while np.max(np.abs(a)) > tol:
        a /= 2.0
        a[n % 4] -= 0.01 * x[0]
        n += 1
        if n > 40:
            break
    return np.sum(a) + n


@called_with(_rng.normal(size=(3, 3)), 0.5)
def three_loops_with_exits(m, s):
    a = m.copy()
    t = 0.0
    for i in range(3):
        if a[i, i] > 1.5:
            continue
        for j in range(3):
            for k in range(3):
                if k > i + j:
                    break
                a[i, j] += s * a[j, k] * a[k, i]
                t += a[i, j]
            if t > 4.0:
                break
            a[j, i] *= 0.9
        else:
            t -= a[0, i]
    return t + np.sum(a)


@called_with(X)
def a_view_read_after_its_array(x):
    a = x * 2.0
    v = a[1:3]
    a[2] = x[0]
    t = v[1] * 3.0
    v[0] = t
    a = a * a
    v[1] = 5.0
    return t + np.sum(a) * np.sum(v)


# ---------------------------------------------------------------------------------------------- arrays without axes


@called_with(X, refused="may hold an array without axes")
def a_zero_under_two_names(x):
    z = np.zeros(())
    w = z
    z += x[0]
    return w * 3.0 + x[1]


@called_with(X, 1.5, refused="may hold")
def a_number_as_an_array_under_two_names(x, s):
    z = np.array(s)
    w = z
    w *= x[0]
    return z * 3.0 + x[1]


@called_with(X, 1.5)
def a_full_array_without_axes(x, s):
    z = np.full((), s)
    z -= x[0]
    return z * 3.0 + x[1]


@called_with(X)
def a_sum_in_an_array_without_axes(x):
    z = np.zeros(())
    for i in range(4):
        z += x[i] * x[i]
    return float(z)


@called_with(X)
def a_sum_beside_an_array_without_axes(x):
    z = np.zeros(())
    for i in range(4):
        z = z + x[i] * x[i]
    return z


def add_one(v):
    v += 1.0


@called_with(X, refused="given to another function")
def a_helper_writes_to_an_array_without_axes(x):
    z = np.array(x[0])
    add_one(z)
    return z * x[1]


@called_with(X, 0.5)
def an_element_as_a_view(x, s):
    a = x.copy()
    z = a[0, ...]
    z += 5.0
    w = a[1]
    w += 3.0
    return np.sum(a) * z + s


@called_with(X)
def numbers_of_reductions(x):
    s = x.sum()
    t = s
    s += 1.0
    m = x.mean(axis=0)
    k = m
    k *= 2.0
    return s * t * m * k


@called_with(X)
def two_sums_in_arrays_without_axes(x):
    s = np.array(0.0)
    t = np.zeros(())
    for i in range(4):
        s += x[i]
        t += x[i] * s
        if t > 3.0:
            t -= 1.0
    return s * t


@called_with(X, refused="may hold")
def two_names_in_a_loop(x):
    t = np.zeros(())
    w = t
    for i in range(4):
        t += x[i]
    return w + x[0]


@called_with(X, refused="may hold")
def two_names_on_one_way(x):
    t = np.zeros(())
    w = np.ones(())
    if x[0] > 0.0:
        w = t
    t += x[1]
    return w * x[0]


@called_with(X, refused="may hold")
def a_name_from_the_trip_before(x):
    w = np.zeros(())
    s = 0.0
    for i in range(3):
        t = np.zeros(())
        t += x[i]
        s += w
        w = t
    return s + w


@called_with(X, refused="may hold")
def a_name_and_a_tuple(x):
    t = np.zeros(())
    p = (t, x)
    t += x[0]
    return p[0] * x[1]


@called_with(X.astype(np.float32))
def an_array_without_axes_is_wide(x):
    y = x * np.array(2.1)
    return np.sum(y)


@called_with(X, 0.4)
def a_choice_is_an_array(x, s):
    z = np.where(s > 0.0, x[0], x[1])
    z += 1.0
    return z * s


@called_with(X, 0.4, refused="may hold")
def an_array_of_an_array(x, s):
    a = np.asarray(s)
    b = np.asarray(a)
    b *= 2.0
    return a * x[0]


def sum_of_squares(v):
    t = np.zeros(())
    for e in v:
        t += e * e
    return t


@called_with(X)
def a_helper_returns_an_array_without_axes(x):
    return sum_of_squares(x) * 2.0


@called_with(X, refused="a view of an array")
def a_number_as_a_view_of_an_array(x):
    d = np.sum(x, keepdims=True)
    y = d.reshape(())
    d[0] = 5.0
    return y * x[0]


def _kept(x, n: int):
    z = np.array(0.5)
    for i in range(n):
        if x[i] > 1.0:
            return z, z
    return z, np.array(1.0)


@called_with(X, 3, refused="may hold an array without axes")
def a_number_in_an_array_is_returned_twice_from_a_loop(x, n: int):
    z, w = _kept(x, n)
    w += x[0]
    return z * w


@called_with(X, 0.3, refused="may hold an array without axes")
def an_axis_put_before_an_array_without_axes(x, s):
    z = np.array(s)
    v = np.expand_dims(z, 0)
    v[0] = 5.0
    return z * x[0]


@called_with(X, 0.3, refused="may hold")
def at_least_one_axis(x, s):
    z = np.array(s)
    v = np.atleast_1d(z)
    v[0] = 5.0
    return z * x[0]


@called_with(X, 0.3, refused="may hold")
def an_array_without_axes_made_flat(x, s):
    z = np.array(s)
    v = np.ravel(z)
    v += x[1]
    return z * x[0]


@called_with(X, 0.3)
def at_least_one_axis_of_a_number(x, s):
    v = np.atleast_1d(s)
    v[0] = 5.0
    return s * x[0] + v[0]


@called_with(X, 0.3, refused="may hold")
def an_array_without_axes_spread(x, s):
    z = np.array(s)
    v = np.broadcast_to(z, (4,))
    z += 1.0
    return np.sum(v * x)


@called_with(X, 0.3)
def an_array_without_axes_stored(x, s):
    z = np.zeros(())
    a = x.copy()
    a[0] = z
    z += 2.0
    return a[0] * z + a[1]


@called_with(X, 0.3)
def an_array_without_axes_stacked(x, s):
    z = np.zeros(())
    a = np.array([z, s])
    z += x[0]
    return np.sum(a) * z


@called_with(X, 0.3)
def a_closure_reads_an_array_without_axes(x, s):
    z = np.zeros(())

    def add(c):
        return z + c

    z += x[0]
    return add(s) * z


@called_with(X)
def which_conversions_copy(x):
    a = x * 1.0
    b = np.asarray(a)
    c = np.asarray(a, dtype=float)
    d = a
    e = a.astype(float)
    b[0] = 3.0
    c[1] = 4.0
    e[2] = 5.0
    return np.sum(a * x) + e[0] + d[1]


@called_with(X)
def sorted_under_two_names(x):
    a = x * 1.0
    b = a
    c = np.sort(a)
    a.sort()
    c[0] = 9.0
    return np.sum(b * x) + c[1] * b[0]


@called_with(X)
def a_view_is_filled(x):
    a = x * 1.0
    b = a[1:3]
    b.fill(2.0)
    return np.sum(a * x) + np.sum(b)


# ---------------------------------------------------------------------------------------------- arguments that are arrays without axes


def under_two_names(z: float, x: float):
    w = z
    z += x
    return w * x


def in_a_loop(z: float, x: float):
    while z < 10.0:
        z *= 2.0
    return z * x


def as_an_array(z: float, x: float):
    w = np.asarray(z)
    w += x
    return z * w


def through_a_shape(z: float, x: float):
    v = np.reshape(z, 1)
    v[0] = 5.0 * x
    return z * v[0]


def chosen_by_a_test(z: float, x: float):
    w = z if x > 0.0 else x
    w *= 2.0
    return z * w


def _moved(z, x):
    z += x
    total = 0.0
    for _ in range(3):
        total += z if total > 1.0 else 2.0 * z
    return total


def by_a_helper(z: float, x: float):
    return z * _moved(z, x)


def _either(z, x):
    for i in range(3):
        if x > i:
            return z
        x = x * 0.5
    return x


def from_a_helper(z: float, x: float):
    w = _either(z, x)
    w += x
    return w * z


ALTERING = [under_two_names, in_a_loop, as_an_array, through_a_shape, chosen_by_a_test, by_a_helper, from_a_helper]


@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("function", ALTERING, ids=lambda function: function.__name__)
def test_an_array_without_axes_that_would_change_in_place_is_refused(function: Any, target: Any) -> None:
    """NumPy changes it for all its names, the caller's too; a float is right."""
    made = stagegrad.compile(function, target=target, cache=False)
    for call in (made, made.value_and_grad):
        with pytest.raises(stagegrad.ArgumentError, match=r"`z` of .* is an array without axes, which the function changes in place"):
            call(np.array(2.0), 3.0)
    assert made(2.0, 3.0) == function(2.0, 3.0)
    assert made(np.float64(2.0), 3.0) == function(2.0, 3.0)


def test_an_array_without_axes_that_nothing_changes_is_a_number() -> None:
    """A new number under the old name changes no array."""

    def scaled(z, x):
        w = z
        z = z * x
        z += w
        return z * w

    made = stagegrad.compile(scaled, target="numpy", cache=False)
    assert made(np.array(2.0), 3.0) == scaled(np.array(2.0), 3.0) == 16.0
    assert stagegrad.compile(lambda p: p["z"] ** 2, target="numpy", cache=False).grad({"z": np.array(3.0)}) == {"z": 6.0}


# ---------------------------------------------------------------------------------------------- what NumPy does otherwise


def rows_and_columns(a):
    b = a * a
    b[1] = b[:, 2]
    b[0, ::2] = b[0, :2]
    c = b.T
    c[0] = b[0]
    d = b[:, 1]
    b[2] = d
    return np.sum(b * np.arange(16.0).reshape(4, 4))


def the_same_with_copies(a):
    b = a * a
    b[1] = b[:, 2].copy()
    b[0, ::2] = b[0, :2].copy()
    c = b.T
    c[0] = b[0].copy()
    d = b[:, 1]
    b[2] = d.copy()
    return np.sum(b * np.arange(16.0).reshape(4, 4))


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_the_right_side_is_read_first(target: Any) -> None:
    """NumPy does not do so for these."""
    a = np.random.default_rng(3).normal(size=(4, 4))
    found = stagegrad.compile(rows_and_columns, target=target, cache=False)
    right = stagegrad.compile(the_same_with_copies, target=target, cache=False)
    assert found(a) == right(a)
    np.testing.assert_allclose(found(a), the_same_with_copies(a), rtol=1e-12)
    np.testing.assert_allclose(found.grad(a), right.grad(a))
    np.testing.assert_allclose(np.ravel(found.grad(a)), differences(the_same_with_copies, (a,)), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.function.__name__)
def test_right_or_refused(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value, the gradient and what is left in the arguments, each as by the untouched function."""
    monkeypatch.setenv("STAGEGRAD_CHECK", "1")
    function, arguments = trap.function, trap.arguments
    wrt = tuple(k for k, argument in enumerate(arguments) if leaves(argument))
    made = stagegrad.compile(function, wrt=wrt, target="numpy", cache=False)
    given, plain = copy.deepcopy(arguments), copy.deepcopy(arguments)
    if trap.refused:
        with pytest.raises(stagegrad.UnsupportedError, match=trap.refused):
            made(*given)
        return
    single = any(np.asarray(leaf).dtype == np.float32 for leaf in leaves(arguments))
    near, slope = (1e-5, 1e-4) if single else (1e-12, 1e-7)
    with np.errstate(all="ignore"):
        value, gradients = made.value_and_grad(*given)
        np.testing.assert_array_equal(flat(given), flat(arguments))
        right = function(*plain)
        np.testing.assert_allclose(value, right, rtol=near)
        np.testing.assert_allclose(made(*given), right, rtol=near)
        np.testing.assert_allclose(flat(given), flat(plain), rtol=near)
        fresh = lambda *numbers: function(*copy.deepcopy(numbers))  # noqa: E731  (the function may write to what it is given)
        np.testing.assert_allclose(flat(gradients), differences(fresh, _doubled(arguments)), rtol=slope, atol=slope / 10.0)


def _doubled(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments in double precision, for differences."""
    return tuple(a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a for a in arguments)


@pytest.mark.parametrize("test", ["x[3] < 1.0 or 2.5 > 1.5 + 0.5", "x[3] < 1.0 and 2.5 < 1.5", "x[0] > 0.0 and x[3] > 0.0"])
def test_a_test_that_nothing_depends_on_is_made_in_a_plain_call(test: str) -> None:
    text = f"import numpy as np\n\ndef f(x):\n    if {test}:\n        pass\n    return np.sum(x)\n"
    scope: dict[str, Any] = {}
    exec(text, scope)
    made = stagegrad.compile(scope["f"], target="numpy", source=text, cache=False)
    with pytest.raises(IndexError):
        made(np.ones(3))
    assert made(np.ones(4)) == 4.0
