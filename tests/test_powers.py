"""The helpers of powers at all special points: signs, limits and where a power is complex, in Python, in NumPy and compiled."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stagegrad import kernels
from stagegrad.ops import HELPERS
from tests.kernel_errors import computed
from tests.rule_oracle import words

NEAR_WHOLE = [math.nextafter(whole, towards) for whole in (1.0, 2.0, 3.0, 2.0**52 + 1, 2.0**53) for towards in (0.0, math.inf)]
SIZES = [0.0, 5e-324, 1e-310, 1e-20, 0.5, 1.0, 1.5, 2.0, 3.0, 1e3, 2.0**52 + 1, 2.0**53 - 1, 2.0**53, 1e300, math.inf, *NEAR_WHOLE]
SPECIAL = [*SIZES, *(-size for size in SIZES), math.nan]
#: Not the least of all numbers as an exponent: it has no half, and no slope is a power with it.
PAIRS = [(x, y) for x, y in itertools.product(SPECIAL, SPECIAL) if abs(y) != 5e-324]


def power(x: float, y: float) -> float:
    """x**y of C's library, but NaN where an operand is or where it is complex; odd exponents are known by their exact fractions."""
    if x != x or y != y or (x < 0.0 and math.isfinite(y) and not y.is_integer()):
        return math.nan
    is_odd = y.is_integer() and int(y) % 2 == 1
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0.0 and is_odd else math.inf
    except ValueError:
        return math.copysign(math.inf, x) if is_odd else math.inf  # a pole at zero


def vectorised(name: str) -> Callable[..., Any]:
    """The helper on arrays, as a module for NumPy has it."""
    scope: dict[str, Any] = {"np": np, "math": math}
    for need in (*HELPERS[name].needs, name):
        exec(HELPERS[need].for_target("numpy"), scope)
    found: Callable[..., Any] = scope[name]
    return found


def ways(name: str) -> dict[str, list[float]]:
    """What each form of `name` answers at all pairs, its last operand (a factor, or which slope) being 1."""
    numba = pytest.importorskip("numba")
    last = {"power_times": (1.0,), "pow_dx": (), "pow_dy": (1,)}[name]
    x, y = (np.array(column) for column in zip(*PAIRS, strict=True))
    plain, scope = words()[name], {"math": math}
    for need in (*HELPERS[name].needs, name):
        exec(HELPERS[need].for_target("numba"), scope)
        scope[need] = numba.njit(error_model="numpy")(scope[need])
    with np.errstate(all="ignore"):
        factor = {"power_times": (np.ones(len(x)),), "pow_dx": (), "pow_dy": (np.log(x),)}[name]
        return {
            "python": [plain(*pair, *last) for pair in PAIRS],
            "numba": [scope[name](*pair, *last) for pair in PAIRS],
            "numpy": vectorised(f"{name}_each")(x, y, *last).tolist(),
            "kernel": computed(name, x, y, *factor).tolist(),
            "kernel in Python": [getattr(kernels, name)(*numbers) for numbers in zip(x, y, *factor, strict=True)],
        }


def same(found: float, expected: float) -> bool:
    """Are two numbers the same up to rounding? Then zeros and infinities have the same sign, and NaN is beside NaN."""
    if found != found or expected != expected:
        return found != found and expected != expected
    if math.copysign(1.0, found) != math.copysign(1.0, expected):
        return False
    return found == expected or math.isclose(found, expected, rel_tol=1e-13, abs_tol=1e-323)


def differences(found: list[float], expected: list[float]) -> list[Any]:
    return [(*pair, one, other) for pair, one, other in zip(PAIRS, found, expected, strict=True) if not same(one, other)]


def test_a_power_has_the_sign_and_the_limits_that_c_gives_it() -> None:
    expected = [power(*pair) for pair in PAIRS]
    assert {name: wrong for name, found in ways("power_times").items() if (wrong := differences(found, expected))} == {}


@pytest.mark.parametrize("name", ["pow_dx", "pow_dy"])
def test_slopes_of_powers_are_the_same_in_every_form(name: str) -> None:
    found = ways(name)
    expected = found.pop("python")
    assert {name: wrong for name, other in found.items() if (wrong := differences(other, expected))} == {}


def test_an_exponent_next_to_an_odd_one_is_not_odd() -> None:
    x, y = -0.0, -0.9999999999999999
    times, each = words()["power_times"], vectorised("power_times_each")
    with np.errstate(divide="ignore"):
        assert times(x, y, 1.0) == kernels.power_times(x, y, 1.0) == each(np.array(x), np.array(y), 1.0) == math.inf
    assert times(x, -1.0, 1.0) == -math.inf
