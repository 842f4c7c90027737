"""What is written to the rows of an array, each made of the one before, is a state that a loop carries; the numbers stay the same."""

from __future__ import annotations

import linecache
import random
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences

TYPES = {"x": "float64[:]", "c": "float64", "steps": "int"}


def by_cells(x, c, steps: int):
    n = len(x)
    u = np.zeros((steps + 1, n))
    u[0] = x
    for k in range(steps):
        u[k + 1] = u[k]
        for i in range(1, n - 1):
            u[k + 1, i] = u[k, i] + c * (u[k, i + 1] - 2.0 * u[k, i] + u[k, i - 1]) * u[k, i]
    return np.sum(u[steps] * u[steps])


def by_slices(x, c, steps: int):
    u = np.zeros((steps + 1, len(x)))
    u[0] = x
    for k in range(steps):
        u[k + 1, 1:-1] = u[k, 1:-1] * (1.0 - c) + c * u[k, 2:] * u[k, :-2]
    return np.sum(u[-1]) + u[-1, 2] ** 2


def by_rows(x, c, steps: int):
    u = np.zeros((steps, x.shape[0]))
    u[0] = x
    for k in range(steps - 1):
        u[k + 1] = u[k] + c * np.sin(u[k]) * u[k, 0]
    return np.sum(u[steps - 1] ** 2)


def kept(x, c, steps: int):
    u = np.zeros((steps + 1, len(x)))
    u[0] = x
    for k in range(steps):
        u[k + 1] = np.cos(u[k]) * c
        for i in range(2, len(x)):
            u[k + 1, i] += u[k, i - 1] * u[k + 1, i - 2]
    return np.sum(u * u) + u[steps, 0]


def two_rows_back(x, c, steps: int):
    u = np.zeros((steps + 2, len(x)))
    u[0] = x
    u[1] = np.sin(x)
    for k in range(steps):
        u[k + 2] = u[k + 1] * c - u[k]
    return np.sum(u[steps + 1] ** 2)


def numbers(x, c, steps: int):
    u = np.zeros((steps + 1, 2))
    u[0] = x[:2]
    for k in range(steps):
        u[k + 1, 0] = u[k, 0] + c * u[k, 1]
        u[k + 1, 1] = u[k, 1] - c * np.sin(u[k, 0])
    return u[steps, 0] * u[steps, 1]


def one_number(x, c, steps: int):
    u = np.zeros((steps + 1, len(x)))
    u[0] = x[0] * c
    for k in range(steps):
        u[k + 1] = u[k] * u[k, 1] + 0.5
    return np.sum(u[steps])


FUNCTIONS = [by_cells, by_slices, by_rows, kept, two_rows_back, numbers, one_number]


def text(function: Any, target: str = "numpy") -> str:
    return stagegrad.compile(function, types=TYPES, target=target).source(target)


@pytest.mark.parametrize("function", [by_cells, by_slices, by_rows])
def test_only_the_state_is_carried(function):
    found = text(function)
    assert "u_now_tape" in found and "u[" not in found and "du[" not in found


def test_a_trajectory_that_is_needed_is_kept():
    assert "u[k + 1] = u_next" in text(kept)


@pytest.mark.parametrize("function", [two_rows_back, numbers, one_number])
def test_other_trajectories_stay_as_they_are(function):
    assert "_now" not in text(function)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_gradients(function, steps):
    agree(function, np.random.default_rng(steps).uniform(-0.6, 0.6, size=5), steps)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("steps", [-3, -1, 0])
def test_errors_are_numpy_s(function, steps):
    x = np.linspace(0.1, 0.5, 5)
    staged = stagegrad.compile(function, target="numpy", cache=False)
    try:
        function(x.copy(), 0.3, steps)
    except (IndexError, ValueError) as error:
        with pytest.raises(type(error)):
            staged.value_and_grad(x.copy(), 0.3, steps)


def met_at_the_end(x, c, steps: int):
    u = np.zeros((steps + 1, 5))
    u[0] = x
    for k in range(steps):
        u[k + 1] = u[k] * c
        u[k + 1, 0] = 1.0
    return np.sum(u[steps] * x)


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("size", [1, 4, 5, 6])
def test_a_start_that_fits_no_row_is_refused_also_where_both_are_equal_for_what_they_meet_in_later(size, steps):
    x, staged = np.linspace(0.1, 0.5, size), stagegrad.compile(met_at_the_end, target="numpy", cache=False)
    if size in (1, 5):
        agree(met_at_the_end, x, steps)
        return
    with pytest.raises(ValueError, match="could not broadcast"):
        staged.value_and_grad(x, 0.3, steps)


def agree(function: Any, x: Any, steps: int, where: str = "") -> None:
    if function is by_rows:
        steps += 1
    for bits, near in ((np.float64, 1e-9), (np.float32, 2e-3)):
        args = (x.astype(bits), 0.3, steps)
        value, gradient = stagegrad.compile(function, target="numpy", cache=False).value_and_grad(*args)
        wanted = differences(function, (x.astype(bits).astype(float), 0.3, steps))
        found = np.concatenate([np.ravel(one) for one in gradient])
        assert value == pytest.approx(function(*args), rel=1e-12 if bits is np.float64 else 1e-4), where
        np.testing.assert_allclose(
            found, wanted, rtol=max(near, 1e-6), atol=max(near, 1e-7) * max(1.0, np.max(np.abs(wanted))), err_msg=where
        )


def test_compiled_cells_gather_from_their_neighbours():
    pytest.importorskip("numba")
    staged = stagegrad.compile(by_cells, target="numba")
    x = np.random.default_rng(5).uniform(-0.6, 0.6, size=7)
    value, gradient = staged.value_and_grad(x, 0.3, 3)
    assert value == pytest.approx(by_cells(x, 0.3, 3), rel=1e-12)
    np.testing.assert_allclose(np.concatenate([gradient[0], [gradient[1]]]), differences(by_cells, (x, 0.3, 3)), rtol=1e-7, atol=1e-9)
    assert "near the borders" in staged.source("numba") and "boundscheck" not in staged.source("numba")


def random_program(seed: int) -> str:
    """A trajectory of rows with anything that may be done to them, and a use of it."""
    dice = random.Random(seed)
    size = dice.choice(["len(x)", "x.shape[0]", "n"])
    rows, trips, last = dice.choice(
        [("steps + 1", "steps", "steps"), ("steps + 1", "steps", "-1"), ("steps + 2", "steps + 1", "steps + 1")]
    )
    start = dice.choice(["x", "x", "x * c", "np.sin(x)", "0.5"])
    lines = ["n = len(x)", f"u = np.zeros(({rows}, {size}))", f"u[0] = {start}", "s = 0.0", f"for k in range({trips}):"]

    def row() -> str:
        return dice.choice(["u[k]", "u[k]", "x", "u[k + 1]"])

    def cell(ahead: str = "i") -> str:
        return dice.choice([f"u[k, {ahead}]", f"u[k, {ahead}]", f"u[k + 1, {ahead}]", f"x[{ahead}]", "u[k, 0]", "u[k + 1, -1]"])

    def statement() -> str:
        kind, to = dice.random(), dice.choice(["=", "=", "+="])
        if kind < 0.3:
            return f"u[k + 1] {to} " + dice.choice(["u[k]", "c", f"{row()} * c", f"np.sin({row()}) + {row()}", "np.cos(u[k])"])
        if kind < 0.5:
            return f"u[k + 1, 1:-1] {to} " + dice.choice(["u[k, 2:] * u[k, :-2]", "c * u[k, 1:-1]", "u[k + 1, :-2] + x[2:]", "0.3"])
        if kind < 0.85:
            value = f"{cell()} * c + {cell('i - 1')} * {cell('i + 1')}"
            return f"for i in range(1, n - 1):\n            u[k + 1, i] {to} {value}"
        if kind < 0.92:
            return f"if u[k, 0] > 0.1:\n            u[k + 1, 1] = {cell('2')}\n        else:\n            u[k + 1] = u[k] * 0.5"
        return f"s += np.sum({dice.choice(['u[k]', 'u[k] * u[k + 1]', 'u[k + 1]'])})"

    trip = [statement() for _ in range(dice.choice([1, 2, 3]))]
    lines += [f"    {line}" for line in trip]
    uses = [
        f"np.sum(u[{last}] ** 2)",
        f"np.sum(u[{last}])",
        f"u[{last}, 2] * u[{last}, 1]",
        f"np.sum(u[{last}, 1:])",
        "np.sum(u * u)",
        "np.sum(u[:, 1])",
    ]
    lines.append(f"return s + {dice.choice(uses)}" + dice.choice(["", "", f" + {dice.choice(uses)}"]))
    return "import numpy as np\n\n\ndef f(x, c, steps: int):\n    " + "\n    ".join(lines) + "\n"


def judge(seed: int) -> None:
    source, name = random_program(seed), f"<trajectory {seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope: dict[str, Any] = {}
    exec(compile(source, name, "exec"), scope)
    for count, steps in ((5, 3), (4, 1), (3, 0)):
        x = np.random.default_rng(seed + count).uniform(-0.7, 0.7, size=count)
        value, gradient = stagegrad.compile(scope["f"], target="numpy", cache=False).value_and_grad(x, 0.3, steps)
        wanted = differences(scope["f"], (x, 0.3, steps))
        where = f"seed {seed}, {count} cells, {steps} steps\n{source}"
        assert value == pytest.approx(scope["f"](x, 0.3, steps), rel=1e-12), where
        found = np.concatenate([np.ravel(one) for one in gradient])
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7 * max(1.0, np.max(np.abs(wanted))), err_msg=where)


@pytest.mark.parametrize("start", range(0, 18, 6))
def test_random_trajectories(start):
    for seed in range(start, start + 6):
        judge(seed)
