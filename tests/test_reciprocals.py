"""What compiled code does with divisors and roots that stay away from zero: one division for several, and sums in any order below them."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import stagegrad

pytest.importorskip("numba")

VECTORS = {"x": "float64[:]", "m": "float64[:]"}


def softened(x, m):
    """Forces that never become infinite, and act on what is moved by them: each sum ends below a root."""
    y = x.copy()
    n = len(m)
    for _ in range(2):
        for i in range(n):
            pull = 0.0
            for j in range(n):
                far = y[j] - y[i]
                square = far * far + 0.01
                pull += m[j] * far / (square * np.sqrt(square))
            y[i] += 0.1 * pull
    return np.sum(y * y)


def bare(x, m):
    """The same without the number that keeps two bodies apart."""
    y = x.copy()
    n = len(m)
    for i in range(n):
        pull = 0.0
        for j in range(n):
            far = y[j] - y[i] + 1.0
            square = far * far
            pull += m[j] * far / (square * np.sqrt(square))
        y[i] += 0.1 * pull
    return np.sum(y * y)


def hardly_softened(x, m):
    """A number so small that what is rounded away is as large."""
    y = x.copy()
    n = len(m)
    for i in range(n):
        pull = 0.0
        for j in range(n):
            far = y[j] - y[i]
            pull += m[j] * far / (far * far + 1e-30)
        y[i] += 0.1 * pull
    return np.sum(y * y)


def shares(x, m):
    """Two quotients with one divisor in the value itself."""
    total = 0.0
    for i in range(len(m)):
        norm = math.sqrt(x[i] * x[i] + m[i] * m[i] + 1.0)
        total += x[i] / norm * 2.0 + m[i] / norm
    return total


def counted(x, m):
    """A quotient that a branch sees."""
    total = 0.0
    for i in range(len(m)):
        norm = x[i] * x[i] + 1.0
        a, b = x[i] / norm, m[i] / norm
        total += a if a > 0.25 else b
    return total


def scaled(x, m):
    """A divisor that is the same in every trip, and stays away from zero."""
    norm = math.sqrt(x[0] * x[0] + 1.0)
    total = 0.0
    for i in range(len(m)):
        total += x[i] / norm * m[i] + m[i] / norm
    return total


def logistic(x, m):
    """Sums of gates: at the level of gates a quotient is a product with a reciprocal."""
    total = 0.0
    for i in range(len(m)):
        den = x[i] * x[i] + 2.0
        total += 1.0 / den + m[i] / den
    return total


def text_of(function, answer="value_and_grad"):
    return stagegrad.compile(function, types=VECTORS).source("numba", answer=answer)


def test_a_trip_divides_once_by_what_stays_away_from_zero():
    text = text_of(softened)
    pairs = re.sub(r"#.*", "", text[text.rindex("for j in range(") :])
    assert re.findall(r"(\S+) / den$", pairs, re.MULTILINE) == ["1.0"]
    assert text_of(shares, "value").count(" / ") == 1


def test_what_is_the_same_in_every_trip_is_divided_by_before_the_loop():
    text = text_of(scaled, "value")
    assert text.index("per_norm = 1.0 / norm") < text.index("for i in range(")
    assert text.count(" / ") == 1 and "kernels.over" not in text


def test_a_reciprocal_of_the_users_is_one_of_those_that_share():
    text = text_of(logistic, "value")
    assert text.count(" / ") == 1 and "kernels.over" not in text


@pytest.mark.parametrize("function", [bare, hardly_softened, counted], ids=lambda f: f.__name__)
def test_quotients_stay_where_a_reciprocal_could_be_infinite_or_a_branch_sees_them(function):
    assert "per_" not in text_of(function)


def test_a_sum_is_taken_in_any_order_below_a_root_that_it_cannot_bring_to_zero():
    assert "pull = plus(pull, " in text_of(softened, "value")
    for function in (bare, hardly_softened):
        text = text_of(function, "value")
        assert "pull += " in text and "plus(pull" not in text


@pytest.mark.parametrize("function", [softened, shares, counted, bare, scaled, logistic], ids=lambda f: f.__name__)
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8, 1e150, 1e-200])
def test_values_and_gradients_are_those_of_the_numpy_text(function, scale):
    draw = np.random.default_rng(3)
    x, m = scale * draw.normal(size=13), draw.normal(size=13)
    with np.errstate(all="ignore"):
        expected, slopes = stagegrad.compile(function, types=VECTORS, target="numpy").value_and_grad(x, m)
    value, found = stagegrad.compile(function, types=VECTORS).value_and_grad(x, m)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for mine, theirs in zip(found, slopes, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12 * max(1.0, float(np.nanmax(np.abs(theirs)))))


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("function", [softened, shares, scaled, logistic], ids=lambda f: f.__name__)
def test_nan_and_inf_stay_where_they_are(function, special):
    x, m = np.linspace(-1.0, 1.0, 9), np.linspace(0.5, 1.0, 9)
    x[4] = special
    with np.errstate(all="ignore"):
        expected, slopes = stagegrad.compile(function, types=VECTORS, target="numpy").value_and_grad(x, m)
    value, found = stagegrad.compile(function, types=VECTORS).value_and_grad(x, m)
    np.testing.assert_equal(np.isfinite(value), np.isfinite(expected))
    for mine, theirs in zip(found, slopes, strict=True):
        np.testing.assert_equal(np.isnan(mine), np.isnan(theirs))
        np.testing.assert_equal(np.isinf(mine), np.isinf(theirs))
