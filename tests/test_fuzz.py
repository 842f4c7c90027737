"""300 random programs on the `python` target, 60 by the text of the `numba` target and 12 compiled: no wrong value or derivative.

With STAGEGRAD_PROGRAMS=full they are 2,000, 600 and 150, on `python` all with second derivatives.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial

import pytest

from tests.fuzz.__main__ import report, summary
from tests.fuzz.duals import TIE, Derivatives, differences, differentiate
from tests.fuzz.harness import Outcome, judge, minimise
from tests.fuzz.programs import Program, program
from tests.uncompiled import uncompiled

#: Why a program may be refused, and how many may be.
REASONS = {"f() returns an int, which has no gradient"}
REFUSED = 0.01
#: How many points may lie too near a tie to be compared.
SKIPPED = 0.05

FULL = os.environ.get("STAGEGRAD_PROGRAMS") == "full"

#: How the programs of a test are judged: (target, whether Numba compiles, every so-manieth with second derivatives).
Way = tuple[str, bool, int]
PYTHON: Way = ("python", True, 1 if FULL else 3)
TEXT: Way = ("numba", False, 5)
COMPILED: Way = ("numba", True, 5)

Judge = Callable[[Sequence[int], Way], list[Outcome]]


@pytest.fixture(scope="module")
def judge_all() -> Iterator[Judge]:
    """Judges many seeds, on every core; under pytest-xdist, whose workers take the cores, in this process."""
    jobs = 1 if "PYTEST_XDIST_WORKER" in os.environ else os.cpu_count() or 1
    with ExitStack() as stack:
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(jobs)) if jobs > 1 else None
        yield lambda seeds, way: list((pool.imap_unordered if pool else map)(partial(judge_seed, way=way), seeds))


def judge_seed(seed: int, way: Way) -> Outcome:
    """One seed's outcome."""
    target, compiled, every = way
    with nullcontext() if compiled else uncompiled():
        return judge(program(seed), target, second=seed % every == 0)


def require(found: list[Outcome], target: str) -> None:
    """Fails with a minimised program for the first failure; refusals and skipped points must be few, and refusals expected."""
    failures = [outcome for outcome in found if outcome.failed]
    if failures:
        pytest.fail(f"{summary(found, 0.0)}\n{report(failures[0], target)}", pytrace=False)
    refused = [outcome.reason for outcome in found if outcome.verdict == "refused"]
    compared, skipped = sum(outcome.points for outcome in found), sum(outcome.skipped for outcome in found)
    assert set(refused) <= REASONS and len(refused) <= REFUSED * len(found) + 1, summary(found, 0.0)
    assert skipped <= SKIPPED * (compared + skipped) + 2, summary(found, 0.0)


@pytest.mark.parametrize("start", range(0, 2000 if FULL else 300, 50))
def test_random_programs_on_python(start: int, judge_all: Judge) -> None:
    require(judge_all(range(start, start + 50), PYTHON), "python")


@pytest.mark.parametrize("start", range(100_000, 100_600 if FULL else 100_060, 30))
def test_random_programs_by_the_text_for_numba(start: int, judge_all: Judge) -> None:
    """All passes work on it; only Numba's compiling is left out."""
    found = judge_all(range(start, start + 30), TEXT)
    with uncompiled():
        require(found, "numba")


#: Its value is 10,000,000 times as uncertain as its arguments: compiled code, which rounds otherwise, differs in 8 digits.
STEEP = {110_010}


@pytest.mark.parametrize("start", range(110_000, 110_150 if FULL else 110_012, 6))
def test_random_programs_on_numba(start: int, judge_all: Judge) -> None:
    pytest.importorskip("numba")
    require(judge_all([seed for seed in range(start, start + 6) if seed not in STEEP], COMPILED), "numba")


# ---------------------------------------------------------------------------------------------- the oracle itself


def _near(left: tuple[float, ...], right: tuple[float, ...], tolerance: float) -> bool:
    scale = max(1.0, *map(abs, right))
    return all(abs(a - b) <= tolerance * scale for a, b in zip(left, right, strict=True))


def _agree(dual: Derivatives, wide: Derivatives) -> bool:
    flat = [tuple(itertools.chain(*found.hessian)) for found in (dual, wide)]
    return (
        _near((dual.value,), (wide.value,), 1e-11)
        and _near(dual.gradient, wide.gradient, 1e-10)
        and _near((*dual.gradient, *flat[0]), (*wide.gradient, *flat[1]), 1e-9)
    )


def test_hyper_duals_agree_with_sixty_digits() -> None:
    compared = 0
    for seed in range(200_000, 200_080):
        made = program(seed)
        for point in made.points[:1]:
            dual, wide = differentiate(made.text, made.name, point), differences(made.text, made.name, point)
            if dual.closest > TIE and dual.finite and wide.same_path(dual):
                compared += 1
                assert _agree(dual, wide), made.text
    assert compared > 70


EVERY_FUNCTION = """
import math

def f(x, y):
    s = 0.0
    for inner in (math.sin, math.cos, math.tan, math.asin, math.acos, math.atan, math.sinh, math.cosh, math.tanh, math.asinh,
                  math.atanh, math.exp, math.exp2, math.expm1, math.log, math.log2, math.log10, math.log1p, math.sqrt, math.cbrt,
                  math.erf, math.erfc, math.degrees, math.radians):
        s += inner(x) * inner(y) + inner(x * y)
    s += math.acosh(1.0 + x) * y + math.atan2(x, y) + math.hypot(x, y, 2.0) + math.log(x, 2.0 + y) + math.pow(x, y)
    s += x**y + 2.0**x + x**3 + x**-2.5 + math.fmod(9.0 * x, y) + (9.0 * x) % y + (7.3 % x) * y + divmod(8.0 * y, x)[1]
    s += (9.0 * x) // y + round(9.0 * x) + round(x, 1) + int(9.0 * y) + math.floor(9.0 * x) - math.ceil(9.0 * y) + math.trunc(7.0 * x)
    return s + abs(x - y) + max(x, y) * min(x, y, 0.5) + math.copysign(x, -y) + 1.0 / x - (y - 2.0) / x + float(x) * math.fabs(-y)
"""


@pytest.mark.parametrize("point", [(0.31, 0.83), (0.67, 0.22), (0.9, 0.8)])
def test_every_function_of_the_oracle(point: tuple[float, ...]) -> None:
    assert _agree(differentiate(EVERY_FUNCTION, "f", point), differences(EVERY_FUNCTION, "f", point))


def test_ties_are_seen() -> None:
    text = "def f(x, y):\n    if x > y:\n        return x\n    return 2.0 * y\n"
    assert differentiate(text, "f", (1.0, 1.0 + 1e-9)).closest < TIE
    assert differentiate(text, "f", (1.0, 1.5)).closest == 0.5


# ---------------------------------------------------------------------------------------------- the harness itself


def test_programs_are_the_same_for_the_same_seed() -> None:
    assert [program(seed) for seed in range(20)] == [program(seed) for seed in range(20)]


def test_minimise_keeps_only_what_fails() -> None:
    text = "import math\n\ndef f(x):\n    y = x\n    for i in range(3):\n        if x > 0:\n            y = math.sin(y)\n    return y\n"
    small = minimise(Program(0, text, ((1.0,), (2.0,))), lambda made: "sin" in made.text)
    assert small.text == "def f(x):\n    y = math.sin(y)"
    assert small.points == ((1.0,),)


@pytest.mark.parametrize("seed", [909, 1657, 3613, 4277, 11430, 202614, 202930])
def test_programs_that_once_failed(seed: int) -> None:
    """Programs that an earlier compiler got wrong, or wrote as text that read what no path had computed."""
    assert judge(program(seed)).verdict == "right"
