"""Linear algebra where it is delicate: singular matrices, equal eigenvalues, what is refused, and what a program of several steps gives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import stagegrad
from stagegrad.errors import StagegradError
from tests.complex_step import differences, flat
from tests.surface.linalg import definite, regular

TARGETS = ("python", "numba")
on_both = pytest.mark.parametrize("target", TARGETS)
ONES = np.ones((3, 3))


def value_and_grad(function: Callable[..., Any], target: str, *args: Any) -> Any:
    return stagegrad.compile(function, target=target, cache=False).value_and_grad(*args)


# ---------------------------------------------------------------------------------------------- singular matrices


def determinant(x):
    return np.linalg.det(x)


@on_both
@pytest.mark.parametrize(
    ("matrix", "cofactors"),
    [
        ([[1.0, 2.0], [2.0, 4.0]], [[4.0, -2.0], [-2.0, 1.0]]),
        ([[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]),
        ([[0.0]], [[1.0]]),
        ([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 2.0]]),
    ],
)
def test_a_singular_determinant_has_the_slopes_of_its_cofactors(target, matrix, cofactors):
    _, slopes = value_and_grad(determinant, target, np.array(matrix))
    np.testing.assert_allclose(slopes, cofactors, atol=1e-14)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_determinant_that_is_nan_has_slopes_nan_and_numba_refuses_it():
    x = np.array([[1.0, np.nan], [2.0, 3.0]])
    value, slopes = value_and_grad(determinant, "python", x)
    assert np.isnan(value) and np.isnan(slopes).all()
    with pytest.raises(np.linalg.LinAlgError, match="infs or NaNs"):
        value_and_grad(determinant, "numba", x)


def logarithm_of_determinant(x):
    return np.linalg.slogdet(x)[1]


@on_both
def test_the_logarithm_of_a_determinant_of_zero_is_minus_infinity_and_has_no_slope(target):
    value, slopes = value_and_grad(logarithm_of_determinant, target, ONES)
    assert value == -np.inf
    assert np.isnan(slopes).all()


def corner_of_inverse(x):
    return np.linalg.inv(x)[0, 0]


def corner_of_solution(x):
    return np.linalg.solve(x, x[0])[0]


def corner_of_factor(x):
    return np.linalg.cholesky(x)[0, 0]


@on_both
@pytest.mark.parametrize("function", [corner_of_inverse, corner_of_solution, corner_of_factor])
def test_a_matrix_without_an_inverse_raises_as_in_numpy(target, function):
    with pytest.raises(np.linalg.LinAlgError):
        function(ONES)
    with pytest.raises(np.linalg.LinAlgError):
        value_and_grad(function, target, ONES)


@on_both
@pytest.mark.parametrize("function", [corner_of_inverse, corner_of_solution, corner_of_factor, determinant])
def test_a_matrix_that_is_not_square_raises_as_in_numpy(target, function):
    with pytest.raises(np.linalg.LinAlgError):
        value_and_grad(function, target, np.ones((3, 2)))


# ---------------------------------------------------------------------------------------------- equal eigenvalues, zero norms


def sum_of_squared_eigenvalues(x):
    return np.sum(np.linalg.eigvalsh(x) ** 2)


@on_both
def test_equal_eigenvalues_have_slopes_together(target):
    _, slopes = value_and_grad(sum_of_squared_eigenvalues, target, np.eye(3))
    np.testing.assert_allclose(slopes, 2.0 * np.eye(3), atol=1e-14)


def corner_of_vectors(x):
    return np.linalg.eigh(x)[1][0, 0]


def corner_of_left_vectors(x):
    return np.linalg.svd(x, full_matrices=False)[0][0, 0]


@on_both
@pytest.mark.parametrize("function", [corner_of_vectors, corner_of_left_vectors])
def test_vectors_of_equal_values_are_refused_when_their_slope_is_asked_for(target, function):
    compiled = stagegrad.compile(function, target=target, cache=False)
    assert compiled(np.eye(3)) == function(np.eye(3))
    with pytest.raises(np.linalg.LinAlgError, match="equal eigenvalues or singular values"):
        compiled.value_and_grad(np.eye(3))


def length(x):
    return np.linalg.norm(x)


def lengths(x):
    return np.sum(np.linalg.norm(x, axis=1))


def largest_stretch(x):
    return np.sum(np.linalg.svd(x, compute_uv=False))


@on_both
@pytest.mark.parametrize("function", [length, lengths, largest_stretch])
def test_a_norm_at_zero_has_the_slope_zero(target, function):
    value, slopes = value_and_grad(function, target, np.zeros((2, 3)))
    assert value == 0.0
    np.testing.assert_array_equal(slopes, np.zeros((2, 3)))


def triangular_factor(x):
    return np.linalg.qr(x)[1][0, 0]


@on_both
def test_the_slope_of_the_factors_of_a_wide_matrix_is_refused(target):
    with pytest.raises(np.linalg.LinAlgError, match="at least as many rows"):
        value_and_grad(triangular_factor, target, regular(np.random.default_rng(0), (2, 3)))


# ---------------------------------------------------------------------------------------------- refusals


def inverse_of_stack(x):
    return np.linalg.inv(np.stack((x, x)))[0, 0, 0]


def all_singular_vectors(x):
    left, _, _ = np.linalg.svd(x)
    return left[0, 0]


def residuals(x):
    return np.linalg.lstsq(x, x[0])[1][0]


def power_at_run_time(x):
    return np.linalg.matrix_power(x, int(x[0, 0]))[0, 0]


def subscripts_at_odds(x):
    return np.einsum("ijk->i", x)[0]


def sections_at_run_time(x):
    return np.split(x, x.shape[0])[0][0, 0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (inverse_of_stack, "np.linalg.inv of a stack of matrices is not supported"),
        (residuals, r"np.linalg.lstsq\(a, b\)\[0\]"),
        (power_at_run_time, "written out|constant is needed"),
        (subscripts_at_odds, "are for an array of 3 axes, and this has 2"),
        (sections_at_run_time, "written out|constant is needed"),
    ],
)
def test_what_is_not_supported_is_refused_with_what_to_write_instead(function, message):
    with pytest.raises(StagegradError, match=message):
        value_and_grad(function, "python", np.eye(3))


WITHOUT_SCIPY = """
import sys

sys.modules["scipy"] = None  # as if it were not installed
import numpy as np
import stagegrad


def f(x):
    return np.sum(x @ x)


print(stagegrad.compile(f, target="python", cache=False).grad(np.eye(2)).sum())
print(stagegrad.compile(f, cache=False).grad(np.eye(2)).sum())
stagegrad.compile(f, target="numba", cache=False).grad(np.eye(2))
"""


def test_compiled_products_without_scipy_say_what_to_install(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_SCIPY)
    environment = {**os.environ, "PYTHONPATH": str(Path(stagegrad.__file__).parent.parent)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout == "8.0\n8.0\n"
    assert "Numba needs SciPy" in done.stderr and "stagegrad[linalg]" in done.stderr


def strided_products(x):
    return x[:, 0] @ x[:, ::2] @ x[1, ::2]


@pytest.mark.filterwarnings("error")
def test_products_of_sections_compile_without_a_warning():
    x = regular(np.random.default_rng(1), (4, 4))
    value, _ = value_and_grad(strided_products, "numba", x)
    assert value == pytest.approx(strided_products(x))


# ---------------------------------------------------------------------------------------------- programs


def marginal_likelihood(points, targets, log_length, log_noise):
    scale = np.exp(log_length)
    gaps = (points[:, None] - points[None, :]) / scale
    kernel = np.exp(-0.5 * gaps**2) + np.exp(log_noise) * np.eye(points.shape[0])
    factor = np.linalg.cholesky(kernel)
    weights = np.linalg.solve(factor.T, np.linalg.solve(factor, targets))
    return -0.5 * targets @ weights - np.sum(np.log(np.diag(factor))) - 0.5 * points.size * np.log(2.0 * np.pi)


def by_determinant(points, targets, log_length, log_noise):
    gaps = (points[:, None] - points[None, :]) / np.exp(log_length)
    kernel = np.exp(-0.5 * gaps**2) + np.exp(log_noise) * np.eye(points.shape[0])
    _, logdet = np.linalg.slogdet(kernel)
    return -0.5 * targets @ np.linalg.inv(kernel) @ targets - 0.5 * logdet - 0.5 * points.size * np.log(2.0 * np.pi)


@on_both
def test_two_ways_to_a_marginal_likelihood_agree(target):
    rng = np.random.default_rng(3)
    args = (rng.normal(size=7), rng.normal(size=7), 0.3, -1.0)
    value, slopes = value_and_grad(marginal_likelihood, target, *args)
    other, others = value_and_grad(by_determinant, target, *args)
    assert value == pytest.approx(other, rel=1e-12)
    for slope, another in zip(slopes, others, strict=True):
        np.testing.assert_allclose(slope, another, rtol=1e-9, atol=1e-11)


def spectral(x):
    values, vectors = np.linalg.eigh(x)
    root = (vectors * np.sqrt(values)) @ vectors.T
    return root[0, 1] + np.trace(root)


def singular(x):
    left, values, right = np.linalg.svd(x, full_matrices=False)
    return np.sum((left * np.log(values)) @ right)


def turned(points, others):
    """How far points lie from others when they are turned as near as they can be (Kabsch)."""
    left, _, right = np.linalg.svd(points.T @ others)
    side = np.sign(np.linalg.det(right.T @ left.T))
    turn = right.T @ np.diag(np.array([1.0, 1.0, side])) @ left.T
    return np.sum((points @ turn.T - others) ** 2)


@on_both
def test_all_singular_vectors_of_a_square_matrix(target):
    rng = np.random.default_rng(3)
    args = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    value, slopes = value_and_grad(turned, target, *args)
    assert value == pytest.approx(turned(*args), rel=1e-12)
    np.testing.assert_allclose(flat(slopes), differences(turned, args), rtol=1e-7, atol=1e-8)
    with pytest.raises(NotImplementedError, match="full_matrices=False"):
        value_and_grad(all_singular_vectors, target, args[0])


@on_both
@pytest.mark.parametrize(("function", "draw"), [(spectral, definite), (singular, regular)])
def test_functions_of_matrices_by_their_decomposition(target, function, draw):
    x = draw(np.random.default_rng(5), (4, 4))
    symmetric = draw is definite
    _, slopes = value_and_grad(function, target, x)
    step = 1e-5
    for i in range(4):
        for j in range(4):
            unit = np.zeros((4, 4))
            unit[i, j] = step
            slope = (function(x + unit) - function(x - unit)) / (2.0 * step)
            assert slopes[i, j] == pytest.approx(slope, rel=1e-6, abs=1e-8)
    assert not symmetric or not np.triu(slopes, 1).any()


# ---------------------------------------------------------------------------------------------- scipy.linalg


def by_factors(a, b):
    return np.sum(scipy.linalg.cho_solve(scipy.linalg.cho_factor(a, lower=True), b) ** 2)


def unasked(a, b):
    return np.sum(scipy.linalg.solve(a, b, check_finite=False))


def one_triangle(a, b):
    return np.sum(scipy.linalg.solve_triangular(a, b, lower=True)) + scipy.linalg.cholesky(a)[0, 1]


def test_what_scipy_asks_of_a_matrix():
    a, b = definite(np.random.default_rng(2), (3, 3)), np.array([1.0, 2.0, 3.0])
    made = stagegrad.compile(by_factors, wrt=(0, 1), target="numpy")
    for wrong in (np.where(np.eye(3) > 0, np.nan, a), a * np.inf):
        with pytest.raises(ValueError, match="array must not contain infs or NaNs"):
            made.value_and_grad(wrong, b)
    with pytest.raises(ValueError, match="array must not contain infs or NaNs"):
        made.value_and_grad(a, b * np.inf)
    with pytest.raises(np.linalg.LinAlgError):
        made.value_and_grad(-a, b)
    value, slopes = stagegrad.compile(unasked, wrt=(0, 1), target="numpy").value_and_grad(a * np.nan, b)
    assert np.isnan(value)
    assert np.isnan(slopes[0]).all()


def test_the_triangle_that_is_not_read_has_no_slope():
    a, b = definite(np.random.default_rng(2), (3, 3)), np.array([1.0, 2.0, 3.0])
    a[0, 2] = np.pi
    value, (da, _) = stagegrad.compile(one_triangle, wrt=(0, 1), target="numpy").value_and_grad(a, b)
    assert value == pytest.approx(one_triangle(a, b), rel=1e-13)
    assert da[0, 2] == 0.0
    assert da[2, 0] != 0.0


@pytest.mark.parametrize(
    ("call", "reason"),
    [(lambda a, b: scipy.linalg.solve(a, b, assume_a="pos"), "matrices of any kind"),
     (lambda a, b: scipy.linalg.lu_solve(scipy.linalg.lu_factor(a), b), "scipy.linalg.lu_factor is not supported"),
     (lambda a, b: scipy.linalg.cho_solve(a, b), "not what cho_factor gives")],
    ids=["solve", "lu", "cho_solve"],
)  # fmt: skip
def test_what_is_refused_of_scipy(call, reason):
    def function(a, b):
        return np.sum(call(a, b))

    with pytest.raises(stagegrad.StagegradError, match=reason):
        stagegrad.compile(function, target="numpy").value_and_grad(np.eye(2), np.ones(2))
