"""``out=``: gradients written to the caller's arrays are what a call without it gives, and nothing is written that should not be."""

from __future__ import annotations

import re
import types
from typing import NamedTuple

import numpy as np
import pytest

import stagegrad
from stagegrad import ArgumentError
from stagegrad.ir import check
from stagegrad.passes.into import write_into
from tests.interpret import Interpreter


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    """One cache folder for this file, so that nothing is compiled twice; the IR is checked after every pass."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "out"))
    monkeypatch.setenv("STAGEGRAD_CHECK", "1")


@pytest.fixture(params=["numpy", "numba"])
def target(request):
    return request.param


def dot(x, y):
    total = 0.0
    for k in range(len(x)):
        total += x[k] * y[k]
    return total


def taking_turns(x, y):
    for _ in range(len(x)):
        x, y = y, x
    return np.sum(x * x) + 3.0 * np.sum(y)


def taking_turns_after_writes(x, y):
    a, b = x.copy(), y.copy()
    for i in range(len(x)):
        a[i] *= 2.0
        b[i] *= a[i]
        a, b = b, a
    return np.sum(a * a) + 3.0 * np.sum(b)


def elementwise(x, y):
    return np.sum(np.tanh(x) * y + x)


def product(w, x):
    return np.sum(np.tanh(w @ x))


def one_way(x, y):
    if x[0] > 0.0:
        return x[1] * y[0]
    return np.sum(x * x)


def handed_on(x, y):
    return np.sum(x * y)


def twice(x, y):
    return np.sum(x + y)


def recurrence(x, y):
    h = np.zeros_like(x)
    for k in range(1, len(x)):
        h[k] = np.tanh(h[k - 1] + x[k]) * y[k]
    return np.sum(h * h)


def unused(x, y):
    return np.sum(x)


RNG = np.random.default_rng(7)
X, Y, W = RNG.normal(size=5), RNG.normal(size=5), RNG.normal(size=(3, 5))
CASES = [
    (dot, X, Y), (elementwise, X, Y), (elementwise, W, X), (product, W, X), (one_way, X, Y), (one_way, -np.abs(X), Y), (handed_on, X, Y),
    (twice, X, Y), (recurrence, X, Y), (unused, X, Y), (elementwise, X[:0], Y[:0]),
    (elementwise, X.astype(np.float32), Y.astype(np.float32)), (taking_turns, X, Y), (taking_turns_after_writes, X, Y),
]  # fmt: skip


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("function", "x", "y"), CASES)
def test_gradients_are_written_to_the_arrays(function, x, y, target):
    f = stagegrad.compile(function, target=target)
    value, (dx, dy) = f.value_and_grad(x, y)
    out = np.full_like(x, np.nan), np.full_like(y, np.nan)
    found, gradients = f.value_and_grad(x, y, out=out)
    assert found == value and gradients[0] is out[0] and gradients[1] is out[1]
    np.testing.assert_array_equal(out[0], dx)
    np.testing.assert_array_equal(out[1], dy)
    again = np.full_like(y, np.nan)
    first, second = f.grad(x, y, out=(None, again))
    assert second is again and first is not out[0]
    np.testing.assert_array_equal(first, dx)
    np.testing.assert_array_equal(second, dy)


def test_the_second_call_checks_as_the_first_does():
    f = stagegrad.compile(dot, target="numba")
    wanted, out = f.grad(X, Y), (np.zeros(5), np.zeros(5))
    for _ in range(2):
        f.grad(X, Y, out=out)
    np.testing.assert_array_equal(out, wanted)
    assert f.value_and_grad(X, Y, out=out)[0] == f(X, Y)
    for case, (refused, reason) in REFUSED.items():
        with pytest.raises(ArgumentError, match=reason):
            f.grad(X, Y, out=refused)
            pytest.fail(case)
    with pytest.raises(ArgumentError, match=r"out\[0\] of dot.grad\(\) shares memory with argument `y`"):
        f.grad(X, Y, out=(Y, None))
    with pytest.raises(IndexError):
        f.grad(X, Y[:2], out=(np.zeros(5), np.zeros(2)))
    again = f.grad(X.astype(np.float32), Y.astype(np.float32), out=(np.zeros(5, np.float32), None))
    assert again[1].dtype == np.float32
    assert f.grad(X[::2], Y[::2], out=(out[0][:3], out[1][:3]))[1].tolist() == X[::2].tolist()


def test_plain_calls_go_straight_to_machine_code():
    f = stagegrad.compile(dot, target="numba")
    f.value_and_grad(X, Y)
    assert isinstance(f.value_and_grad.__globals__["compiled"], types.BuiltinFunctionType)
    f.value_and_grad(X, Y, out=(np.zeros(5), np.zeros(5)))
    assert isinstance(f._writes[0].__globals__["compiled"], types.BuiltinFunctionType)


@pytest.mark.parametrize(("function", "x", "y"), CASES)
def test_the_pass_changes_no_value(function, x, y):
    f = stagegrad.compile(function, target="numpy")
    value, gradients = f.value_and_grad(x, y)
    module = check(write_into(f.build.module("value_and_grad"), [1, 2]))
    found = Interpreter(module)(x.copy(), y.copy(), np.full_like(x, np.nan), np.full_like(y, np.nan))
    assert found[0] == pytest.approx(value)
    for mine, theirs in zip(found[1], gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)


@pytest.mark.parametrize("function", [dot, elementwise, recurrence])
def test_nothing_is_allocated_for_a_gradient(function):
    f = stagegrad.compile(function, target="numba")
    f.grad(X, Y)
    plain, written = f.build.source("value_and_grad", "numba").text, f.build.into_source().text
    made = re.compile(r"np\.zeros|np\.empty|= room")
    assert len(made.findall(plain)) - len(made.findall(written)) == 2
    assert ".copy()" not in written


def test_arrays_of_any_layout_are_written_to(target):
    f = stagegrad.compile(elementwise, target=target)
    wanted = f.grad(W, X)
    strided, wide = np.zeros((3, 10))[:, ::2], np.zeros((5, 3)).T
    odd = np.frombuffer(bytearray(41), np.uint8)[1:].view(np.float64)
    f.grad(W, X, out=(strided, odd))
    np.testing.assert_array_equal(strided, wanted[0])
    np.testing.assert_array_equal(odd, wanted[1])
    f.grad(W[::-1], X, out=(wide, None))
    np.testing.assert_array_equal(wide, wanted[0][::-1])


def test_the_gradient_of_what_is_not_native_is_not_either(target):
    f = stagegrad.compile(elementwise, target=target)
    x = X.astype(">f8")
    out = np.zeros(5, ">f8")
    f.grad(x, Y, out=(out, None))
    np.testing.assert_array_equal(out, f.grad(X, Y)[0])


def test_a_single_gradient_and_a_choice(target):
    f = stagegrad.compile(lambda x: np.sum(x * x), target=target)
    dx = np.zeros(5)
    assert f.grad(X, out=dx) is dx
    np.testing.assert_array_equal(dx, 2 * X)
    g = stagegrad.compile(dot, target=target)
    assert g.grad(X, Y, wrt="y", out=dx) is dx
    np.testing.assert_array_equal(dx, X)
    assert g.grad(X, Y, wrt=["y"], out=[dx])[0] is dx


class Layer(NamedTuple):
    w: np.ndarray
    b: float


def test_containers_and_numbers(target):
    @stagegrad.compile(target=target)
    def f(p, n: int, scale):
        return np.sum(p["layer"].w * p["x"]) * p["layer"].b * n * scale

    p = {"layer": Layer(X, 2.0), "x": Y}
    wanted = f.grad(p, 3, 0.5)
    dw = np.zeros(5)
    found, dscale = f.grad(p, 3, 0.5, out=({"layer": Layer(dw, None), "x": None}, None))
    assert found["layer"].w is dw and found["layer"].b == wanted[0]["layer"].b and dscale == wanted[1]
    np.testing.assert_array_equal(dw, wanted[0]["layer"].w)
    np.testing.assert_array_equal(found["x"], wanted[0]["x"])
    with pytest.raises(ArgumentError, match=r"out\[0\]\['layer'\]\.b of f.grad\(\) is for a number"):
        f.grad(p, 3, 0.5, out=({"layer": Layer(dw, np.zeros(())), "x": None}, None))
    with pytest.raises(ArgumentError, match=r"out\[0\] of f.grad\(\) is a dict of 1\n.*Layer\(w=np.empty\(\(5,\), np.float64\), b=None\)"):
        f.grad(p, 3, 0.5, out=({"layer": None}, None))


def test_a_function_that_writes_to_its_argument(target):
    @stagegrad.compile(target=target)
    def f(x):
        x[0] = x[0] * x[1]
        return np.sum(x)

    x, dx = np.array([2.0, 3.0]), np.zeros(2)
    f.grad(x, out=dx)
    assert x.tolist() == [2.0, 3.0] and dx.tolist() == [3.0, 3.0]


# ---------------------------------------------------------------------------------------------- refused


def _fixed():
    array = np.zeros(5)
    array.flags.writeable = False
    return array


SHARED = np.zeros(6)
REFUSED = {
    "shape": ((np.zeros(4), None), r"out\[0\] of dot.grad\(\) is an array of float64 with shape \(4,\)"),
    "dtype": ((None, np.zeros(5, np.float32)), r"out\[1\] of dot.grad\(\) is an array of float32"),
    "list": (([0.0] * 5, None), r"out\[0\] of dot.grad\(\) is a list"),
    "one": (np.zeros(5), r"out of dot.grad\(\) is a numpy.ndarray"),
    "many": ((None, None, None), r"out of dot.grad\(\) is a tuple of 3"),
    "fixed": ((_fixed(), None), r"out\[0\] of dot.grad\(\) cannot be written to"),
    "itself": ((np.lib.stride_tricks.as_strided(SHARED, (5,), (0,)), None), r"out\[0\] of dot.grad\(\) holds an element twice"),
    "argument": ((None, X), r"out\[1\] of dot.grad\(\) shares memory with argument `x`"),
    "each other": ((SHARED[1:], SHARED[:5]), r"out\[1\] of dot.grad\(\) shares memory with out\[0\]"),
    "masked": ((np.ma.zeros(5), None), r"out\[0\] of dot.grad\(\) is a numpy"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case, target):
    out, reason = REFUSED[case]
    f = stagegrad.compile(dot, target=target)
    with pytest.raises(ArgumentError, match=reason) as refusal:
        f.grad(X, Y, out=out)
    assert "out=(np.empty((5,), np.float64), np.empty((5,), np.float64))" in str(refusal.value)


def test_an_exception_is_the_function_s_own(target):
    f = stagegrad.compile(dot, target=target)
    with pytest.raises(IndexError):
        f.grad(X, Y[:2], out=(np.zeros(5), np.zeros(2)))


def test_out_may_be_a_parameter():
    f = stagegrad.compile(lambda x, out: x * out)
    assert f.grad(2.0, out=3.0) == (3.0, 2.0)
