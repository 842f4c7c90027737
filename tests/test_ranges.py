"""Loops that begin at 2 or later run the same trips when they are told not to end before."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad
from stagegrad.ir import For, walk
from stagegrad.ir_text import parse
from stagegrad.passes.ranges import with_plain_ranges
from tests.interpret import Interpreter

_LOOP = """
function f(x.0: float[1], n.0: int) -> 0 from python:
  for i.0 in range({start}, {stop}, {step}) carry (s.0: float = 0.0 -> s.1):
    j.0: int = mod(i.0, 5)
    a.0: float = {read}
    b.0: float = add(s.0, a.0)
    c.0: float = to_float(i.0)
    s.2: float = add(b.0, c.0)
    yield s.2
  return s.1
"""
_READ = "load(x.0, j.0) {at='[{0}]', rank=0}"


@pytest.mark.parametrize(
    ("start", "stop", "step", "changes"),
    [
        ("2", "n.0", "1", True), ("7", "n.0", "1", True), ("3", "n.0", "2", True), ("n.0", "1", "-1", True), ("n.0", "4", "-2", True),
        ("1", "n.0", "1", False), ("0", "n.0", "1", False), ("n.0", "0", "-1", False), ("2", "9", "1", False), ("n.0", "9", "1", False),
    ],
)  # fmt: skip
def test_the_trips_are_the_same(start, stop, step, changes):
    module = parse(_LOOP.format(start=start, stop=stop, step=step, read=_READ))
    changed = with_plain_ranges(module)
    assert (changed != module) is changes
    assert with_plain_ranges(changed) == changed
    x = np.arange(1.0, 6.0)
    for n in (-3, 0, 1, 2, 3, 4, 7, 8, 12):
        assert Interpreter(changed)(x, n) == Interpreter(module)(x, n)


def test_a_loop_that_reads_no_array_stays_as_it_is():
    module = parse(_LOOP.format(start="2", stop="n.0", step="1", read="copy(1.0)"))
    assert with_plain_ranges(module) == module


def test_loops_in_loops_and_branches():
    def far(u, n, c):
        total = 0.0
        for i in range(2, n):
            if i % 2 == 0:
                for j in range(n - 1, 2, -1):
                    total += c * u[i] * u[j - 1] * u[i - 2]
        return total

    pytest.importorskip("numba")
    staged = [stagegrad.compile(far, wrt=("u", "c"), target=target, cache=False) for target in ("numba", "numpy")]
    u = np.linspace(0.3, 1.7, 9)
    for n in (0, 1, 2, 3, 5, 9):
        (value, slopes), (expected, right) = (one.value_and_grad(u, n, 0.7) for one in staged)
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        for one, other in zip(slopes, right, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-14)
    loops = [stmt for stmt in walk(with_plain_ranges(staged[0].build.module("value")).main.body) if isinstance(stmt, For)]
    assert len(loops) == 2
