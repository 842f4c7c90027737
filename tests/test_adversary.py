"""Programs that once broke the compiler, each with the number that it must give."""

from __future__ import annotations

import math

import numpy as np
import pytest

import stagegrad


def cardinal_sine(x: float) -> float:
    return float(np.where(x != 0, np.sin(x) / x, 1.0))


def damped_pole(x: float) -> float:
    return float(np.where(x > 0, 1 / (x * np.exp(x)), 0.0))


def mean_growth(x: float) -> float:
    growth = np.expm1(x) / x
    return growth if x != 0 else 1.0


@pytest.mark.parametrize("target", ["python", "numba"])
@pytest.mark.parametrize("function, value", [(cardinal_sine, 1.0), (damped_pole, 0.0), (mean_growth, 1.0)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, at the pole that is not chosen
def test_a_zero_gradient_stops_at_a_pole_that_was_not_chosen(function: object, value: float, target: str) -> None:
    if target == "numba":
        pytest.importorskip("numba")
    assert stagegrad.compile(function, target=target, cache=False).value_and_grad(0.0) == (value, 0.0)


def test_a_pole_that_was_chosen_keeps_its_slope() -> None:
    compiled = stagegrad.compile(cardinal_sine, target="python", cache=False)
    assert math.isclose(compiled.grad(0.5), (0.5 * math.cos(0.5) - math.sin(0.5)) / 0.25, rel_tol=1e-15)
