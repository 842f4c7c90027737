"""Programs as their users write them, by field, each of which stagegrad once got wrong or refused.

Value and gradient are those of the untouched function: its gradient by differences of the eighth order.
"""
# ruff: noqa: F821, F841

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare

PROGRAMS = Programs()
X = np.array([0.7, -0.4, 1.3, 0.2, 0.9])
_rng = np.random.default_rng(11)


# ---------------------------------------------------------------------------------------------- arrays that change their size in a loop


@PROGRAMS.called_with(100.0, 105.0, 0.2, 0.03, 1.0, 80.0, 6)
def barrier_option(s0, strike, sigma, r, years, barrier, n: int):
    dt = years / n
    u = np.exp(sigma * np.sqrt(dt))
    d = 1 / u
    p = (np.exp(r * dt) - d) / (u - d)
    s = np.array([s0 * u**j * d ** (n - j) for j in range(n + 1)])
    v = np.where(s > barrier, np.maximum(s - strike, 0.0), 0.0)
    for i in range(n - 1, -1, -1):
        s = s[1:] * d if i % 2 else s[:-1] * u
        v = np.exp(-r * dt) * (p * v[1:] + (1 - p) * v[:-1])
        v[s <= barrier] = 0.0
    return v[0]


@PROGRAMS.called_with(X, 0.1)
def down_to_one(x, r):
    v = np.maximum(x, 0.0)
    while len(v) > 1:
        v = np.exp(-r) * (0.6 * v[1:] + 0.4 * v[:-1])
        v = np.maximum(v, 0.3)
    return v[0]


@PROGRAMS.called_with(np.outer(X, X) + np.eye(5))
def determinant_by_shrinking(a):
    d = 1.0
    while a.shape[0] > 1:
        d *= a[0, 0]
        a = a[1:, 1:] - np.outer(a[1:, 0], a[0, 1:]) / a[0, 0]
    return d * a[0, 0]


@PROGRAMS.called_with(X, 3)
def history_by_append(x, n: int):
    s = x * 2.0
    for _ in range(n):
        s = np.append(s, np.sin(s[-1] * s[0]))
    return np.sum(s * s)


@PROGRAMS.called_with(X, 2)
def a_triangle_for_each_trip(x, n: int):
    total = 0.0
    for k in range(n):
        s = x * (k + 1)
        while len(s) > 1:
            s = 0.5 * (s[1:] + s[:-1]) * s[0]
        total += s[0]
    return total


def _coarser(v):
    out = np.zeros(len(v) // 2)
    for k in range(len(out)):
        out[k] = v[2 * k] * v[2 * k + 1]
    return out


@PROGRAMS.called_with(np.concatenate([X, X[:3]]))
def halved_by_a_helper(x):
    s = 1.0
    while len(x) > 1:
        x = _coarser(x) + s
        s += np.sum(x)
    return x[0] * s


@PROGRAMS.called_with(X, np.array([1.0, 2.0, 3.0]), 0, 0.3)
def arrays_that_never_meet(x, y, together: int, s):
    z = np.sum(x * y) if together else 0.0
    for _ in range(3):
        s += np.sum(np.tanh(y * s) ** 2)
        s += np.sum(np.tanh(x * s) ** 2)
    return s + z


# ---------------------------------------------------------------------------------------------- the value of the trip before


@PROGRAMS.called_with(X)
def differences_from_the_last(x):
    total = 0.0
    for k, v in enumerate(x):
        if k:
            step = v - last
            if k > 1:
                total += step * before
            before = step
        last = v
    return total * last


@PROGRAMS.called_with(X, X + 1.0, 3)
def the_array_of_the_trip_before(x, y, n: int):
    total = 0.0
    for i in range(n):
        if i > 0:
            total += np.sum(np.exp(last) * y)
        last = np.tanh(x * i) * y
    return total


# ---------------------------------------------------------------------------------------------- dicts, lists and records as state


@PROGRAMS.called_with({"a": 1.5, "b": np.array([1.0, 2.0]), "inner": {"c": 0.3}})
def a_dict_as_state(p):
    state = {"x": p["a"], "v": 0.0}
    for _ in range(4):
        state["v"] += 0.1 * (p["inner"]["c"] - state["x"])
        state["x"] += 0.1 * state["v"]
    return state["x"] + state["v"] * p["b"].sum()


@PROGRAMS.called_with(X, 4)
def a_dict_of_arrays_as_state(x, n: int):
    state = {"position": x, "speed": np.zeros_like(x), "time": 0}
    for _ in range(n):
        state["speed"] = state["speed"] - 0.1 * state["position"]
        state["position"] = state["position"] + 0.1 * state["speed"]
        state["time"] += 0.1
        if state["time"] > 0.25:
            state["position"] = state["position"] * 1.1
    return state["position"] @ state["speed"] + state["time"]


@PROGRAMS.called_with(X)
def a_dict_that_is_filled(x):
    out = {}
    out["a"] = x[0] * 2.0
    out["b"] = out["a"] * x[1]
    out["a"], out["b"] = out["b"], out["a"]
    return out["a"] * out["b"] ** 2


@PROGRAMS.called_with(X, 3)
def a_list_of_the_last_values(x, n: int):
    last = [0.0] * 3
    last[0] = x[0]
    for i in range(n):
        last[2] = last[1]
        last[1] = last[0]
        last[0] += 0.5 * last[-1] * x[i]
    return last[0] + sum(last)


@PROGRAMS.called_with(X[:4], X[:3])
def product_of_polynomials(p, q):
    r = [0.0] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            r[i + j] += a * b
    return sum(c**2 for c in r) + r[-1]


@PROGRAMS.called_with(X)
def insertion_sort(x):
    items = [2.0 * v for v in x]
    for i in range(1, len(items)):
        item, j = items[i], i - 1
        while j >= 0 and items[j] > item:
            items[j + 1] = items[j]
            j -= 1
        items[j + 1] = item
    return items[0] + 2.0 * items[1] + 3.0 * items[2] ** 2


@PROGRAMS.called_with(X, 3)
def a_list_that_grows_and_changes(x, n: int):
    items = [x[0]]
    for i in range(n):
        items.append(x[i])
        items[-1] *= 2.0
        items[0] += items[-1]
    return sum(items) * items[0] * len(items)


def _sum_and_last(items, k):
    total = 0.0
    for v in items:
        if v > 100.0:
            return total
        total += v * k
    return total * len(items) + items[-1]


@PROGRAMS.called_with(X, 3)
def a_helper_is_given_lists_with_room_and_without(x, n: int):
    full, roomy = [x[0]] * n, [x[1]]
    for i in range(n):
        roomy.append(x[i])
        if i == 0:
            break
    return _sum_and_last(full, 2.0) + _sum_and_last(roomy, 3.0)


@PROGRAMS.called_with(X, X + 1.0)
def pairs_of_one_length(x, y):
    return sum(k * a * b for k, (a, b) in enumerate(zip(x, y, strict=True), start=1))


class Particle(NamedTuple):
    position: np.ndarray
    speed: np.ndarray
    time: float = 0.0


@dataclass
class Spring:
    stiffness: float
    rest: float = 1.0


@PROGRAMS.called_with(Particle(X, X + 1.0), 0.1)
def a_named_tuple_with_other_fields(particle, dt):
    for _ in range(3):
        particle = particle._replace(position=particle.position + dt * particle.speed, time=particle.time + dt)
    return particle.position.sum() * particle.time


@PROGRAMS.called_with(Spring(0.3, 0.4), 0.1)
def a_dataclass_with_other_fields(spring, dt):
    for _ in range(3):
        spring = dataclasses.replace(spring, stiffness=spring.stiffness + dt * spring.rest)
    return spring.stiffness * spring.rest


@PROGRAMS.called_with(X[:2])
def lists_change_places(x):
    a, b = [x[0], x[1]], [1.0, 2.0]
    for _ in range(3):
        a, b = b, a
    return a[0] * b[1]


@PROGRAMS.called_with(_rng.normal(size=(3, 3)), X[:3])
def elimination_that_may_fail(a, b):
    a, b = a.copy(), b.copy()
    n = len(b)
    for k in range(n):
        p = k + int(np.argmax(np.abs(a[k:, k])))
        if a[p, k] == 0:
            raise np.linalg.LinAlgError("singular matrix")
        if p != k:
            a[[k, p]] = a[[p, k]]
            b[k], b[p] = b[p], b[k]
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i, k:] -= factor * a[k, k:]
            b[i] -= factor * b[k]
    for i in range(n - 1, -1, -1):
        b[i] = (b[i] - a[i, i + 1 :] @ b[i + 1 :]) / a[i, i]
    return np.sum(b**2)


COMPILED = {"down_to_one", "history_by_append", "the_array_of_the_trip_before", "a_dict_that_is_filled", "product_of_polynomials"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_matrix_error_is_raised(target: Any) -> None:
    made = stagegrad.compile(elimination_that_may_fail, target=target, cache=False)
    with pytest.raises(np.linalg.LinAlgError, match="singular matrix"):
        made(np.zeros((2, 2)), np.ones(2))


# ---------------------------------------------------------------------------------------------- what another name would see


def under_another_name(x):
    a = {"k": x[0]}
    b = a
    b["k"] = 2.0
    return a["k"] * x[1]


def in_a_tuple(x):
    a = [x[0]]
    pair = (a, 1.0)
    a[0] = x[1]
    return pair[0][0]


def in_the_next_trip(x):
    a, b, total = [x[0]], [x[1]], 0.0
    for _ in range(3):
        a[0] += x[2]
        total += b[0]
        b = a
    return total


def in_one_arm(x):
    a, b = [x[0]], [x[1]]
    c = a if x[0] > 0.0 else b
    c[0] = 3.0
    return a[0] * b[0]


def while_its_values_are_looped_over(x):
    a = {"j": x[0], "k": x[1]}
    for value in a.values():
        a["k"] = 2.0 * value
    return a["k"]


def while_it_is_numbered(x):
    a = [x[0], x[1]]
    for _, value in enumerate(a):
        a[1] = 2.0 * value
    return a[1]


def while_it_is_zipped(x):
    a = [x[0], x[1], x[2]]
    for k, value in zip((1, 2, 3, 4), a, strict=False):
        if len(a) < 4:
            a.append(k * value)
    return a[2]


def a_list_of_computed_length(x):
    a = [0.0] * len(x)
    b = a
    b[0] = x[0]
    return a[0]


def while_the_list_is_looped_over(x):
    a, total = [1.0] * len(x), 0.0
    for value in a:
        a[-1] = x[0]
        total += value
    return total


def of_the_caller(state):
    state["k"] = 3.0
    return state["k"]


def by_a_helper(x):
    state = {"k": x[0]}
    of_the_caller(state)
    return state["k"]


SEEN = [
    under_another_name,
    in_a_tuple,
    in_the_next_trip,
    in_one_arm,
    while_its_values_are_looped_over,
    while_it_is_numbered,
    while_it_is_zipped,
    a_list_of_computed_length,
    while_the_list_is_looped_over,
    by_a_helper,
]


@pytest.mark.parametrize("function", SEEN, ids=lambda function: function.__name__)
def test_what_is_seen_elsewhere_is_not_changed(function: Callable[..., Any]) -> None:
    with pytest.raises(stagegrad.UnsupportedError, match="has another name as well, or is not this function's own"):
        stagegrad.compile(function, target="numpy", cache=False)(X)


def test_the_callers_dict_is_not_changed() -> None:
    with pytest.raises(stagegrad.UnsupportedError, match="is not this function's own"):
        stagegrad.compile(of_the_caller, target="numpy", cache=False)({"k": 1.0})


def test_numpys_own_python_is_not_read() -> None:
    """A refusal shows the line of the user."""

    def upper(a):
        i, j = np.mask_indices(4, np.triu)
        return np.sum(a[i, j])

    with pytest.raises(stagegrad.UnsupportedError, match=r"numpy.mask_indices is not supported\n.*i, j = np"):
        stagegrad.compile(upper, target="numpy", cache=False)(np.ones((4, 4)))


def beyond_the_end(x, n: int):
    items = [x[0]]
    for i in range(n):
        items.append(x[i])
        items[i + n - 1] = 1.0
    return sum(items)


def pairs_of_two_lengths(x, n: int):
    return sum(a * b for a, b in zip(x, x[n:], strict=True))


@pytest.mark.parametrize("function", [beyond_the_end, pairs_of_two_lengths], ids=lambda function: function.__name__)
def test_python_raises_and_so_does_the_gradient(function: Callable[..., Any]) -> None:
    with pytest.raises((IndexError, ValueError)) as raised:
        function(X, 3)
    with pytest.raises(raised.type, match=str(raised.value).replace("(", r"\(").replace(")", r"\)")):
        stagegrad.compile(function, target="numpy", cache=False).value_and_grad(X, 3)
