"""What a loop over a row need not keep in an array: elements that are picked, and those that lie where a result will be."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import stagegrad
from stagegrad import pipeline
from stagegrad.ir import Stage, check, walk
from stagegrad.passes.fuse import fuse

TYPES = {"x": "float64[:, :]", "w": "float64[:, :]", "b": "float64[:]", "k": "int64[:]"}


def cross_entropy(x, w, b, k):
    shifted = x - np.max(x, axis=1)[:, None]
    total = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(total - shifted[np.arange(len(k)), k])


def weighted(x, w, b, k):
    """Two rows of exponentials, only one of which can lie in the row of dx."""
    grown = np.exp(x - np.max(x, axis=1)[:, None])
    fallen = np.exp(w - x)
    share = grown / np.sum(grown, axis=1)[:, None]
    return np.sum(share * fallen * b) + np.sum(share[np.arange(len(k)), k])


def read_behind(x, w, b, k):
    """The exponentials are a result's own factor, and read after that result is known."""
    grown = np.exp(x - np.max(x, axis=1)[:, None])
    return np.sum((grown / np.sum(grown, axis=1)[:, None]) ** 2 * w)


def rewritten(x, w, b, k):
    """What is picked from is computed from an array that is then written to."""
    y = x * 2.0
    z = y - b
    chosen = z[np.arange(len(k)), k]
    y[0, 0] = 3.0
    return np.sum(chosen) + np.sum(np.exp(y))


FUNCTIONS = [cross_entropy, weighted, read_behind, rewritten]


def arguments(n: int, m: int, seed: int = 0) -> tuple[Any, ...]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(n, m)), draw.normal(size=(n, m)), draw.normal(size=m), draw.integers(-m, m, n)


def rooms(function: Any) -> list[int]:
    """The ranks of the float arrays that a gradient by x makes."""
    module = check(fuse(stagegrad.compile(function, target="numba", types=TYPES, wrt=("x",)).build.module("value_and_grad")))
    made = [stmt for stmt in walk(module.main.body) if isinstance(stmt, Stage) and stmt.op == "empty_of"]
    return sorted(stmt.out.type.rank for stmt in made if stmt.out.type.kind == "float")


def assert_alike(function: Any, args: tuple[Any, ...], monkeypatch: Any, source: str | None = None) -> None:
    """Value and gradients of the loops, which Python runs, are those of whole arrays."""
    with monkeypatch.context() as loops, np.errstate(all="ignore"):
        loops.setattr(pipeline, "LOOPS", ("numba", "numpy"))
        loops.setenv("STAGEGRAD_CHECK", "1")
        found = stagegrad.compile(function, source=source, target="numpy", cache=False).value_and_grad(*args)
    with np.errstate(all="ignore"):
        expected = stagegrad.compile(function, source=source, target="numpy", cache=False).value_and_grad(*args)
    for got, wanted in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_a_row_of_exponentials_lies_where_the_gradient_will_be():
    assert rooms(cross_entropy) == [1, 2]
    text = stagegrad.compile(cross_entropy, target="numba", types=TYPES, wrt=("x",)).source(answer="value_and_grad")
    assert "# expshifted is kept where dx will be" in text and "dx[i, j] = expshifted_ij" in text


def test_what_is_picked_is_computed_where_it_is_picked():
    text = stagegrad.compile(cross_entropy, target="numba", types=TYPES).source(answer="value")
    assert "room(" not in text and "x_i = x[i, position1]" in text


def test_cheap_rows_keep_an_array():
    """A loop that waits for its memory anyway does not wait for more of it."""

    def squares(x, w, b, k):
        centred = x - np.mean(x, axis=1)[:, None]
        return np.sum(w * centred / np.sqrt(np.mean(centred**2, axis=1))[:, None])

    text = stagegrad.compile(squares, target="numba", types=TYPES, wrt=("x",)).source(answer="value_and_grad")
    assert "is kept where" not in text


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(4, 3), (1, 1), (3, 1), (1, 5), (2, 17)])
def test_rows_of_every_size(function, shape, monkeypatch):
    assert_alike(function, arguments(*shape), monkeypatch)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_special_values_in_each_place_of_a_row(function, monkeypatch):
    for special in (np.nan, np.inf, -np.inf, -0.0, 1e308):
        for place in range(4):
            x, w, b, k = arguments(3, 4)
            x[1, place] = special
            assert_alike(function, (x, w, b, k), monkeypatch)


@pytest.mark.parametrize("function", [cross_entropy, weighted], ids=lambda f: f.__name__)
def test_compiled_code_does_the_same(function):
    args = arguments(5, 19)
    for single in (False, True):
        given = tuple(arg.astype(np.float32) if single and arg.dtype == float else arg for arg in args)
        found, expected = (stagegrad.compile(function, target=target).value_and_grad(*given) for target in ("numba", "numpy"))
        for got, wanted in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=2e-5 if single else 1e-12, atol=1e-5 if single else 1e-13)


def test_an_index_that_is_out_of_range_is_an_error():
    x, w, b, k = arguments(3, 4)
    k[2] = 4
    for answer in ("__call__", "value_and_grad"):
        with pytest.raises(IndexError):
            getattr(stagegrad.compile(cross_entropy, target="numba"), answer)(x, w, b, k)


def random_rows(seed: int) -> str:
    """A function of rows: exponentials, sums along them, and elements that are picked, put together at random."""
    draw = random.Random(seed)
    wide, narrow, lines = ["x", "w", "(x * b)"], ["np.max(x, axis=1)"], []
    for step in range(draw.randint(4, 8)):
        first, second, row = draw.choice(wide), draw.choice(wide), draw.choice(narrow)
        kind = draw.choice(("exp", "exp", "mix", "row", "shift", "pick", "pick"))
        if kind in ("row", "pick"):
            cheap = draw.choice((first, f"(x - {row}[:, None])", "(x * w - b)", f"(2.0 * w - b * {row}[:, None])"))
            lines.append(f"r{step} = " + (f"np.sum({first}, axis=1)" if kind == "row" else f"{cheap}[np.arange(len(k)), k]"))
            narrow.append(f"r{step}")
            continue
        text = {"exp": f"np.exp(np.tanh({first}) - {second} * 0.1)", "mix": f"{first} * {second} - b", "shift": f"{first} - {row}[:, None]"}
        lines.append(f"a{step} = {text[kind]}")
        wide.append(f"a{step}")
    total = f"np.sum({wide[-1]} * {draw.choice(wide)}) + np.sum({narrow[-1]}) + np.sum(np.tanh({draw.choice(wide)}))"
    return "def f(x, w, b, k):\n" + "".join(f"    {line}\n" for line in lines) + f"    return {total}\n"


@pytest.mark.parametrize("start", range(0, 120, 40))
def test_random_programs_of_rows(start, monkeypatch):
    for seed in range(start, start + 40):
        text = random_rows(seed)
        namespace: dict[str, Any] = {"np": np}
        exec(text, namespace)
        assert_alike(namespace["f"], arguments(3, 4, seed), monkeypatch, source=text)
