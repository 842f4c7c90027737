"""Compiled code factors a matrix once for all that it is needed for, and computes what NumPy computes."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import stagegrad

pytest.importorskip("scipy")
from stagegrad.kernels import lapack

TOLERANCE = {np.float64: 1e-10, np.float32: 2e-3}
LAYOUTS = {
    "in order": lambda a: a,
    "turned": lambda a: a.T,
    "with gaps": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: a[::-1, ::-1],
}
everywhere = pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
in_both_widths = pytest.mark.parametrize("kind", [np.float64, np.float32])
in_all_layouts = pytest.mark.parametrize("layout", LAYOUTS)


def matrix(n, kind, layout="in order"):
    draw = np.random.default_rng(n).normal(size=(n, n)) + 2.0 * np.sqrt(n) * np.eye(n)
    return LAYOUTS[layout](draw.astype(kind))


def right_sides(n, kind):
    draw = np.random.default_rng(n + 1).normal(size=(n, 3)).astype(kind)
    return draw[:, 0], draw, draw[:, ::-2]


def close(found, expected, kind):
    assert np.asarray(found).dtype == kind
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[kind], atol=TOLERANCE[kind])


# ---------------------------------------------------------------------------------------------- the factors


@everywhere
@in_both_widths
@in_all_layouts
def test_systems_inverse_and_determinant_from_the_factors(n, kind, layout):
    a = matrix(n, kind, layout)
    factors = lapack.lu(a)
    vector, several, with_gaps = right_sides(n, kind)
    for turned, system in ((False, a), (True, a.T)):
        close(lapack.lu_solve(factors, vector, turned), np.linalg.solve(system, vector), kind)
        close(lapack.lu_solve_columns(factors, several, turned), np.linalg.solve(system, several), kind)
        close(lapack.lu_solve_columns(factors, with_gaps, turned), np.linalg.solve(system, with_gaps), kind)
    close(lapack.lu_inverse(factors), np.linalg.inv(a), kind)
    close(lapack.lu_inverse_or_nan(factors), np.linalg.inv(a), kind)
    sign, log = np.linalg.slogdet(a)
    assert lapack.lu_sign(factors) == sign
    close(kind(lapack.lu_log(factors)), log, kind)


@everywhere
@in_both_widths
@in_all_layouts
def test_triangular_systems(n, kind, layout):
    change = LAYOUTS[layout]
    lower = change(np.ascontiguousarray(change(np.tril(matrix(n, kind))))) if layout != "with gaps" else change(np.tril(matrix(n, kind)))
    vector, several, with_gaps = right_sides(n, kind)
    for turned, system in ((False, lower), (True, lower.T)):
        close(lapack.lower_solve(lower, vector, turned), np.linalg.solve(system, vector), kind)
        close(lapack.lower_solve_columns(lower, several, turned), np.linalg.solve(system, several), kind)
        close(lapack.lower_solve_columns(lower, with_gaps, turned), np.linalg.solve(system, with_gaps), kind)


def test_the_operands_stay_as_they_are():
    a, b = matrix(5, np.float64), right_sides(5, np.float64)[1]
    before = a.copy(), b.copy()
    lower, factors = np.tril(a), lapack.lu(a)
    kept = lower.copy(), factors.copy()
    lapack.lu_solve_columns(factors, b, True)
    lapack.lu_inverse(factors)
    lapack.lower_solve_columns(lower, b, False)
    for found, expected in zip((a, b, lower, factors), (*before, *kept), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("singular", [np.ones((3, 3)), np.zeros((2, 2)), np.diag([1.0, 0.0, 2.0])])
def test_a_singular_matrix_has_factors_and_no_inverse(singular):
    factors = lapack.lu(singular)
    assert lapack.lu_sign(factors) == 0.0 and lapack.lu_log(factors) == -np.inf
    assert np.isnan(lapack.lu_inverse_or_nan(factors)).all()
    ones = np.ones(len(singular))
    for solve in (
        lambda: lapack.lu_inverse(factors),
        lambda: lapack.lu_solve(factors, ones, False),
        lambda: lapack.lower_solve(np.zeros_like(singular), ones, False),
    ):
        with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
            solve()


def test_a_nan_goes_on():
    factors = lapack.lu(np.array([[1.0, np.nan], [2.0, 3.0]]))
    assert np.isnan(lapack.lu_log(factors))
    assert np.isnan(lapack.lu_solve(factors, np.ones(2), False)).all()


def test_shapes_that_do_not_fit_never_reach_lapack():
    factors, lower = lapack.lu(np.eye(3)), np.eye(3)
    for call in (
        lambda: lapack.lu(np.ones((2, 3))),
        lambda: lapack.lu_solve(factors, np.ones(4), False),
        lambda: lapack.lu_solve_columns(factors, np.ones((2, 3)), True),
        lambda: lapack.lower_solve(lower, np.ones(4), False),
        lambda: lapack.lower_solve_columns(lower, np.ones((2, 3)), True),
        lambda: lapack.lower_solve(np.ones((3, 2)), np.ones(3), False),
    ):
        with pytest.raises(np.linalg.LinAlgError):
            call()


# ---------------------------------------------------------------------------------------------- programs


def likelihood(k, y):
    """All three of one matrix."""
    return -0.5 * (y @ np.linalg.solve(k, y)) - 0.5 * np.linalg.slogdet(k)[1] + np.sum(np.linalg.inv(k))


def likelihood_by_cholesky(k, y):
    low = np.linalg.cholesky(k)
    z = np.linalg.solve(low, y)
    return -0.5 * np.sum(np.linalg.solve(low.T, z) * y) - np.sum(np.log(np.diag(low)))


def two_systems(a, b):
    x = np.linalg.solve(a, b)
    return np.sum(np.linalg.solve(a.T, x) * x)


def written_to_between(a, b):
    first = np.linalg.solve(a, b)
    a = a.copy()
    a[0, 0] = 9.0
    return np.sum(np.linalg.solve(a, b) * first)


def in_turn(a, b):
    """In a loop, of a matrix that changes and of one that does not."""
    x, total = b, 0.0
    for k in range(3):
        x = np.linalg.solve((k + 1.0) * a, x)
        total += np.sum(x) + np.sum(np.linalg.solve(a, x))
    return total


def on_one_side(a, b):
    if b[0] > 0.0:  # noqa: SIM108 (a branch of statements)
        x = np.linalg.solve(a, b)
    else:
        x = np.linalg.solve(a.T, b)
    return np.sum(x) + np.linalg.slogdet(a)[1]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("function", [likelihood, likelihood_by_cholesky, two_systems, written_to_between, in_turn, on_one_side])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_programs_give_what_numpy_gives(function, sign, kind):
    draw = np.random.default_rng(4).normal(size=(4, 5))
    a, b = (draw @ draw.T + np.eye(4)).astype(kind), (sign * draw[:, 0]).astype(kind)
    fast, slow = (stagegrad.compile(function, target=target, cache=False).value_and_grad(a, b) for target in ("numba", "numpy"))
    np.testing.assert_allclose(fast[0], slow[0], rtol=TOLERANCE[kind])
    for found, expected in zip(fast[1], slow[1], strict=True):
        assert found.dtype == expected.dtype == kind
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE[kind], atol=TOLERANCE[kind])


def text_of(function, target="numba"):
    matrix, vector = inspect.signature(function).parameters
    made = stagegrad.compile(function, target=target, types={matrix: "float64[:, :]", vector: "float64[:]"})
    return re.sub("#.*", "", made.source(answer="value_and_grad"))


@pytest.mark.parametrize("function", [likelihood, two_systems])
def test_a_matrix_is_factored_once(function):
    text = text_of(function)
    assert text.count("lapack.lu(") == 1
    assert "np.linalg" not in text


def test_a_cholesky_factor_is_not_factored_again():
    text = text_of(likelihood_by_cholesky)
    assert "lapack.lu" not in text and text.count("lapack.lower_solve") >= 4


def test_other_targets_keep_numpys_words():
    text = text_of(two_systems, target="numpy")
    assert "lapack" not in text and text.count("np.linalg.solve(") == 4


def test_the_text_runs_without_compilation(monkeypatch):
    """Under ``NUMBA_DISABLE_JIT=1`` the same routines are called from Python."""
    monkeypatch.setattr(lapack.config, "DISABLE_JIT", 1)
    getrf, trsm = lapack._routine("cython_lapack", "getrf"), lapack._routine("cython_blas", "trsm")
    a, b = matrix(6, np.float64), right_sides(6, np.float64)[0]
    found, swaps = np.ascontiguousarray(a.T), np.empty(6, np.int32)
    getrf((6, 6, found, 6, swaps, 0))
    np.testing.assert_allclose(found, lapack.lu(a)[:-1])
    np.testing.assert_allclose(swaps, lapack.lu(a)[-1])
    lower, x = np.tril(a), b.copy()
    trsm((*map(ord, "RUNN"), 1, 6, 1.0, lower, 6, x, 1))
    np.testing.assert_allclose(x, np.linalg.solve(lower, b))
