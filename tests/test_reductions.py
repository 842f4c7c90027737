"""Reductions where their gradients are easily wrong: ties, zeros, infinities, nan, and what is empty."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as special

import stagegrad

inf, nan = math.inf, math.nan
CONSTANT = np.full(4, 0.5)


def largest(x):
    return np.max(x)


def largest_of_rows(x):
    return np.sum(np.array([1.0, 10.0]) * np.max(x, axis=1))


def smallest(x):
    return x.min()


def root_of_the_largest(x):
    return np.sqrt(np.max(x))


def first_of_the_largest(x):
    return x[np.argmax(x)]


def product(x):
    return np.prod(x)


def product_of_all(x):
    return x.prod()


def running_product(x):
    return np.sum(np.cumprod(x))


def deviation(x):
    return np.std(x)


def variance(x):
    return np.var(x)


def middle(x):
    return np.median(x)


def quartile(x):
    return np.quantile(x, 0.25)


def weighted_in_order(x):
    return np.sum(np.array([1.0, 2.0, 4.0]) * np.sort(x))


def soft_maximum(x):
    return special.logsumexp(x)


def soft_maxima_of_rows(x):
    return np.sum(np.where(np.sum(x, axis=1) > -inf, special.logsumexp(x, axis=1), 0.0))


def average(x):
    return np.mean(x)


def total(x):
    return np.sum(x)


#: (function, argument, value, gradient)
KINKS = [
    (largest, [1.0, 3.0, 3.0], 3.0, [0.0, 0.5, 0.5]),
    (largest, [3.0, 3.0, 3.0, 3.0], 3.0, [0.25] * 4),
    (largest, [1.0, nan, 2.0], nan, [nan, nan, nan]),
    (largest, [1.0, inf, 2.0], inf, [0.0, 1.0, 0.0]),
    (largest_of_rows, [[1.0, 2.0, 2.0], [5.0, 0.0, 1.0]], 52.0, [[0.0, 0.5, 0.5], [10.0, 0.0, 0.0]]),
    (largest_of_rows, [[1.0, 2.0, nan], [5.0, 0.0, 1.0]], nan, [[nan, nan, nan], [10.0, 0.0, 0.0]]),
    (smallest, [1.0, 3.0, 1.0], 1.0, [0.5, 0.0, 0.5]),
    (root_of_the_largest, [0.0, -1.0], 0.0, [inf, 0.0]),
    (first_of_the_largest, [1.0, 3.0, 3.0], 3.0, [0.0, 1.0, 0.0]),
    (product, [2.0, 0.0, 4.0], 0.0, [0.0, 8.0, 0.0]),
    (product, [2.0, 0.0, 0.0], 0.0, [0.0, 0.0, 0.0]),
    (product, [], 1.0, []),
    (product_of_all, [[2.0, 0.0], [3.0, 5.0]], 0.0, [[0.0, 30.0], [0.0, 0.0]]),
    (running_product, [2.0, 0.0, 4.0], 2.0, [1.0, 10.0, 0.0]),
    (running_product, [0.0, 3.0, 0.0], 0.0, [4.0, 0.0, 0.0]),
    (deviation, CONSTANT, 0.0, [0.0] * 4),
    (variance, CONSTANT, 0.0, [0.0] * 4),
    (middle, [2.0, 1.0, 1.0, 0.0], 1.0, [0.0, 0.5, 0.5, 0.0]),
    (middle, [1.0, 1.0, 1.0], 1.0, [0.0, 1.0, 0.0]),
    (middle, [1.0, nan, 3.0], nan, [nan, nan, nan]),
    (quartile, [4.0, 1.0, 2.0, 3.0, 5.0], 2.0, [0.0, 0.0, 1.0, 0.0, 0.0]),
    (weighted_in_order, [2.0, 1.0, 1.0], 11.0, [4.0, 1.0, 2.0]),
    (soft_maximum, [-inf, -inf], -inf, [0.0, 0.0]),
    (soft_maximum, [], -inf, []),
    (soft_maximum, [inf, 1.0], inf, [1.0, 0.0]),
    (soft_maximum, [1000.0, 0.0, -inf], 1000.0, [1.0, 0.0, 0.0]),
    (soft_maxima_of_rows, [[-inf, -inf], [0.0, 0.0]], math.log(2.0), [[0.0, 0.0], [0.5, 0.5]]),
    (average, [1.0, nan], nan, [0.5, 0.5]),
    (total, [], 0.0, []),
]  # fmt: skip
COMPILED = [row for row in KINKS if row[0] in (largest, product_of_all, running_product, middle, soft_maximum)]


def check(function: Callable[..., Any], argument: Any, value: float, gradient: Any, target: str) -> None:
    given = np.asarray(argument, dtype=np.float64)
    found, slopes = compiled(function, target).value_and_grad(given)
    assert np.array_equal(found, value, equal_nan=True)
    np.testing.assert_allclose(slopes, np.asarray(gradient, dtype=np.float64), rtol=1e-14)


def compiled(function: Callable[..., Any], target: str) -> Any:
    if (function, target) not in _ready:
        _ready[function, target] = stagegrad.compile(function, target=target, cache=False)
    return _ready[function, target]


_ready: dict[Any, Any] = {}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("function", "argument", "value", "gradient"), KINKS)
def test_on_numpy(function: Callable[..., Any], argument: Any, value: float, gradient: Any) -> None:
    check(function, argument, value, gradient, "python")


@pytest.mark.parametrize(("function", "argument", "value", "gradient"), COMPILED)
def test_on_numba(function: Callable[..., Any], argument: Any, value: float, gradient: Any) -> None:
    check(function, argument, value, gradient, "numba")


@pytest.mark.parametrize("function", [largest, smallest, first_of_the_largest])
def test_nothing_has_no_largest(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError):
        function(np.zeros(0))
    with pytest.raises(ValueError):
        compiled(function, "python").value_and_grad(np.zeros(0))


def test_an_average_of_nothing_is_nan_and_has_an_empty_gradient() -> None:
    with pytest.warns(RuntimeWarning):
        value, gradient = compiled(average, "python").value_and_grad(np.zeros(0))
    assert math.isnan(value) and gradient.shape == (0,)
