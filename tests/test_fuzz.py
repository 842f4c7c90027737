"""2,000 random programs on the `python` target and 150 on `numba`: no wrong value, gradient or second derivative."""

from __future__ import annotations

import itertools

import pytest

from tests.fuzz.__main__ import report, summary
from tests.fuzz.duals import TIE, Derivatives, differences, differentiate
from tests.fuzz.harness import Outcome, judge, minimise
from tests.fuzz.programs import Program, program

CHUNK = 100
CHUNK_NUMBA = 15


def require(found: list[Outcome], target: str) -> None:
    """Fails with a minimised program for the first failure; refusals and skipped points must be few."""
    failures = [outcome for outcome in found if outcome.failed]
    if failures:
        pytest.fail(f"{summary(found, 0.0)}\n{report(failures[0], target)}", pytrace=False)
    refused = sum(outcome.verdict == "refused" for outcome in found)
    compared, skipped = sum(outcome.points for outcome in found), sum(outcome.skipped for outcome in found)
    assert refused <= 0.02 * len(found) + 1, summary(found, 0.0)
    assert skipped <= 0.05 * (compared + skipped), summary(found, 0.0)


@pytest.mark.parametrize("start", range(0, 2000, CHUNK))
def test_random_programs_on_python(start: int) -> None:
    require([judge(program(seed)) for seed in range(start, start + CHUNK)], "python")


@pytest.mark.parametrize("start", range(100_000, 100_150, CHUNK_NUMBA))
def test_random_programs_on_numba(start: int) -> None:
    pytest.importorskip("numba")
    # A second derivative is compiled for every fifth program: the machine code of one takes seconds.
    found = [judge(program(seed), "numba", second=seed % 5 == 0) for seed in range(start, start + CHUNK_NUMBA)]
    require(found, "numba")


# ---------------------------------------------------------------------------------------------- the oracle itself


def _near(left: tuple[float, ...], right: tuple[float, ...], tolerance: float) -> bool:
    scale = max(1.0, *map(abs, right))
    return all(abs(a - b) <= tolerance * scale for a, b in zip(left, right, strict=True))


def _agree(dual: Derivatives, wide: Derivatives) -> bool:
    flat = [tuple(itertools.chain(*found.hessian)) for found in (dual, wide)]
    return (
        _near((dual.value,), (wide.value,), 1e-12)
        and _near(dual.gradient, wide.gradient, 1e-11)
        and _near((*dual.gradient, *flat[0]), (*wide.gradient, *flat[1]), 1e-10)
    )


def test_hyper_duals_agree_with_sixty_digits() -> None:
    compared = 0
    for seed in range(200_000, 200_080):
        made = program(seed)
        for point in made.points[:1]:
            dual = differentiate(made.text, made.name, point)
            if dual.closest > TIE and dual.finite:
                compared += 1
                assert _agree(dual, differences(made.text, made.name, point)), made.text
    assert compared > 60


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
