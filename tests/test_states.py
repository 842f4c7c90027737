"""What a loop carries lies in the rows of its tape: only where nothing else may see it change, and with the same numbers."""

from __future__ import annotations

import importlib.util
import random

import numpy as np
import pytest

import stagegrad
from stagegrad.emit.ownership import owned
from stagegrad.ir import Stage, walk
from stagegrad.ir_text import parse
from stagegrad.passes.states import states_in_tapes

pytest.importorskip("numba")

RNG = np.random.default_rng(3)


def relaxed(u, c, count):
    for _ in range(count):
        u = u + c * np.sin(u) * np.roll(u, 1)
    return np.sum(u * u)


def from_one(u, c, count):
    for k in range(1, count):
        u = u * np.cos(c * k * u)
    return u[0] + np.sum(u)


def from_somewhere(u, c, count):
    for k in range(count, count + 3):
        u = u * np.cos(c * k * u)
    return np.sum(u * u)


def backwards(u, c, count):
    for k in range(count, -1, -1):
        u = u * np.cos(c * k * u)
    return np.sum(u * u)


def leapfrog(u, c, count):
    before = u.copy()
    for _ in range(count):
        after = 2.0 * u - before + c * np.sin(u)
        before = u
        u = after
    return np.sum(u * before)


def swapped(u, c, count):
    v = np.cos(u)
    for _ in range(count):
        u, v = v, u * v * c
    return np.sum(u) + np.sum(v * v)


def in_place(u, c, count):
    u = u.copy()
    for _ in range(count):
        for i in range(1, len(u)):
            u[i] = u[i] * np.cos(c * u[i - 1])
    return np.sum(u * u)


def copied_in_place(u, c, count):
    for _ in range(count):
        v = u.copy()
        for i in range(1, len(u)):
            v[i] = v[i] * np.cos(c * v[i - 1]) * u[i]
        u = v
    return np.sum(u * u)


def written_behind(u, c, count):
    u = u.copy()
    for _ in range(count):
        u = np.sin(u * c) + u
    u[0] = u[1] * u[0]
    return np.sum(u * u)


def left_early(u, c, count):
    for k in range(count):
        if k == 3:
            break
        u = u * np.cos(c * u)
    return np.sum(u * u)


def nested(u, c, count):
    for _ in range(count):
        w = u * c
        for k in range(count):
            w = w + k * np.sin(w * u)
        u = u * np.cos(w)
    return np.sum(u * u)


def chosen(u, c, count):
    best = u
    for k in range(count):
        u = np.sin(u) * (c + k)
        if np.sum(u) > np.sum(best):
            best = u
    return np.sum(u * best)


def repeated(u, c, count):
    for _ in range(count):
        u = np.concatenate((u[1:], c * u[:1] ** 2))
    return u[0] * u[-1] + np.sum(u**3)


PROGRAMS = (
    relaxed, from_one, from_somewhere, backwards, leapfrog, swapped, in_place, copied_in_place, written_behind, left_early, nested, chosen,
    repeated,
)  # fmt: skip


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_states_are_what_they_were(function):
    staged = [stagegrad.compile(function, wrt=("u", "c"), target=target, cache=False) for target in ("numba", "numpy")]
    for count in (0, 1, 2, 5):
        for size in (1, 2, 7):
            if function is written_behind and size == 1:
                continue
            u = RNG.normal(size=size)
            (value, slopes), (expected, right) = (one.value_and_grad(u.copy(), 0.7, count) for one in staged)
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-13)
            for one, other in zip(slopes, right, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


def test_a_state_is_written_once():
    """The tape takes what a trip makes, row by row; there is no other array, and no copy of it."""
    text = stagegrad.compile(relaxed, wrt=("u", "c"), types={"u": "float64[:]", "c": "float64", "count": "int64"}).source("numba")
    trip = text[text.index("for trip in range(count)") : text.index("df = ")]
    assert "u2 = u_tape[trip]\n" in trip
    assert "u_tape[trip + 1, i] = " in trip
    assert trip.count("for i in range") == 1
    assert "room(" not in trip and ".copy()" not in trip


def test_a_trajectory_is_written_once():
    """The rows that a user's trips write are not those that they read: nothing is put aside."""

    def path(u, c, count):
        states = np.zeros((count + 1, len(u)))
        states[0] = u
        for k in range(count):
            states[k + 1] = states[k] + c * np.sin(states[k])
        return np.sum(states**2)

    staged = [stagegrad.compile(path, wrt=("u", "c"), target=target, cache=False) for target in ("numba", "numpy")]
    u = RNG.normal(size=5)
    (value, slopes), (expected, right) = (one.value_and_grad(u, 0.3, 4) for one in staged)
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    for one, other in zip(slopes, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    trip = staged[0].source("numba", answer="value")
    trip = trip[trip.index("for k in range(count)") :]
    assert "room(" not in trip and ".copy()" not in trip


# ---------------------------------------------------------------------------------------------- random loops

_NEXT = (
    "{a} + c * np.sin({b})",
    "np.roll({a}, 1) * np.cos({b})",
    "0.5 * ({a} + {b})",
    "{b}",
    "{a}",
    "moved({a}, {b}, c)",
    "np.where({a} > {b}, {a}, c * {b})",
    "{a}[::-1] * 0.9",
    "{a} * np.sum({b}) / len({a})",
)

_MOVED = """
def moved(x, y, c):
    z = x.copy()
    for i in range(1, len(x) - 1):
        z[i] = x[i] + 0.3 * c * (x[i + 1] - 2.0 * y[i] + y[i - 1])
    return z
"""


def _random_loop(seed):
    choice = random.Random(seed)
    names = ("p", "q", "r")[: choice.randint(1, 3)]
    lines = ["import numpy as np", _MOVED, "def program(u, c, count):"]
    lines += [f"    {name} = {choice.choice(('u * 1.0', 'np.cos(u)', 'u', 'c * u'))}" for name in names]
    lines.append(f"    for k in range({choice.choice(('count', '1, count', 'count, count + 2'))}):")
    new = [choice.choice(_NEXT).format(a=choice.choice((name, name, *names)), b=choice.choice(names)) for name in names]
    if choice.random() < 0.5:
        lines += [f"        {name} = {value}" for name, value in zip(names, new, strict=True)]
    else:
        lines.append(f"        {', '.join(names)} = {', '.join(new)}")
    if choice.random() < 0.3:
        lines.append(f"        {names[0]} = {names[0]} * np.cos(k * {names[-1]})")
    lines.append("    return " + " + ".join(f"np.sum({name} * {name}) * {k + 1.0}" for k, name in enumerate(names)))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(6))
def test_random_loops(seed, tmp_path):
    agree_on_random_loop(seed, tmp_path)


def agree_on_random_loop(seed, folder):
    """Compares the targets on one random loop; only compiled code has states in tapes."""
    path = folder / f"loop_{seed}.py"
    path.write_text(_random_loop(seed))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(seed)
    staged = [stagegrad.compile(module.program, wrt=("u", "c"), target=target, cache=False) for target in ("numba", "numpy")]
    for count, size in ((0, 4), (1, 3), (4, 6), (3, 1)):
        u = rng.normal(size=size)
        (value, slopes), (expected, right) = (one.value_and_grad(u.copy(), 0.8, count) for one in staged)
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-12, err_msg=path.read_text())
        for one, other in zip(slopes, right, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-11, err_msg=path.read_text())


# ---------------------------------------------------------------------------------------------- rows that lie apart

_ROWS = """
function f(x.0: float[2], n.0: int) -> 0 from python:
  t.0: float[2] = duplicate(x.0)
  for k.0 in range({start}, n.0, {step}) carry (t.1: float[2] = t.0 -> t.2):
    {place}
    u.0: float[1] = load(t.1, {read})
    q.0: int = add({read}, {ahead})
    t.3: float[2] = store(t.1, {written}, 0, 1.0) {{at='[{{0}}, {{1}}]', rank=0}}
    a.0: float = load(u.0, 0)
    t.4: float[2] = store(t.3, {read}, 1, a.0) {{at='[{{0}}, {{1}}]', rank=0}}
    yield t.4
  return t.2
"""


@pytest.mark.parametrize(
    ("change", "copies"),
    [
        ({}, 1),  # the argument's
        ({"written": "k.0"}, 2),  # the row that is read
        ({"start": "-1"}, 2),  # row -1 may be the one behind it
        ({"step": "-1", "start": "3"}, 2),
        ({"place": "p.0: int = sub(k.0, 2)", "read": "p.0", "start": "1"}, 2),
        ({"place": "p.0: int = sub(k.0, 2)", "read": "p.0", "start": "2"}, 1),
        ({"ahead": "-1"}, 2),
        ({"ahead": "0"}, 2),
    ],
)
def test_rows_lie_apart_only_where_that_is_certain(change, copies):
    text = _ROWS.format(**({"start": "0", "step": "1", "place": "remark 'rows'", "read": "k.0", "ahead": "1", "written": "q.0"} | change))
    function = owned(parse(text).main, fresh_results=True)
    assert sum(isinstance(stmt, Stage) and stmt.op == "duplicate" for stmt in walk(function.body)) == copies


def test_a_tape_that_others_read_stays_as_it_is():
    module = parse(
        """
function f(x.0: float[1], n.0: int) -> 0 from python:
  %0: int = extent(x.0) {axis=0}
  t.0: float[2] = tape_float(n.0, %0)
  for k.0 in range(0, n.0, 1) carry (u.1: float[1] = x.0 -> u.2, t.1: float[2] = t.0 -> t.2):
    t.3: float[2] = store(t.1, k.0, u.1)
    u.3: float[1] = sin(u.1)
    yield u.3, t.3
  s.0: float[2] = sin(t.2)
  r.0: float = sum(s.0)
  return r.0
"""
    )
    assert states_in_tapes(module) == module
