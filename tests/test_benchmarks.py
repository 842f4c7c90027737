"""The frame of the benchmarks; what they measure is run by ``python -m benchmarks --quick``."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest

from benchmarks import workloads
from benchmarks.checking import WrongAnswer, require_equal, require_slopes
from benchmarks.figures import QUICK, Figure, table
from benchmarks.timing import Contender, race


def test_every_workload_is_a_module_that_measures() -> None:
    modules = {path.stem for path in Path(str(workloads.__file__)).parent.glob("[!_]*.py")}
    assert modules == set(workloads.WORKLOADS)
    for name in modules:
        assert callable(importlib.import_module(f"benchmarks.workloads.{name}").measure)


def test_a_figure_knows_its_limit() -> None:
    assert Figure("call", 9e-7, "s", 1e-6).met
    assert not Figure("call", 2e-6, "s", 1e-6).met
    assert not Figure("call", math.nan, "s", 1e-6).met
    assert Figure("size", 3.0, "bytes").met


def test_the_table_shows_units_limits_and_what_was_missed() -> None:
    lines = table({"call": [Figure("one", 2.5e-7, "s", 1e-6), Figure("two", 3.0, "", 2.5)]}).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")] == ["", "call", "one", "250 ns", "<= 1 us", ""]
    assert [cell.strip() for cell in lines[3].split("|")] == ["", "", "two", "3.00 times", "<= 2.50 times MISSED", ""]


def test_a_race_measures_every_contender_in_every_round() -> None:
    times = race({"short": Contender(sum, ((1, 2),)), "long": Contender(sum, (tuple(range(10_000)),))}, QUICK)
    assert {len(found) for found in times.seconds.values()} == {QUICK.rounds}
    assert times.ratio("long", "short") > 10.0


def test_wrong_numbers_are_not_timed() -> None:
    require_equal([1.0, 2.0], [1.0, 2.0 + 1e-12], 1e-9, "numbers")
    for found in ([1.0], [1.0, 2.1], [1.0, math.nan]):
        with pytest.raises(WrongAnswer):
            require_equal(found, [1.0, 2.0], 1e-9, "numbers")
    require_slopes(lambda x, n: x**n, (3.0, 2), [6.0], 1e-6, "a square")
    with pytest.raises(WrongAnswer):
        require_slopes(lambda x, n: x**n, (3.0, 2), [5.9], 1e-6, "a square")
