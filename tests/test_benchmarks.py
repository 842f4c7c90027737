"""The frame of the benchmarks; what they measure is run by ``python -m benchmarks --quick``."""

from __future__ import annotations

import importlib
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import contests, standings, workloads
from benchmarks.checking import WrongAnswer, require_close, require_direction, require_equal, require_slopes
from benchmarks.compiled_c import c_run, compiler
from benchmarks.contest import ALONE, BY_HAND, CONTENDERS, JAX, OURS, C, Contest, Entry, Peer, Standing, hold, left_out, numbers, read
from benchmarks.contests import rosenbrock
from benchmarks.figures import QUICK, Figure, table
from benchmarks.peers import Absent, package, spoken
from benchmarks.timing import Contender, race
from benchmarks.workloads import parallel


def test_every_workload_is_a_module_that_measures() -> None:
    modules = {path.stem for path in Path(str(workloads.__file__)).parent.glob("[!_]*.py")}
    assert modules == set(workloads.WORKLOADS)
    for name in modules:
        assert callable(importlib.import_module(f"benchmarks.workloads.{name}").measure)


def test_two_threads_have_limits_by_the_size_of_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {
        f"sum of {parallel.LARGE:,} elements": {"one": 3e-3, "two": 2e-3},
        f"sum of {parallel.SMALL:,} elements": {"one": 5e-6, "two": 5e-6},
        parallel.PLAIN: {"one": 9e-3, "two": 5e-3},
    }
    asked: dict[str, Any] = {}

    def run(*args: str, environment: dict[str, str]) -> SimpleNamespace:
        asked.update(environment)
        return SimpleNamespace(stdout=json.dumps(seconds))

    monkeypatch.setattr(parallel, "python", run)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    ratios = parallel.measure(QUICK)[1::2]
    assert asked["NUMBA_NUM_THREADS"] == "2"
    assert [figure.limit for figure in ratios] == [parallel.LIMIT, parallel.LIMIT_SMALL, None]
    assert [figure.met for figure in ratios] == [False, True, True]
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert parallel.measure(QUICK) == []


def test_every_contest_is_a_module_with_one() -> None:
    modules = {path.stem for path in Path(str(contests.__file__)).parent.glob("[!_]*.py")}
    assert modules == set(contests.CONTESTS)


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


def test_who_has_used_up_its_share_drops_out_after_three_rounds() -> None:
    contenders = {"short": Contender(sum, ((1, 2),)), "long": Contender(time.sleep, (0.002,))}
    times = race(contenders, replace(QUICK, share=1e-3), time.perf_counter)
    assert len(times.seconds["long"]) == 3
    assert times.quartiles("long")[0] <= times.median("long") <= times.quartiles("long")[1]
    assert times.ratio("long", "short") > 10.0


def test_arrays_agree_to_a_share_of_their_largest_entry() -> None:
    expected = [np.array([1.0]), np.array([1e3, 0.0])]
    require_close([np.array([1.0]), np.array([1e3, 1e-8])], expected, 1e-9, "arrays")
    for off in (np.array([1e3, 1e-5]), np.array([1e3]), np.array([1e3, math.nan])):
        with pytest.raises(WrongAnswer):
            require_close([np.array([1.0]), off], expected, 1e-9, "arrays")


def test_differences_are_taken_of_what_is_differentiated() -> None:
    def weighted(x: Any, weight: Any) -> Any:
        return np.sum(weight * x**2)

    x, weight = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    require_direction(weighted, lambda x, weight: (weighted(x, weight), 2.0 * weight * x), (x, weight), 1e-6, "squares", wrt=(0,))
    with pytest.raises(WrongAnswer):
        require_direction(weighted, lambda x, weight: (weighted(x, weight), 2.1 * weight * x), (x, weight), 1e-6, "squares", wrt=(0,))


def halves(x: Any) -> Any:
    """A function with a helper, as contests have."""
    return np.sum(half(x))


def half(x: Any) -> Any:
    """Half of it."""
    return np.multiply(x, 0.5)


def test_a_text_is_spoken_in_other_words_with_its_helpers() -> None:
    doubled = SimpleNamespace(sum=np.sum, multiply=lambda x, factor: 2.0 * factor * x)
    assert spoken(halves, np=doubled)(np.ones(3)) == 3.0
    assert halves(np.ones(3)) == 1.5
    assert spoken(halves, half=lambda x: 4.0 * x)(np.ones(3)) == 12.0


def test_who_is_not_installed_is_absent_with_the_reason() -> None:
    with pytest.raises(Absent, match="not installed"):
        package("a_package_that_nobody_has")


def squares(x: Any) -> Any:
    """The function of a small contest."""
    return np.sum(x * x)


def _contest(by_hand: Any) -> Contest:
    return Contest(
        function=squares,
        wrt=(0,),
        arguments=lambda n: (np.arange(1.0, n + 1.0),),
        sizes={"10": (10,)},
        small={"4": (4,)},
        work=float,
        unit="number",
        by_hand=by_hand,
        c=None,
    )


def test_a_contest_measures_everyone_and_says_why_someone_is_not() -> None:
    def slow(x: Any) -> Any:
        return lambda: (squares(x), 2.0 * x)

    def broken(x: Any) -> Any:
        raise ValueError("no such thing\nand more")

    peers = {JAX: Peer(slow), "PyTorch": left_out("for a test"), "autograd": Peer(broken), "CasADi": Peer(slow, most=3)}
    effort = replace(QUICK, peers=("jax", "pytorch", "autograd", "casadi"))
    (found,) = hold("squares", replace(_contest(lambda x: (squares(x), 2.0 * x)), peers=peers), effort)
    assert found.entries[OURS].ratio == 1.0
    assert (found.entries[JAX].ratio or 0.0) > 0.0
    assert found.entries["PyTorch"].reason == "left out: for a test"
    assert found.entries["autograd"].reason == "ValueError: no such thing"
    assert "beyond 3" in found.entries["CasADi"].reason
    assert read(json.loads(json.dumps(found.as_dict()))) == found


def test_a_contest_does_not_time_who_disagrees() -> None:
    with pytest.raises(WrongAnswer, match="Numba by hand: number 1 is off"):
        hold("squares", _contest(lambda x: (squares(x), 2.1 * x)), QUICK)


def _standing(**ratios: float) -> Standing:
    entries = {name: Entry() for name in CONTENDERS} | {OURS: Entry(1e-3, 1e-3, 1e-3, 1.0, 9)}
    entries |= {name: Entry(ratio * 1e-3, 1e-3, 1e-3, ratio, 9) for name, ratio in ratios.items()}
    return Standing("squares", "10", 10.0, "number", entries, {ALONE: 3.0, C: 1.2, JAX: 1 / 3}, 0.5, 5.0)


def test_a_standing_knows_what_it_missed() -> None:
    assert _standing(**{ALONE: 0.5, C: 0.9, JAX: 3.1}).met
    found = _standing(**{ALONE: 0.25, C: 0.8, JAX: 2.9})
    assert found.over_function == 4.0
    assert set(found.missed) == {ALONE, C, JAX}
    assert replace(found, compile_seconds=6.0).missed[-1] == "compile"


def test_the_table_of_contests_has_ratios_and_their_means() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in _lines([_standing(**{ALONE: 0.5, C: 4.0, JAX: 2.0})])]
    assert rows[0] == ["contest", "size", "value and gradient", "over the function", C, JAX, "compiled in"]
    assert rows[2] == ["squares", "10", "1 ms", "2", "4", "2 MISSED", "500 ms"]
    assert rows[3][:5] == ["geometric mean", "", "", "2", "4"]
    assert standings.means_met([_standing(**{ALONE: 0.5, C: 1.0})])
    assert not standings.means_met([_standing(**{ALONE: 0.5, BY_HAND: 0.8})])


def _lines(found: list[Standing]) -> list[str]:
    return standings.table(found, judged=True).splitlines()


def test_who_was_not_measured_is_named_once_for_each_reason() -> None:
    absent = {name: Entry() for name in CONTENDERS} | {"CasADi": Entry(reason="not installed")}
    found = [replace(_standing(), contest=name, entries=absent) for name in ("one", "two")]
    assert standings.reasons(found) == ["CasADi: not installed (one, two)"]


def test_c_gets_arrays_with_their_extents_and_a_place_for_each_gradient() -> None:
    try:
        compiler()
    except Absent:
        pytest.skip("there is no C compiler")
    x = np.array([0.5, -1.0, 2.0])
    value, dx = numbers(c_run("rosenbrock", (x,), (0,))())
    require_close([value, dx], numbers(rosenbrock.by_hand(x)), 1e-12, "Rosenbrock")
    single = c_run("softmax", (np.ones((2, 3), np.float32), np.array([0, 2])), (0,))()
    assert single[1][0].dtype == np.float32
    assert math.isclose(single[0], math.log(3.0), rel_tol=1e-6)
