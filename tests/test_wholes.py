"""What a loop replaces in place but for a border is made anew and recorded whole: the same numbers, for every size."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

import stagegrad

pytest.importorskip("numba")

RNG = np.random.default_rng(11)


def line(u, c, count):
    u = u.copy()
    for _ in range(count):
        u[1:-1] = u[1:-1] + c * (u[2:] - 2.0 * u[1:-1] + u[:-2]) * u[1:-1]
    return np.sum(u * u)


def grid(u, c, count):
    u = u.copy()
    for k in range(1, count):
        u[1:-1, 2:] = u[1:-1, 1:-1] * np.cos(c * k * u[:-2, 2:]) + u[2:, :-2]
    return np.sum(u * u)


def box(u, c, count):
    u = u.copy()
    for _ in range(count):
        u[1:-1, 1:-1, :-1] = c * u[1:-1, 1:-1, 1:] * u[2:, :-2, :-1]
    return np.sum(u * u)


def two_fields(u, w, c, count):
    if len(u) != len(w):
        raise ValueError("lengths")
    u = u.copy()
    w = w.copy()
    for _ in range(count):
        u[1:] = u[1:] * np.cos(c * (w[1:] - w[:-1]))
        w[:-1] = w[:-1] + c * (u[1:] - u[:-1]) * w[1:]
    return np.sum(u * w)


def border_too(u, c, count):
    u = u.copy()
    for _ in range(count):
        u[1:-1] = u[1:-1] * u[2:] * c
        u[0] = u[1] * u[0]
    return np.sum(u * u)


def one_row(u, c, count):
    u = u.copy()
    for _ in range(count):
        u[1, 1:-1] = u[1, 1:-1] * np.cos(c * u[0, :-2])
    return np.sum(u * u)


def only_a_part(u, c, count):
    u = u.copy()
    for _ in range(count):
        u[1:3] = u[1:3] * np.cos(c * u[0:2])
    return np.sum(u * u)


def read_behind(u, c, count):
    u = u.copy()
    for _ in range(count):
        u[1:] = np.sin(u[1:]) * c * u[:-1]
    w = u.copy()
    u[0] = 2.0 * u[-1]
    return np.sum(u * w)


def sometimes(u, c, count):
    u = u.copy()
    for k in range(count):
        if k % 2 == 0:
            u[1:-1] = u[1:-1] * np.cos(c * u[2:])
    return np.sum(u * u)


def while_small(u, c, count):
    u = u.copy()
    k = 0
    while k < count and u[0] < 10.0:
        u[:-1] = u[:-1] * np.cos(c * u[1:]) + 1.0
        k += 1
    return np.sum(u * u)


VECTORS = [RNG.normal(size=n) for n in (1, 2, 3, 4, 5, 8, 21)]
GRIDS = [RNG.normal(size=shape) for shape in itertools.product((0, 1, 2, 3, 4, 5, 9), repeat=2)]
BOXES = [RNG.normal(size=shape) for shape in ((0, 3, 3), (1, 1, 1), (2, 3, 4), (3, 3, 3), (4, 5, 3), (5, 6, 9))]

#: Each with its arguments but the last, and whether it records whole arrays.
PROGRAMS = [
    (line, [(u, 0.2) for u in VECTORS], True),
    (grid, [(u, 0.3) for u in GRIDS], True),
    (box, [(u, 1.1) for u in BOXES], True),
    (two_fields, [(u, RNG.normal(size=u.shape), 0.4) for u in VECTORS], True),
    (border_too, [(u, 0.7) for u in VECTORS if len(u) > 1], False),
    (one_row, [(u, 0.7) for u in GRIDS if u.shape[0] > 1], False),
    (only_a_part, [(u, 0.7) for u in VECTORS if len(u) > 2], False),
    (read_behind, [(u, 0.7) for u in VECTORS], False),
    (sometimes, [(u, 0.7) for u in VECTORS], False),
    (while_small, [(u, 0.7) for u in VECTORS], False),
]


def _agree(staged, args, bits=64):
    (value, slopes), (expected, right) = (one.value_and_grad(*args) for one in staged)
    tolerance = 1e-11 if bits == 64 else 3e-4
    np.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
    for one, other in zip(slopes, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
        assert np.asarray(one).dtype == np.asarray(other).dtype


def _compiled(function, wrt):
    return [stagegrad.compile(function, wrt=wrt, target=target, cache=False) for target in ("numba", "numpy")]


@pytest.mark.parametrize(("function", "arguments", "whole"), PROGRAMS, ids=[function.__name__ for function, *_ in PROGRAMS])
def test_every_size(function, arguments, whole):
    staged = _compiled(function, ("u", "c"))
    for args, count in itertools.product(arguments, (0, 1, 4)):
        _agree(staged, (*args, count))
    assert ("u_tape = room((trips" in staged[0].source("numba")) is whole


def test_narrow_and_strided_arrays():
    wide = RNG.normal(size=(12, 14))
    staged = _compiled(grid, ("u", "c"))
    _agree(staged, (wide[::2, ::-1], 0.3, 4))
    _agree(staged, (wide.T, 0.3, 4))
    _agree(staged, (wide.astype(np.float32), 0.3, 4), bits=32)


def test_the_caller_keeps_his_array():
    u = RNG.normal(size=9)
    before = u.copy()
    stagegrad.compile(line, wrt="u", cache=False).value_and_grad(u, 0.2, 5)
    np.testing.assert_array_equal(u, before)


# ---------------------------------------------------------------------------------------------- random updates

_SECTIONS = ("1:-1", "1:", ":-1", "2:-1", ":-2")
_OTHERS = {"1:-1": ("2:", ":-2", "1:-1"), "1:": (":-1", "1:"), ":-1": ("1:", ":-1"), "2:-1": ("1:-2", "3:", "2:-1"), ":-2": ("2:", "1:-1")}


def random_update(seed):
    """The text of a program that updates one or two matrices in place."""
    choice = random.Random(seed)
    names = ("u", "w")[: choice.randint(1, 2)]
    lines = ["import numpy as np", "def program(u, c, count):", "    u = u.copy()", "    w = np.cos(u)", "    for k in range(count):"]
    for name in names:
        rows, columns = choice.choice(_SECTIONS), choice.choice(_SECTIONS)

        def near(rows=rows, columns=columns):
            array = choice.choice(names)
            return f"{array}[{choice.choice(_OTHERS[rows])}, {choice.choice(_OTHERS[columns])}]"

        value = choice.choice(("{} + c * {} * {}", "c * np.sin({} - {}) + {}", "{} * {} - 0.5 * {}", "np.maximum({}, {}) * c + {}"))
        lines.append(f"        {name}[{rows}, {columns}] = 0.5 * ({value.format(near(), near(), near())})")
    lines.append(f"    return np.sum(u * {choice.choice(('u', 'w'))})")
    return "\n".join(lines) + "\n"


def agree_on_random_update(seed):
    """Compares the targets on one random program."""
    words: dict[str, object] = {}
    text = random_update(seed)
    exec(compile(text, f"<update {seed}>", "exec"), words)
    made = [stagegrad.compile(words["program"], source=text, wrt=("u", "c"), target=t, cache=False) for t in ("numba", "numpy")]
    rng = np.random.default_rng(seed)
    for shape, count in (((3, 3), 2), ((4, 7), 0), ((5, 6), 3), ((9, 4), 1)):
        _agree(made, (rng.normal(size=shape), 0.8, count))


@pytest.mark.parametrize("seed", range(4))
def test_random_updates(seed):
    agree_on_random_update(seed)
