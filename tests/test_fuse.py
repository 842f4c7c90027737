"""Array stages as loops: what the fused text computes is what NumPy computes, at every size that a loop can have."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from stagegrad import pipeline
from stagegrad.ir import For, Stage, check, walk
from stagegrad.passes.fuse import fuse

pytest.importorskip("numba")

M, V = "float64[:, :]", "float64[:]"


def one_pass(x, y):
    return np.sum(np.exp(x) * y + np.abs(x))


def two_passes(x, y):
    return np.sqrt(np.sum(x * x) + 1.0) + np.log(np.mean(np.exp(x * y)))


def columns(x, b):
    return np.sum((x * b + b) ** 2) + np.sum(x.sum(axis=0) * b)


def rows(x, b):
    return np.sum(x.mean(axis=1) ** 2) + np.sum(np.max(x, axis=1)) + np.sum(b)


def layer_norm(x, b):
    mean = x.mean(axis=1)[:, None]
    deviation = np.sqrt(((x - mean) ** 2).mean(axis=1)[:, None] + 0.1)
    return np.sum(((x - mean) / deviation * b) ** 3)


def softmax_rows(x, b):
    e = np.exp(x - np.max(x, axis=1)[:, None])
    return np.sum(e / np.sum(e, axis=1)[:, None] * b)


def variances(x, b):
    return np.sum(x.var(axis=1)) + np.sum(x.std(axis=0) * b) + np.sum(np.sqrt(np.sum(x**2, axis=1) + 1.0))


def extremes(x, b):
    return np.sum(np.max(x, axis=0) * b) - np.min(x) + np.sum(np.maximum(x, b))


def products(x, b):
    return np.sum(np.prod(x, axis=1)) + np.sum(np.outer(b, b) * np.outer(b, b).T)


def transposed(x, b):
    return np.sum(x.T * np.sum(x, axis=1) + x.T) + np.sum(b)


def picked(x, b):
    labels = np.argmax(x, axis=1)
    return np.sum(x[np.arange(x.shape[0]), labels] ** 2) - np.sum(np.log(np.sum(np.exp(x), axis=1))) + np.sum(b)


def neighbours(x, y):
    return np.sum((x[1:] - x[:-1]) ** 2) + np.sum(x[2:] * x[:-2] * x[1:-1]) + np.sum(y)


def steps(x, y):
    u = x.copy()
    for _ in range(3):
        u[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
        u[0] = u[0] * 0.5
    return np.sum(u**2) + np.sum(y)


def steps_in_two_dimensions(x, b):
    u = x.copy()
    for _ in range(2):
        before = u.copy()
        u[1:-1, 1:-1] += 0.1 * (before[2:, 1:-1] + before[:-2, 1:-1] + before[1:-1, 2:] * before[1:-1, :-2] - 4.0 * before[1:-1, 1:-1])
        u[:, 0] = 0.5 * u[:, 1]
    return np.sum(u**2) + np.sum(b)


def shifted_onto_itself(x, y):
    u = x.copy()
    u[1:] = u[:-1] * y[1:]
    return np.sum(u * u)


def written_and_read(x, y):
    u = np.zeros(x.size)
    u[:] = x * y
    v = u * 2.0
    u[:] = v + 1.0
    return np.sum(u * v)


def keeps_dimensions(x, b):
    return np.sum(x / (1.0 + np.sum(x * x, axis=1, keepdims=True))) + np.sum(np.sum(x, keepdims=True) * b)


#: The first of each divide by sizes, which may be 0: Python raises there, but compiled code does not. They are compiled in all tests.
VECTORS = [two_passes, one_pass, neighbours, steps, shifted_onto_itself, written_and_read]
MATRICES = [
    layer_norm, rows, columns, softmax_rows, variances, extremes, products, transposed, picked, steps_in_two_dimensions, keeps_dimensions,
]  # fmt: skip


def flat(value: Any) -> list[np.ndarray]:
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, tuple) else [np.asarray(value)]


def assert_alike(function: Callable[..., Any], args: tuple[Any, ...], rtol: float = 1e-11) -> None:
    """Value and gradient on Numba are those of whole-array NumPy, raised errors included."""
    fused, plain = (stagegrad.compile(function, target=target) for target in ("numba", "numpy"))
    try:
        expected = plain.value_and_grad(*args)
    except Exception as error:
        with pytest.raises(type(error)):
            fused.value_and_grad(*args)
        return
    before = [np.copy(arg) for arg in args]
    for got, wanted in zip(flat(fused.value_and_grad(*args)), flat(expected), strict=True):
        assert got.dtype == wanted.dtype and got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol)
    assert all(np.array_equal(arg, was, equal_nan=True) for arg, was in zip(args, before, strict=True))
    np.testing.assert_allclose(fused(*args), plain(*args), rtol=rtol, atol=rtol)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("function", VECTORS, ids=lambda f: f.__name__)
def test_vectors_of_every_size(function):
    rng = np.random.default_rng(1)
    for n in (5, 0, 1, 2, 3, 4, 33):
        assert_alike(function, (rng.normal(size=n), rng.normal(size=n)))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("function", MATRICES, ids=lambda f: f.__name__)
def test_matrices_of_every_size(function):
    rng = np.random.default_rng(2)
    for n, m in ((4, 3), (3, 5), (2, 2), (3, 0), (0, 3), (17, 9)):
        assert_alike(function, (rng.normal(size=(n, m)), rng.normal(size=m)))


@pytest.mark.parametrize("function", [softmax_rows, layer_norm, extremes], ids=lambda f: f.__name__)
def test_one_row_and_one_column(function):
    """Axes of one element are other types: what repeats is known when the text is written."""
    rng = np.random.default_rng(3)
    for shape in ((1, 4), (4, 1)):
        assert_alike(function, (rng.normal(size=shape), rng.normal(size=shape[1])))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("function", [one_pass, steps, softmax_rows, layer_norm, variances, extremes], ids=lambda f: f.__name__)
def test_32_bits(function):
    rng = np.random.default_rng(4)
    shape = (4,) if function in VECTORS else (3, 4)
    assert_alike(function, (rng.normal(size=shape).astype(np.float32), rng.normal(size=4).astype(np.float32)), rtol=1e-5)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("function", [two_passes, one_pass, softmax_rows, extremes, rows], ids=lambda f: f.__name__)
def test_special_values(function):
    for special in (np.inf, -np.inf, np.nan, 0.0, -0.0, 1e308, 5e-324):
        x = np.array([1.0, special, 2.0])
        x = x if function in VECTORS else np.stack([x, x[::-1], np.array([0.5, 0.5, 0.5])])
        with np.errstate(all="ignore"):
            assert_alike(function, (x, np.array([1.0, 2.0, 3.0])))


def test_ties_share_the_gradient():
    assert_alike(extremes, (np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 2.0]]), np.array([1.0, 2.0])))


def test_strided_arguments():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(8, 6))[::2, ::-2], rng.normal(size=6)[::2]
    assert_alike(layer_norm, (x, y))
    assert_alike(softmax_rows, (np.asfortranarray(x), y))


def test_sizes_that_do_not_match_raise_as_in_numpy():
    for sizes in ((3, 4), (4, 3), (0, 2)):
        assert_alike(one_pass, tuple(np.ones(n) for n in sizes))
    assert_alike(columns, (np.ones((3, 4)), np.ones(3)))
    assert_alike(neighbours, (np.ones(3), np.ones(5)))


def filled_before_they_meet(x, y):
    u = x * 0.0
    u[:] = y
    return np.sum(u * x * y)


def sections_of_two(x, y):
    return np.sum((x[1:] - x[:-1]) * y[1:]) + np.sum(x * y)


@pytest.mark.parametrize("function", [filled_before_they_meet, sections_of_two], ids=lambda f: f.__name__)
def test_sizes_are_compared_before_the_loops_that_rely_on_them(function):
    """Else they would read and write behind the ends of arrays."""
    for sizes in ((4, 4), (2, 50_000), (50_000, 2), (3, 0), (0, 3)):
        assert_alike(function, tuple(np.ones(n) for n in sizes))


def sections_that_meet(x, y):
    return np.sum(x[1:] * y[1:])


def test_a_section_of_one_element_is_refused_and_not_misread():
    """Compiled code takes sections that meet to be of one size; where one has a single element, NumPy would repeat it."""
    with pytest.raises(stagegrad.UnsupportedError, match="section of one element"):
        stagegrad.compile(sections_that_meet, target="numba").value_and_grad(np.ones(2), np.ones(5))
    assert stagegrad.compile(sections_that_meet, target="numpy").value_and_grad(np.ones(2), np.ones(5))[0] == 4.0


def gates(z, r):
    hidden = len(r)
    taken, kept, new = z[:, :hidden], z[:, hidden : 2 * hidden], z[:, 2 * hidden :]
    return np.sum(np.exp(taken) * np.tanh(new) + kept * r) + np.sum(new * new)


def test_sections_of_one_width_share_a_loop():
    rng = np.random.default_rng(6)
    for hidden in (3, 0, 1, 2):
        for width in (3 * hidden, 3 * hidden + 2, 3 * hidden - 2, hidden + 1):
            if width != 2 * hidden + 1 or hidden == 1:  # one element is repeated by NumPy, and refused by compiled code
                assert_alike(gates, (rng.normal(size=(4, max(width, 0))), rng.normal(size=hidden)))
    with pytest.raises(stagegrad.UnsupportedError, match="section of one element"):
        stagegrad.compile(gates, target="numba").value_and_grad(np.ones((4, 7)), np.ones(3))
    assert len(loops(fused_module(gates, M, V))) == 2


def in_an_arm_only(x, y, together: bool):
    """The sizes of x and y are equal in one arm; in the other nothing may rely on it."""
    total = np.sum(x * 2.0) + np.sum(y * 3.0)
    if together:
        total += np.sum(x * y)
    return total


def test_what_an_arm_finds_is_not_asked_outside():
    fused = stagegrad.compile(in_an_arm_only, target="numba")
    value, (dx, dy) = fused.value_and_grad(np.ones(2), np.ones(5), False)
    assert value == 19.0 and dx.tolist() == [2.0] * 2 and dy.tolist() == [3.0] * 5
    with pytest.raises(ValueError, match="broadcast"):
        fused.value_and_grad(np.ones(2), np.ones(5), True)


# ---------------------------------------------------------------------------------------------- the form of the result


def fused_module(function: Callable[..., Any], *types: str) -> Any:
    names = inspect.signature(function).parameters
    build = stagegrad.compile(function, target="numba", types=dict(zip(names, types, strict=True))).build
    return check(fuse(build.module("value_and_grad")))


def loops(module: Any) -> list[For]:
    return [stmt for stmt in walk(module.main.body) if isinstance(stmt, For)]


def test_value_and_gradient_of_a_sum_share_one_loop():
    module = fused_module(one_pass, V, V)
    assert len(loops(module)) == 1
    made = [stmt for stmt in walk(module.main.body) if isinstance(stmt, Stage) and stmt.out.type.rank and stmt.op != "store"]
    assert [stmt.op for stmt in made] == ["empty_of", "empty_of"]  # dx and dy, and no temporary array


def test_a_row_is_done_with_while_it_is_in_the_cache():
    outer = [stmt for stmt in fused_module(layer_norm, M, V).main.body.stmts if isinstance(stmt, For)]
    assert len(outer) == 1
    assert sum(isinstance(stmt, For) for stmt in outer[0].body.stmts) >= 4


def test_a_stencil_is_gathered():
    module = fused_module(neighbours, V, V)
    assert not [stmt for stmt in walk(module.main.body) if isinstance(stmt, Stage) and stmt.op == "accumulate"]


def running_rows(x, b):
    z = np.zeros_like(x)
    for i in range(x.shape[0]):
        z[i] = x[i] * x[i] + b[0]
        z[i, 1:] += z[i, :-1]
    return np.sum(z**2)


def test_what_is_read_of_an_array_is_read_before_it_is_written_to():
    """Else the whole array would be copied in each trip."""
    types = dict(zip(inspect.signature(running_rows).parameters, (M, V), strict=True))
    text = stagegrad.compile(running_rows, target="numba", types=types).source(answer="value_and_grad")
    assert not re.findall(r"= \w+\.copy\(\)", text)
    for n, m in ((3, 4), (4, 1), (2, 0)):
        assert_alike(running_rows, (np.random.default_rng(8).normal(size=(n, m)), np.ones(3)))


def largest(x, b):
    return np.sum(np.max(x, axis=0)) + np.sum(np.min(x, axis=1)) + np.sum(b)


def test_the_largest_of_nothing_is_an_error():
    for shape in ((0, 0), (3, 0), (0, 3)):
        assert_alike(largest, (np.ones(shape), np.ones(2)))


def one_over_sums(x, b):
    return np.sum(1.0 / np.sum(x, axis=1)) + np.sum(b)


def test_a_sum_of_one_element_is_not_minus_zero():
    for kind in (np.float64, np.float32):
        x = np.array([[-0.0], [2.0]], dtype=kind)
        with np.errstate(all="ignore"):
            assert stagegrad.compile(one_over_sums, target="numba")(x, np.ones(2, dtype=kind)) == np.inf
            assert_alike(one_over_sums, (x, np.ones(2, dtype=kind)))


def sections_of_what_is_cheap(x, y):
    v = 0.3 * x
    total = np.sum(v[1:-1] * v[2:])
    steps = (v[1:] - v[:-1]) * 0.2
    return total * np.sum(steps * steps) + np.sum(v[:-2] * v[2:]) * total + np.sum(y)


def test_a_loop_over_a_section_stays_within_it(monkeypatch):
    """What is computed again in it, element by element, has more elements; read by Python, the loops raise where they leave an array."""
    monkeypatch.setattr(pipeline, "LOOPS", ("numba", "numpy"))
    rng = np.random.default_rng(9)
    loops, plain = stagegrad.compile(sections_of_what_is_cheap, target="numpy"), sections_of_what_is_cheap
    for n in (6, 5, 4, 3, 2, 1, 0):
        x, y = rng.normal(size=n), rng.normal(size=3)
        assert loops.value_and_grad(x, y)[0] == pytest.approx(plain(x, y), rel=1e-12)


def burgers(start, viscosity, h, steps: int):
    u = start.copy()
    for _ in range(steps):
        here, below, above, right, left = u[1:-1, 1:-1], u[2:, 1:-1], u[:-2, 1:-1], u[1:-1, 2:], u[1:-1, :-2]
        spread = below + above + right + left - 4.0 * here
        carried = 0.5 * here * (below - above + right - left)
        u[1:-1, 1:-1] = here + h * (viscosity * spread - carried)
    return np.sum(u * u)


def test_a_step_of_a_stencil_sweeps_its_cells_twice_and_back_twice():
    """A record is made where it is read; sums into sections, the zeros before them, and the sums over the cells are one sweep."""
    types = dict(zip(inspect.signature(burgers).parameters, (M, "float", "float", "int"), strict=True))
    made = stagegrad.compile(burgers, target="numba", types=types)
    module = fuse(made.build.module("value_and_grad"))
    forward, _, backward = (stmt for stmt in module.main.body.stmts if isinstance(stmt, For))
    assert sum(isinstance(stmt, For) for stmt in forward.body.stmts) == 2  # the step and its record; the step put in place
    sweeps = [stmt for stmt in backward.body.stmts if isinstance(stmt, For)]
    assert len(sweeps) == 3  # the cells put back; the rim, the rest
    arrays = [stmt.op for loop in (forward, backward) for stmt in walk(loop.body) if isinstance(stmt, Stage) and stmt.out.type.rank]
    assert [op for op in arrays if op not in ("store", "accumulate")] == ["empty_of", "empty_of"]
    assert not re.findall(r"^ +\w+ = .*copy.*", made.source(answer="value_and_grad"), re.MULTILINE)  # `start` is copied to the tape
    for n, m in ((7, 6), (4, 4), (3, 3), (2, 5), (5, 1), (0, 3)):
        assert_alike(burgers, (np.random.default_rng(7).normal(size=(n, m)), 0.1, 0.05, 3))


def test_the_text_is_the_same_every_time():
    names = inspect.signature(softmax_rows).parameters
    texts = {
        stagegrad.compile(softmax_rows, target="numba", types=dict(zip(names, (M, V), strict=True))).source()
        for _ in itertools.repeat(None, 3)
    }
    assert len(texts) == 1


def extreme_in_a_branch(x, y):
    z = 2.0 * x
    if y > 0.0:
        z = x + np.max(x, axis=-1, keepdims=True)
    return np.sum(z * z) * y


def test_the_slope_of_an_extreme_that_was_taken_in_a_branch():
    """Behind the branch its shape is not known, nor the axes along which elements were tied."""
    x = np.array([[0.1, 0.5, 0.5], [3.0, 1.0, 2.0]])
    for y in (1.5, -1.5):
        found, expected = (stagegrad.compile(extreme_in_a_branch, target=target).grad(x, y) for target in ("numba", "numpy"))
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-14)


def sections_of_what_was_written(x, y, z, c, count):
    h, n = x.shape[1], z.shape[0]
    z[:, 2 * h : 3 * h] += x
    g = y * y + c * z[:, :h]
    k = y * g + c * z[:, h : h + h]
    v = np.zeros((n, h))
    for _ in range(count):
        v[n // 2 :] = z[:, :h][n // 2 :] * c
    return np.sum(x * k) + np.sum(v)


def test_a_loop_waits_for_the_array_that_tells_its_size(monkeypatch):
    """Of arrays with one column: writes are put behind what reads an array as it was, but not before what needs a size of theirs."""
    monkeypatch.setenv("STAGEGRAD_CHECK", "1")
    staged = stagegrad.compile(sections_of_what_was_written, target="numpy")
    staged.value_and_grad(np.ones((3, 1)), np.ones((3, 1)), np.ones((3, 4)), 0.3, 2)
    assert "def sections_of_what_was_written" in staged.source("numba")
