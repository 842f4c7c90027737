"""A matrix that is multiplied by vectors before and behind a loop over its rows is read once, section by section."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest

import stagegrad

pytest.importorskip("numba")
import numba

from stagegrad.kernels import rows

TYPES = {"x": "float64[:, :]", "w": "float64[:]", "y": "float64[:]"}


def logistic(x, w, y):
    return np.mean(np.log1p(np.exp(-y * (x @ w + 0.5))))


def squares(x, w, y):
    d = x @ w - y
    return np.sum(d * d)


def by_loop(x, w, y):
    """The rows in a loop of the user's."""
    z = x @ w
    total = 0.0
    for i in range(x.shape[0]):
        if z[i] > y[i]:
            total += np.exp(-z[i]) * y[i]
        else:
            total += z[i] * y[i]
    return total


def descent(x, w, y):
    """Products within a loop around them."""
    for _ in range(3):
        w = w - 0.01 * (x.T @ np.tanh(x @ w - y))
    return np.sum(w * w)


def read_again(x, w, y):
    """The first product is needed whole."""
    z = x @ w
    return np.sum(np.exp(-z) * y) + np.max(z) * np.sum(z)


def two_matrices(x, w, y):
    """The second product is one of another matrix."""
    return np.sum(np.tanh(x @ w) * ((2.0 * x) @ w))


def sorted_rows(x, w, y):
    return np.sum(np.sort(x @ w) * y)


FUNCTIONS = [logistic, squares, by_loop, descent, read_again, two_matrices, sorted_rows]
#: Rows and columns: no section, one, and several, the last of which is shorter, down to a row in each.
SHAPES = [(0, 3), (1, 1), (6, 4), (20, 5000), (5, 40_000), (3, 0)]


def arguments(n: int, m: int, kind: Any = np.float64, seed: int = 0) -> tuple[Any, ...]:
    draw = np.random.default_rng(seed)
    arrays = draw.normal(size=(n, m)), draw.normal(size=m) / max(m, 1) ** 0.5, draw.normal(size=n)
    return tuple(array.astype(kind) for array in arrays)


def text_of(function: Any, answer: str = "value_and_grad", wrt: Any = ("w",), **options: Any) -> str:
    return stagegrad.compile(function, target="numba", types=TYPES, wrt=wrt, **options).source(answer=answer)


def assert_alike(function: Any, args: tuple[Any, ...], wrt: Any = ("w",), rtol: float = 1e-10, **options: Any) -> None:
    fast, plain = (stagegrad.compile(function, target=target, wrt=wrt, **options) for target in ("numba", "numpy"))
    with np.errstate(all="ignore"):
        expected, slopes = plain.value_and_grad(*args)
    value, found = fast.value_and_grad(*args)
    np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol)
    for mine, theirs in zip(found, slopes, strict=True):
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape
        size = np.abs(theirs[np.isfinite(theirs)]).max(initial=1.0)
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=rtol * size)


def test_a_loop_around_the_rows_reads_the_matrix_once_in_a_trip_forward_and_back():
    assert text_of(descent).count("section(x, ") == 2


@pytest.mark.parametrize("function", [logistic, squares], ids=lambda f: f.__name__)
def test_one_loop_over_sections_holds_both_products(function):
    text = text_of(function)
    body = text[text.index("for first in range(0, ") :]
    assert "x_rows = section(x, first, last)" in body and "blas.dot(x_rows, w)" in body and "more = blas.dot(x_rows.T, " in body
    assert "blas.dot(" not in re.sub("#.*", "", text[: -len(body)]) and text.count("room(min(rows, ") == 1


@pytest.mark.parametrize("function", [read_again, two_matrices, sorted_rows], ids=lambda f: f.__name__)
def test_what_is_needed_whole_is_computed_whole(function):
    assert "section(" not in text_of(function)


def test_a_value_or_another_gradient_needs_one_product():
    assert "section(" not in text_of(logistic, "value") and "section(" not in text_of(logistic, wrt=("y",))


def test_threads_have_the_rows_to_themselves():
    assert "section(" not in text_of(logistic, parallel=True)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_are_those_of_whole_arrays(function, shape):
    if function in (logistic, read_again) and not shape[0]:
        pytest.skip("the mean, or the largest, of nothing")
    assert_alike(function, arguments(*shape))


@pytest.mark.parametrize("function", [logistic, squares], ids=lambda f: f.__name__)
def test_all_gradients_and_32_bits(function):
    assert_alike(function, arguments(20, 5000), wrt=("x", "w", "y"))
    assert_alike(function, arguments(20, 5000, np.float32), rtol=2e-4)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 1e308, -0.0])
def test_special_values_in_each_section(special):
    for row in (0, 7, 19):
        x, w, y = arguments(20, 5000)
        x[row, 4321] = special
        assert_alike(logistic, (x, w, y))
        assert_alike(squares, (x, w, np.where(np.arange(20) == row, special, y)))


def test_matrices_in_another_order():
    x, w, y = arguments(20, 5000)
    for turned in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1], x[:, ::-1]):
        assert_alike(squares, (turned, w, y))
        np.testing.assert_allclose(rows.section(turned, 3, 9), turned[3:9])
    assert rows.rows_at_once(x) == 6 and rows.rows_at_once(np.asfortranarray(x)) == 20
    assert rows.rows_at_once(x[:, :0]) == rows.ELEMENTS


def test_compiled_code_has_one_section_of_a_matrix_in_another_order():
    @numba.njit
    def sizes(x):
        count = rows.rows_at_once(x)
        return count, rows.section(x, 0, count).shape[0]

    x = arguments(20, 5000)[0]
    assert sizes(x) == (6, 6)
    assert all(sizes(turned) == (20, 20) for turned in (np.asfortranarray(x), x[::-1], np.repeat(x, 2, axis=1)[:, ::2]))


@pytest.mark.parametrize("shape", [(4, 3), (0, 3)])
def test_a_vector_that_does_not_fit_is_an_error(shape):
    x, w, y = arguments(*shape)
    with pytest.raises(ValueError):
        stagegrad.compile(squares, target="numba", wrt=("w",)).value_and_grad(x, w[:2], y)
    with pytest.raises(ValueError):
        stagegrad.compile(squares, target="numba", wrt=("w",)).value_and_grad(x, w, np.ones(shape[0] + 2))


def test_results_in_given_arrays():
    x, w, y = arguments(20, 5000)
    compiled, out = stagegrad.compile(squares, target="numba", wrt=("w",)), (np.full(5000, 7.0),)
    expected = compiled.value_and_grad(x, w, y)
    value, found = compiled.value_and_grad(x, w, y, out=out)
    assert value == expected[0] and found[0] is out[0]
    np.testing.assert_array_equal(found[0], expected[1][0])


def random_model(seed: int) -> str:
    """Sums over rows of a random function of x @ w, of a second product at times, or of its elements once more."""
    draw = random.Random(seed)
    links = ("np.exp(-{0} * {0})", "np.log1p(np.exp({0}))", "{0} * y", "np.tanh({0} + y)", "np.maximum({0}, y)", "np.sqrt({0} * {0} + 1.0)")
    lines = ["z = x @ w" + draw.choice(("", " + 0.3", " - y"))]
    for step in range(draw.randint(1, 3)):
        lines.append(f"a{step} = {draw.choice(links).format('z' if step == 0 else draw.choice(('z', f'a{step - 1}')))}")
    last = f"a{len(lines) - 2}"
    lines += [f"v = {draw.choice(('w', 'w * w', 'x.T @ ' + last))}"]
    lines.append(f"return np.{draw.choice(('sum', 'mean'))}({last}) + np.sum(v * {draw.choice(('w', '0.5'))})")
    return "def f(x, w, y):\n" + "".join(f"    {line}\n" for line in lines)


def test_random_models():
    found = 0
    for seed in range(10):
        text = random_model(seed)
        namespace: dict[str, Any] = {"np": np}
        exec(text, namespace)
        assert_alike(namespace["f"], arguments(20, 5000, seed=seed), source=text, cache=False)
        found += "section(" in text_of(namespace["f"], source=text)
    assert found >= 3
