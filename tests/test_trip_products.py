"""Products of matrices in backward loops: sums in their own memory, matrices turned once, and the same gradients."""

from __future__ import annotations

import numpy as np
import pytest

import stagegrad
from stagegrad import pipeline
from stagegrad.ir import For, Module, Stage, check, walk
from stagegrad.passes.products import trip_products
from tests.interpret import Interpreter

MATRIX = "float64[:, :]"
TYPES = {"x": "float64[:, :, :]", "h": MATRIX, "w": MATRIX, "r": MATRIX}


def recurrent(x, h, w, r):
    for t in range(x.shape[0]):
        h = np.tanh(x[t] @ w + h @ r)
    return np.sum(h * h)


def added_twice(x, h, w, r):
    total = 0.0
    for t in range(x.shape[0]):
        h = h @ r + x[t] @ w
        total += np.sum(h @ r)
    return total


def elsewhere_too(x, h, w, r):
    for t in range(x.shape[0]):
        h = np.tanh((x[t] @ w + h) @ r) + r[0]
    return np.sum(h @ r.T)


def of_rows(x, h, w, r):
    total = 0.0
    for t in range(x.shape[0]):
        for k in range(x.shape[1]):
            total += np.sum(np.tanh((x[t, k] @ w) @ r)) * h[k, 0]
    return total


def gradient_of(function) -> Module:
    program = stagegrad.compile(function, types=TYPES).program
    return pipeline.differentiate(pipeline.stage(program.module, "user"), (0, 1, 2, 3), several=True)


def ops_in_loops(module: Module) -> list[str]:
    loops = [stmt for stmt in module.main.body.stmts if isinstance(stmt, For)]
    return [stmt.op for stmt in walk(loops[-1].body) if isinstance(stmt, Stage)]


@pytest.mark.parametrize("steps", [0, 1, 4])
@pytest.mark.parametrize("function", [recurrent, added_twice, elsewhere_too, of_rows])
def test_gradients_are_the_same(function, steps):
    draw = np.random.default_rng(steps).normal
    args = (draw(size=(steps, 3, 2)), draw(size=(3, 4)), draw(size=(2, 4)), draw(size=(4, 4)))
    module = gradient_of(function)
    value, expected = Interpreter(module)(*args)
    same, found = Interpreter(check(trip_products(module)))(*args)
    assert same == value
    for slope, by in zip(found, expected, strict=True):
        np.testing.assert_allclose(slope, by, rtol=1e-12, atol=1e-14)


def test_nothing_is_turned_or_made_anew_in_a_trip():
    module = gradient_of(recurrent)
    assert ops_in_loops(module).count("transpose") == 4
    changed = ops_in_loops(trip_products(module))
    assert changed.count("transpose") == 2  # x[t] and h, which are others in each trip
    assert changed.count("accumulate") == ops_in_loops(module).count("accumulate") + 2


def test_the_forward_pass_and_products_with_vectors_stay_as_they_are():
    for function in (recurrent, added_twice):
        module = gradient_of(function)
        assert next(stmt for stmt in trip_products(module).main.body.stmts if isinstance(stmt, For)) in module.main.body.stmts
    assert "duplicate" not in [stmt.op for stmt in trip_products(gradient_of(of_rows)).main.body.stmts if isinstance(stmt, Stage)]
