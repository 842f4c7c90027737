"""The kink table: one documented slope at each kink, pole and tie, the same in every form of code.

Each row is checked on the bare rule, and again through the whole pipeline on the python target. Rows that Python itself
answers with an exception are checked as such, and on Numba with Numba's arithmetic. NaN is never forgiven.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special

import stagegrad
from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from tests.rule_oracle import runnable

INF, NAN = math.inf, math.nan


def same(found: Any, expected: Any) -> bool:
    """Equal numbers, NaN only where NaN is expected."""
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(same(a, b) for a, b in zip(found, expected, strict=True))
    if math.isnan(expected):
        return math.isnan(found)
    return bool(found == expected or math.isclose(found, expected, rel_tol=1e-14))


# (operation, operands, value or None where it is not the point, slopes); None for a slope that is not asked for
ROWS: list[tuple[str, tuple[float, ...], float | None, list[float]]] = [
    ("abs", (0.0,), 0.0, [0.0]),
    ("abs", (NAN,), NAN, [NAN]),
    ("abs", (-2.0,), 2.0, [-1.0]),
    # NumPy's maximum splits ties and passes NaN on; Python's max is a branch
    ("maximum", (1.0, 1.0), 1.0, [0.5, 0.5]),
    ("minimum", (1.0, 1.0), 1.0, [0.5, 0.5]),
    ("maximum", (2.0, 1.0), 2.0, [1.0, 0.0]),
    ("minimum", (2.0, 1.0), 1.0, [0.0, 1.0]),
    ("maximum", (1.0, NAN), NAN, [NAN, NAN]),
    ("minimum", (NAN, 1.0), NAN, [NAN, NAN]),
    ("maximum", (0.0, 0.0), 0.0, [0.5, 0.5]),
    ("maximum", (INF, INF), INF, [0.5, 0.5]),
    ("max", (0.0, 0.0), 0.0, [1.0, 0.0]),
    ("min", (0.0, 0.0), 0.0, [1.0, 0.0]),
    ("max", (1.0, 2.0), 2.0, [0.0, 1.0]),
    ("max", (1.0, NAN), 1.0, [1.0, 0.0]),
    ("max", (NAN, 1.0), NAN, [1.0, 0.0]),
    ("relu", (0.0,), 0.0, [0.0]),
    ("relu", (1e-300,), 1e-300, [1.0]),
    ("relu", (-1.0,), 0.0, [0.0]),
    ("relu", (NAN,), NAN, [NAN]),
    ("clip", (0.0, 0.0, 1.0), 0.0, [0.5, 0.5, 0.0]),
    ("clip", (1.0, 0.0, 1.0), 1.0, [0.5, 0.0, 0.5]),
    ("clip", (0.3, 0.0, 1.0), 0.3, [1.0, 0.0, 0.0]),
    ("clip", (-3.0, 0.0, 1.0), 0.0, [0.0, 1.0, 0.0]),
    ("clip", (3.0, 0.0, 1.0), 1.0, [0.0, 0.0, 1.0]),
    ("clip", (0.5, 2.0, 1.0), 1.0, [0.0, 0.0, 1.0]),
    ("clip", (NAN, 0.0, 1.0), NAN, [NAN, NAN, NAN]),
    ("copysign", (0.0, -1.0), -0.0, [0.0, 0.0]),
    ("copysign", (2.0, -0.0), -2.0, [-1.0, 0.0]),
    ("copysign", (-2.0, -3.0), -2.0, [1.0, 0.0]),
    # roots and distances
    ("sqrt", (0.0,), 0.0, [INF]),
    ("cbrt", (0.0,), 0.0, [INF]),
    ("cbrt", (INF,), INF, [0.0]),
    ("hypot", (0.0, 0.0), 0.0, [0.0, 0.0]),
    ("hypot", (3.0, 0.0), 3.0, [1.0, 0.0]),
    ("hypot", (3e200, 4e200), 5e200, [0.6, 0.8]),
    ("atan2", (0.0, 0.0), 0.0, [NAN, NAN]),
    ("atan2", (0.0, -1.0), math.pi, [-1.0, 0.0]),
    ("atan2", (1e200, 1e200), math.pi / 4, [5e-201, -5e-201]),
    ("asin", (1.0,), math.pi / 2, [INF]),
    ("acos", (-1.0,), math.pi, [-INF]),
    ("acosh", (1.0,), 0.0, [INF]),
    # powers
    ("pow", (0.0, 2.0), 0.0, [0.0, 0.0]),
    ("pow", (0.0, 0.5), 0.0, [INF, 0.0]),
    ("pow", (0.0, 0.0), 1.0, [0.0, 0.0]),
    ("pow", (-2.0, 3.0), -8.0, [12.0, NAN]),
    ("pow", (2.0, 0.0), 1.0, [0.0, math.log(2.0)]),
    ("pow", (NAN, 0.0), 1.0, [0.0, NAN]),
    ("pow", (INF, 0.5), INF, [0.0, INF]),
    # exponentials that must not overflow
    ("softplus", (1000.0,), 1000.0, [1.0]),
    ("softplus", (-1e4,), 0.0, [0.0]),
    ("softplus", (1e4,), 1e4, [1.0]),
    ("softplus", (NAN,), NAN, [NAN]),
    ("logistic", (-1e4,), 0.0, [0.0]),
    ("logistic", (1e4,), 1.0, [0.0]),
    ("logaddexp", (0.0, 1000.0), 1000.0, [0.0, 1.0]),
    ("logaddexp", (0.0, -1e4), 0.0, [1.0, 0.0]),
    ("logaddexp", (INF, 1.0), INF, [1.0, 0.0]),
    ("logaddexp", (-INF, -INF), -INF, [0.0, 0.0]),
    ("logaddexp", (-INF, 2.0), 2.0, [0.0, 1.0]),
    ("logaddexp", (NAN, 2.0), NAN, [NAN, NAN]),
    ("xlogy", (0.0, 0.0), 0.0, [-INF, 0.0]),
    ("xlogy", (0.0, 2.0), 0.0, [math.log(2.0), 0.0]),
    ("xlogy", (1.0, -1.0), NAN, [NAN, NAN]),
    ("expm1", (-40.0,), -1.0, [math.exp(-40.0)]),
    ("erf", (1e4,), 1.0, [0.0]),
    # remainders
    ("mod", (-5.3, 2.0), -5.3 % 2.0, [1.0, 3.0]),
    ("mod", (5.3, -2.0), 5.3 % -2.0, [1.0, 3.0]),
    ("mod", (INF, 2.0), NAN, [NAN, NAN]),
    ("fmod", (-5.3, 2.0), math.fmod(-5.3, 2.0), [1.0, 2.0]),
    ("remainder", (-5.3, 2.0), math.remainder(-5.3, 2.0), [1.0, 3.0]),
    ("gamma", (INF,), INF, [INF]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "operands", "value", "slopes"), ROWS, ids=lambda part: str(part) if isinstance(part, str) else None)
def test_the_rule_follows_the_table(name: str, operands: tuple[float, ...], value: float | None, slopes: list[float]) -> None:
    found, *partials = runnable(name)(*operands)
    assert value is None or same(found, value)
    assert same(partials, slopes)


@pytest.mark.parametrize("test", [True, False])
def test_where_sends_the_gradient_to_what_was_chosen(test: bool) -> None:
    assert runnable("where")(test, 2.0, 3.0) == (2.0 if test else 3.0, 0.0, float(test), float(not test))


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint", "sign", "floordiv", "floor_int", "round_int"])
def test_what_is_flat_has_no_slope(name: str) -> None:
    operands = (2.0, 1.0) if name == "floordiv" else (2.0,)
    assert set(runnable(name)(*operands)[1:]) == {0.0}


@pytest.mark.parametrize(("exponent", "slope"), [(2, 0.0), (1, 1.0), (0, 0.0), (3, 0.0), (2.0, 0.0), (0.0, 0.0), (0.5, INF), (1.5, 0.0)])
def test_a_constant_power_at_zero(exponent: float, slope: float) -> None:
    assert runnable("pow", {"y": exponent})(0.0, 0.0)[1] == slope


# ---------------------------------------------------------------------------------------------- NumPy's spelling


NUMPY_ROWS = [
    ("log", (-1.0,), NAN, [NAN]),
    ("log", (0.0,), -INF, [INF]),
    ("log1p", (-1.0,), -INF, [INF]),
    ("log2", (-1.0,), NAN, [NAN]),
    ("sqrt", (-1.0,), NAN, [NAN]),
    ("sqrt", (0.0,), 0.0, [INF]),
    ("asin", (2.0,), NAN, [NAN]),
    ("atanh", (1.0,), INF, [INF]),
    ("atanh", (2.0,), NAN, [NAN]),
    ("acosh", (0.5,), NAN, [NAN]),
    ("sin", (INF,), NAN, [NAN]),
    ("exp", (1000.0,), INF, [INF]),
    ("expm1", (1000.0,), INF, [INF]),
    ("pow", (0.0, -1.0), INF, [-INF, NAN]),
    ("pow", (-2.0, 0.5), NAN, [NAN, NAN]),
    ("sigmoid", (-1000.0,), 0.0, [0.0]),
    ("maximum", (1.0, NAN), NAN, [NAN, NAN]),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("name", "operands", "value", "slopes"), NUMPY_ROWS, ids=[f"{row[0]}{row[1]}" for row in NUMPY_ROWS])
def test_numpy_s_functions_give_nan_and_inf(name: str, operands: tuple[float, ...], value: float, slopes: list[float]) -> None:
    found, *partials = runnable(name, lib="numpy")(*operands)
    assert same(found, value)
    assert same(partials, slopes)


# ---------------------------------------------------------------------------------------------- through the pipeline


def hyp_at(x: float, y: float) -> float:
    return math.hypot(x, y)


def first_wins(x: float, y: float) -> float:
    return max(x, y)


def halves(x: float, y: float) -> float:
    return float(np.maximum(x, y))


def guarded_log(x: float) -> float:
    return math.log(x) if x > 0.0 else 0.0


def guarded_sqrt(x: float) -> float:
    return math.sqrt(x) if x >= 0.0 else 0.0


def guarded_sinc(x: float) -> float:
    return math.sin(x) / x if x != 0.0 else 1.0


def steep_zero(x: float) -> float:
    return math.sqrt(x)


def magnitude(x: float) -> float:
    return abs(x)


def rooted_square(x: float) -> float:
    return math.sqrt(x * x)


def squared(x: float) -> float:
    return x**2


def to_power(x: float, y: float) -> float:
    return x**y


def wrapped(x: float, y: float) -> float:
    return x % y


def whole_steps(x: float, y: float) -> float:
    return float(x // y)


def flattened(x: float) -> float:
    return float(math.floor(x)) + round(x) + int(x)


def naive_sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def growing(x: float) -> float:
    return x / (1.0 + math.exp(-x))


def cancelled(x: float, y: float) -> float:
    return x - y


PROGRAMS: list[tuple[Any, tuple[float, ...], list[float]]] = [
    (hyp_at, (0.0, 0.0), [0.0, 0.0]),
    (first_wins, (0.0, 0.0), [1.0, 0.0]),
    (halves, (0.0, 0.0), [0.5, 0.5]),
    (guarded_log, (0.0,), [0.0]),
    (guarded_sqrt, (-1.0,), [0.0]),
    (guarded_sinc, (0.0,), [0.0]),
    (guarded_log, (NAN,), [0.0]),
    (steep_zero, (0.0,), [INF]),
    (magnitude, (0.0,), [0.0]),
    (rooted_square, (0.0,), [NAN]),
    (squared, (0.0,), [0.0]),
    (to_power, (0.0, 2.0), [0.0, 0.0]),
    (to_power, (0.0, 0.5), [INF, 0.0]),
    (to_power, (0.0, 0.0), [0.0, 0.0]),
    (to_power, (-2.0, 3.0), [12.0, NAN]),
    (wrapped, (-5.3, 2.0), [1.0, 3.0]),
    (whole_steps, (-5.3, 2.0), [0.0, 0.0]),
    (flattened, (2.0,), [0.0]),
    (naive_sigmoid, (700.0,), [0.0]),
    (growing, (700.0,), [1.0]),
    (cancelled, (INF, INF), [1.0, -1.0]),
]


@pytest.mark.parametrize(("function", "operands", "slopes"), PROGRAMS, ids=[f"{row[0].__name__}{row[1]}" for row in PROGRAMS])
def test_a_compiled_function_follows_the_table(function: Any, operands: tuple[float, ...], slopes: list[float]) -> None:
    compiled = stagegrad.compile(function, target="python", cache=False)
    value, gradient = compiled.value_and_grad(*operands)
    assert same(value, function(*operands))
    assert same(gradient if isinstance(gradient, tuple) else [gradient], slopes)


@pytest.mark.parametrize(
    ("function", "operands", "error"),
    [(to_power, (-2.0, 0.5), ValueError), (to_power, (0.0, -1.0), ZeroDivisionError),
     (wrapped, (1.0, 0.0), ZeroDivisionError), (naive_sigmoid, (-1000.0,), OverflowError)],
)  # fmt: skip
def test_the_python_target_raises_where_python_does(function: Any, operands: tuple[float, ...], error: type[Exception]) -> None:
    compiled = stagegrad.compile(function, target="python", cache=False)
    with pytest.raises(error):
        compiled.value_and_grad(*operands)


@pytest.mark.parametrize("x", [-1e4, 1e4])
@pytest.mark.parametrize("text", ["sigmoid(x)", "softplus(x)", "logaddexp(x, 1.0)", "tanh(x)", "sigmoid(x)*tanh(x)"])
def test_formulas_do_not_overflow(text: str, x: float) -> None:
    value, gradient = stagegrad.formula(text, target="python", cache=False).value_and_grad(x)
    assert math.isfinite(value) and math.isfinite(gradient)


def every_pole(kind: int, x: float, y: float) -> float:
    """One function, compiled once, whose branches are the rows that Python would answer with an exception."""
    if kind == 0:
        found = 1 / (1 + math.exp(-x))
    elif kind == 1:
        found = math.log(x)
    elif kind == 2:
        found = math.log(1.0 + math.exp(x))
    elif kind == 3:
        found = x**y
    elif kind == 4:
        found = math.atanh(x)
    elif kind == 5:
        found = x % y
    elif kind == 6:
        found = math.sqrt(x)
    elif kind == 7:
        found = x / (1.0 + math.exp(-x))
    elif kind == 8:
        found = math.acosh(x) + math.log1p(y)
    else:
        found = x / y
    return found


NUMBA_ROWS = [
    (0, (-1000.0, 0.0), 0.0, [0.0, 0.0]),
    (1, (-1.0, 0.0), NAN, [NAN, 0.0]),
    (1, (0.0, 0.0), -INF, [INF, 0.0]),
    (2, (1000.0, 0.0), INF, [NAN, 0.0]),
    (3, (0.0, -1.0), INF, [-INF, NAN]),
    (3, (-2.0, 0.5), NAN, [NAN, NAN]),
    (3, (0.0, 0.0), 1.0, [0.0, 0.0]),
    (4, (2.0, 0.0), NAN, [NAN, 0.0]),
    (4, (1.0, 0.0), INF, [INF, 0.0]),
    (5, (1.0, 0.0), NAN, [NAN, NAN]),
    (6, (-1.0, 0.0), NAN, [NAN, 0.0]),
    (6, (0.0, 0.0), 0.0, [INF, 0.0]),
    (7, (-1000.0, 0.0), 0.0, [0.0, 0.0]),
    (8, (0.5, -2.0), NAN, [NAN, NAN]),
    (9, (1.0, 0.0), INF, [INF, -INF]),
]


def test_numba_has_the_arithmetic_of_floats_where_math_raises() -> None:
    pytest.importorskip("numba")
    compiled = stagegrad.compile(every_pole, target="numba")
    for kind, operands, value, slopes in NUMBA_ROWS:
        found, gradient = compiled.value_and_grad(kind, *operands)
        assert same(found, value), (kind, operands, found)
        assert same(gradient, slopes), (kind, operands, gradient)


def test_second_derivatives_of_powers() -> None:
    for text, x, second in (("x**2.0", 0.0, 2.0), ("x**3", 2.0, 12.0), ("x**2.5", 4.0, 7.5), ("2**x", 1.0, 2.0 * math.log(2.0) ** 2)):
        slope = stagegrad.grad(stagegrad.formula(text, target="python", cache=False))
        assert same(stagegrad.grad(slope)(x), second), text


def fraction(x):
    part, _ = math.modf(x)
    return part * 2.0


def whole(x):
    _, part = math.modf(x)
    return part * x


@pytest.mark.parametrize("x", [2.75, -2.75, 0.0, -0.0, -0.5, 3.0, 1e300, math.inf, -math.inf, math.nan])
def test_both_parts_of_a_number(x):
    """Python's signs of zero are kept; the fraction follows x, the whole part does not."""
    for function, slope in ((fraction, 2.0), (whole, math.modf(x)[1])):
        value, found = stagegrad.compile(function, target="python", cache=False).value_and_grad(x)
        assert repr(value) == repr(function(x))
        assert found == slope or not math.isfinite(x)


def log_of_gamma(x):
    return scipy.special.gammaln(x)


@pytest.mark.uncompiled
@pytest.mark.parametrize("x", [-math.inf, -3.0, -0.0, 0.0, math.inf, math.nan, 1e306])
def test_the_logarithm_of_gamma_at_its_poles(x):
    """SciPy's values, in Numba's text too."""
    value, _ = stagegrad.compile(log_of_gamma, target="numba", cache=False).value_and_grad(x)
    assert repr(value) == repr(float(log_of_gamma(x)))
