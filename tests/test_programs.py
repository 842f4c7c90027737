"""Programs as their users would write them, against hyper-dual numbers run on the same text."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import stagegrad
from tests.fuzz.duals import Derivatives, differences, differentiate
from tests.fuzz.harness import close, listed

FOLDER = Path(__file__).parent / "programs"
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
#: Closer than this, rounding could decide a comparison; iterations stop at 1e-9, so a looser limit would refuse them.
TIE = 1e-12
#: The programs whose second derivatives are compared as well: a loop, a while, a branch, a recursion, a nest.
CURVED = ("pendulum", "kepler", "black_scholes", "garch", "continued_fraction", "romberg", "implied_vol", "collatz", "tent_map")


def program(name: str) -> ModuleType:
    """The module of a program; the function has its name."""
    return importlib.import_module(f"tests.programs.{name}")


def floats(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """The positions to differentiate at."""
    return tuple(k for k, argument in enumerate(arguments) if isinstance(argument, float))


def oracle(name: str, arguments: tuple[Any, ...]) -> Derivatives:
    """What is true; a sample at a kink would prove nothing."""
    found = differentiate((FOLDER / f"{name}.py").read_text(), name, arguments)
    assert found.closest > TIE, f"{name}{arguments} is within {found.closest} of a tie: choose another point"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_agrees_with_sixty_digits(name: str) -> None:
    arguments = program(name).CALLS[0]
    found, exact = oracle(name, arguments), differences((FOLDER / f"{name}.py").read_text(), name, arguments)
    agree([found.value, *found.gradient], [exact.value, *exact.gradient], 1e-10)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("target", ["python", "numba"])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name: str, target: str) -> None:
    function = getattr(program(name), name)
    calls = program(name).CALLS
    staged = stagegrad.compile(function, wrt=floats(calls[0]), target=target, cache=False)
    for arguments in calls:
        expected = oracle(name, arguments)
        value, gradient = staged.value_and_grad(*arguments)
        plain = function(*arguments)
        assert value == plain if target == "python" else close(value, plain, 1e-12, max(1.0, abs(plain)))
        assert staged(*arguments) == pytest.approx(plain, rel=1e-13, abs=1e-13)
        agree(listed(gradient), list(expected.gradient), 1e-10)


@pytest.mark.parametrize("name", CURVED)
def test_second_derivatives(name: str) -> None:
    function, calls = getattr(program(name), name), program(name).CALLS
    active = floats(calls[0])
    for row, argument in enumerate(active):
        slope = stagegrad.grad(function, argument)
        curvature = stagegrad.compile(slope, wrt=active, target="python", cache=False)
        for arguments in calls:
            expected = oracle(name, arguments)
            value, hessian_row = curvature.value_and_grad(*arguments)
            agree([value], [expected.gradient[row]], 1e-10)
            agree(listed(hessian_row), list(expected.hessian[row]), 1e-8)


def agree(found: list[float], expected: list[float], tolerance: float) -> None:
    """Requires equality, relative to the largest number of the list."""
    scale = max(1.0, *map(abs, expected))
    assert all(close(f, e, tolerance, scale) for f, e in zip(found, expected, strict=True)), f"{found} against {expected}"
