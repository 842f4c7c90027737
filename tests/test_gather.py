"""Index arrays and masks: what is read, written and added to, in every mixture of indices, against NumPy's own subscripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from stagegrad import emit
from stagegrad import rules as _rules  # noqa: F401  (fills the registry)
from stagegrad.ir import INT, Block, Fresh, Function, Module, Type, check
from stagegrad.ops import Builder
from tests.uncompiled import interpreted, uncompiled

RNG = np.random.default_rng(7)
A1, A2, A3 = (RNG.normal(size=shape) for shape in ((6,), (3, 4), (3, 4, 5)))
I1, I2, J1, J2 = np.array([0, 2, 0, -1]), np.array([[0, 1], [2, 0]]), np.array([1, 1, 3, -2]), np.array([[1], [2]])

#: The text for Numba of each runs uncompiled; a third of them is compiled.
COMMON: list[tuple[Any, str, list[Any]]] = [
    (A1, "[{0}]", [I2]), (A2, "[{0}]", [I1]), (A2, "[:, {0}]", [I2]), (A3, "[..., {0}]", [I1]), (A2, "[{0}, {1}]", [I2, J2]),
    (A3, "[{0}, :, {1}]", [I1, J1]), (A3, "[:, {0}, {1}]", [I1, J1]), (A3, "[{0}, :, {1}]", [1, I1]), (A3, "[{0}:, {1}]", [1, I1]),
    (A2, "[{0}]", [A2 > 0.0]), (A3, "[{0}]", [A3[..., 0] > 0.0]), (A2, "[:, {0}]", [A2[0] > 0.0]),
]  # fmt: skip
#: Not compiled, as each takes a second.
OTHERS: list[tuple[Any, str, list[Any]]] = [
    (A1, "[{0}]", [I1]), (A2, "[{0}]", [I2]), (A3, "[:, {0}]", [I2]), (A3, "[:, :, {0}]", [I2]), (A3, "[{0}, {1}]", [I1, J1]),
    (A3, "[{0}, {1}, {2}]", [I1, J1, I1]), (A2, "[{0}, {1}]", [1, I1]), (A2, "[{0}, {1}]", [I1, -1]), (A3, "[{0}, {1}, :]", [I1, 1]),
    (A1, "[{0}:][{1}]", [1, I1]), (A3, "[{0}, ::{1}]", [I1, 2]), (A3, "[None, :, {0}]", [I1]), (A1, "[{0}]", [A1 > 0.0]),
    (A2, "[{0}, {1}]", [A2[:, 0] > 0.0, 1]),
]  # fmt: skip


def typed(value: Any) -> Type:
    return Type("bool" if value.dtype == bool else "int", value.ndim) if isinstance(value, np.ndarray) else INT


def generated(array: Any, at: str, indices: list[Any], rank: int, value_rank: int, target: str) -> Any:
    """(array, *indices, value) -> what is read, the array after a write, and after an addition."""
    fresh = Fresh()
    a = fresh.var("a", Type("float", array.ndim))
    positions = [fresh.var(f"x{k}", typed(index)) for k, index in enumerate(indices)]
    value = fresh.var("v", Type("float", value_rank))
    builder = Builder(fresh)
    attrs = {"at": at, "rank": rank, "gather": True}
    found = builder.emit("load", a, *positions, name="found", **attrs)
    written = builder.emit("store", builder.emit("duplicate", a, name="b"), *positions, value, name="b", **attrs)
    added = builder.emit("accumulate", builder.emit("duplicate", a, name="c"), *positions, value, name="c", **attrs)
    body = Block(tuple(builder.stmts), (found, written, added))
    module = check(Module((Function("f", (a, *positions, value), body, (0, 1, 2)),)))
    text = emit.write(module, "numpy" if target == "numpy" else "numba").text
    scope: dict[str, Any] = {}
    exec(interpreted(text) if target == "uncompiled" else text.replace("cache=True, ", ""), scope)
    return scope["f"]


def expected(array: Any, at: str, indices: list[Any], value: Any) -> tuple[Any, Any, Any]:
    """The same by NumPy's subscripts; an addition one element after the other."""
    place = re.sub(r"\{(\d+)\}", r"x\1", at)
    scope = {"np": np, **{f"x{k}": index for k, index in enumerate(indices)}, "v": value}
    written, numbers, added = array.copy(), np.arange(array.size).reshape(array.shape), array.copy()
    exec(f"b{place} = v", {**scope, "b": written})
    places = eval(f"n{place}", {**scope, "n": numbers})
    for flat, each in zip(places.ravel(), np.broadcast_to(value, places.shape).ravel(), strict=True):
        added.flat[flat] += each
    return eval(f"a{place}", {**scope, "a": array}), written, added


TARGETS = (("numpy", COMMON + OTHERS), ("uncompiled", COMMON + OTHERS), ("numba", COMMON[::3]))
ROWS = [(case, target) for target, cases in TARGETS for case in cases]


@pytest.mark.parametrize(("case", "target"), ROWS, ids=[f"{c[0].ndim}d {c[1]} {[np.ndim(i) for i in c[2]]} {t}" for c, t in ROWS])
def test_every_mixture_of_indices(case: tuple[Any, str, list[Any]], target: str) -> None:
    array, at, indices = case
    section = expected(array, at, indices, 0.0)[0]
    value = np.random.default_rng(3).normal(size=section.shape)
    before = array.copy()
    found = generated(array, at, indices, section.ndim, value.ndim, target)(array, *indices, value)
    for got, wanted in zip(found, expected(array, at, indices, value), strict=True):
        assert got.shape == wanted.shape
        assert np.allclose(got, wanted, rtol=1e-15)
    assert np.array_equal(array, before)


@pytest.mark.parametrize("value", [2.5, A3[0, 0]], ids=["number", "broadcast"])
def test_values_are_broadcast(value: Any) -> None:
    at, indices = "[{0}, {1}]", [I2, J2]
    rank = np.ndim(A3[I2, J2])
    found = generated(A3, at, indices, rank, np.ndim(value), "numpy")(A3, *indices, value)
    for got, wanted in zip(found, expected(A3, at, indices, value), strict=True):
        assert np.allclose(got, wanted, rtol=1e-15)


def compiled(text: str, target: str) -> Any:
    scope: dict[str, Any] = {"np": np}
    exec(text, scope)
    return stagegrad.compile(scope["f"], target=target, source=text, cache=False)


LOOKUP = "def f(x, i):\n    e = x[i]\n    return np.sum(e * e)\n"
STORED = "def f(x, y, i):\n    a = x.copy()\n    a[i] = y\n    return np.sum(a * a)\n"


@pytest.mark.parametrize("target", ["python", "numba"])
def test_repeated_indices_add_up_in_the_gradient(target: str) -> None:
    x = np.array([1.0, 2.0, 3.0])
    value, dx = compiled(LOOKUP, target).value_and_grad(x, np.array([0, 2, 0, -1]))
    assert value == 1.0 + 9.0 + 1.0 + 9.0
    assert np.array_equal(dx, [4.0, 0.0, 12.0])


@pytest.mark.parametrize("target", ["python", "numba"])
def test_the_last_of_several_writes_to_a_place_has_the_gradient(target: str) -> None:
    x, y = np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 7.0])
    value, (dx, dy) = compiled(STORED, target).value_and_grad(x, y, np.array([0, 2, 0]))
    assert value == 49.0 + 4.0 + 36.0
    assert np.array_equal(dx, [0.0, 4.0, 0.0])
    assert np.array_equal(dy, [0.0, 12.0, 14.0])
    assert np.array_equal(x, [1.0, 2.0, 3.0])


COUNTED = "def f(x):\n    return np.sum(x[np.arange(3) - 1] * x) + np.sum(x[2 * np.arange(2)])\n"


def test_indices_that_are_counted_by_a_constant_are_as_good_as_any() -> None:
    with uncompiled():
        function = compiled(COUNTED, "numba")
        value, dx = function.value_and_grad(np.array([1.0, 2.0, 5.0]))
        assert value == 5.0 + 2.0 + 10.0 + 1.0 + 5.0
        assert np.array_equal(dx, [8.0, 6.0, 4.0])
        with pytest.raises(IndexError):
            function.value_and_grad(np.array([1.0]))


@pytest.mark.parametrize("target", ["python", "numba"])
def test_an_index_out_of_range_raises(target: str) -> None:
    function = compiled(LOOKUP, target)
    for index in (3, -4):
        with pytest.raises(IndexError):
            function.value_and_grad(np.array([1.0, 2.0, 3.0]), np.array([0, index]))


# ---------------------------------------------------------------------------------------------- rows that are written


def rows_of_states(x, w, n: int):
    for _ in range(n):
        x = np.tanh(w @ x) + x[::-1]
    return np.sum(x * x)


def rows_from_elsewhere(a, x):
    a[0] = x
    a[1:, 1:2] = a[0:1, 0:1] * x[0]
    a[:2] = np.outer(x[:2], x)
    return np.sum(a * a * a)


def rows_of_its_own(a, x):
    a[1:] = a[:-1] * x[0]
    a[0] = x
    a[:, 1:] = a[:, :-1]
    return np.sum(a * a * a)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("function", [rows_of_states, rows_from_elsewhere, rows_of_its_own])
@pytest.mark.parametrize("bits", ["float64", "float32"])
def test_rows_are_written_as_numpy_writes_them(function: Callable[..., Any], bits: str) -> None:
    draw = np.random.default_rng(4).normal
    point = (draw(size=3).astype(bits), draw(size=(3, 3)).astype(bits), 4)
    if function is not rows_of_states:
        point = (point[1], point[0])
    compiled, plain = stagegrad.compile(function), stagegrad.compile(function, target="numpy")
    (value, slopes), (expected, by_numpy) = compiled.value_and_grad(*point), plain.value_and_grad(*point)
    assert value == pytest.approx(float(function(*(x.copy() if isinstance(x, np.ndarray) else x for x in point))), rel=1e-5)
    assert value == pytest.approx(float(expected), rel=1e-5)
    for found, wanted in zip(slopes, by_numpy, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=1e-5)


def test_a_row_of_another_size_is_refused_as_numpy_refuses_it() -> None:
    f = stagegrad.compile(rows_from_elsewhere)
    with pytest.raises(ValueError, match="broadcast"):
        f.value_and_grad(np.ones((3, 4)), np.ones(3))


def moved_on(a):
    a[1:] = a[:-1]
    return np.sum(a)


def test_what_a_section_assignment_says_of_sizes_is_not_compiled() -> None:
    """Numba makes the message of a mismatch with strings, which takes it more than a second."""
    f = stagegrad.compile(rows_of_states, cache=False, types={"x": "float64[:]", "w": "float64[:, :]"})
    assert "set_row(" in f.source("numba")
    assert "set_row(" not in stagegrad.compile(moved_on, types={"a": "float64[:]"}).source("numba", answer="value")
    event = pytest.importorskip("numba.core.event")
    seen: list[str] = []

    class Names(event.Listener):  # type: ignore[misc,name-defined]
        def on_start(self, event: Any) -> None:
            seen.append(str(event.data.get("dispatcher")))

        def on_end(self, event: Any) -> None: ...

    with event.install_listener("numba:compile", Names()):
        f.value_and_grad(np.ones(3), np.eye(3), 2)
    assert seen and not [name for name in seen if "raise_with_shape_context" in name]
