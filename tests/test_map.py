"""`Staged.map`: value and gradient at many points, from one loop, are what a call at each point gives."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import traceback

import numpy as np
import pytest

import stagegrad
from stagegrad import ArgumentError, NameChoiceError
from stagegrad.ir import check
from stagegrad.passes.mapping import over_points
from stagegrad.passes.narrow import narrow
from tests.interpret import Interpreter

CS231N = "(x + sigmoid(y)) / (sigmoid(x) + (x + y)**2)"


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    """One cache folder for this file, so that nothing is compiled twice."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "map"))


@pytest.fixture(params=["python", "numba"])
def target(request):
    return request.param


def branchy(x: float, n: int, up: bool, y: float = 0.5) -> float:
    """Branches, a loop that may end early, a return from inside it, an int and a bool."""
    if x < -1.0:
        return x * y
    total = n / 3
    for k in range(n):
        total += math.exp(-x * 0.5) + k * y
        if total > 4.0:
            break
        if total > 2.0 and up:
            return total * x
    return total


def newton(a: float) -> float:
    """A while loop."""
    x = 1.0
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def factorial_like(x: float, n: int) -> float:
    """A function that calls itself."""
    return x if n <= 0 else x * factorial_like(x + 1.0, n - 1)


FACTOR = 1.0


def scaled(x: float) -> float:
    """A function that reads a global."""
    return FACTOR * x


def pointwise(f, *columns):
    """Values and gradients by a call at each point."""
    found = [f.value_and_grad(*(column.item() for column in point)) for point in zip(*columns, strict=True)]
    gradients = [gradient if isinstance(gradient, tuple) else (gradient,) for _, gradient in found]
    return np.array([value for value, _ in found]), *map(np.array, zip(*gradients, strict=True))


POINTS = np.random.default_rng(4).normal(size=(3, 57)) * 2.0


def flat(answer):
    """The arrays of ``f, dx`` or ``f, (dx, dy)``."""
    value, gradient = answer
    return (value, *gradient) if isinstance(gradient, tuple) else (value, gradient)


# ---------------------------------------------------------------------------------------------- values


def test_a_formula_at_many_points(target):
    f = stagegrad.formula(CS231N, target=target)
    found = flat(f.map(POINTS[0], POINTS[1]))
    for mine, theirs in zip(found, pointwise(f, POINTS[0], POINTS[1]), strict=True):
        assert mine.dtype == np.float64 and mine.shape == (57,)
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)


def test_branches_loops_ints_and_bools(target):
    f = stagegrad.compile(branchy, target=target)
    n, up = np.arange(57) % 7, np.arange(57) % 2 == 0
    for mine, theirs in zip(flat(f.map(POINTS[0], n, up, POINTS[1])), pointwise(f, POINTS[0], n, up, POINTS[1]), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-14)


@pytest.mark.parametrize(("function", "columns"), [(newton, [np.linspace(0.1, 9.0, 40)]), (factorial_like, [POINTS[0], np.arange(57) % 4])])
def test_while_loops_and_recursion(function, columns, target):
    f = stagegrad.compile(function, target=target)
    for mine, theirs in zip(flat(f.map(*columns)), pointwise(f, *columns), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-13)


def test_the_loop_is_the_function_in_the_interpreter_too():
    f = stagegrad.formula("x*y + sin(x)")
    module = check(over_points(f.build.module("value_and_grad"), "f_map", frozenset({1})))
    empty = np.zeros(3)
    found = Interpreter(module)(np.array([1.0, 2.0, 3.0]), 0.5, empty, empty, empty)
    for k, x in enumerate((1.0, 2.0, 3.0)):
        value, (dx, dy) = f.value_and_grad(x, 0.5)
        assert (found[0][k], found[1][0][k], found[1][1][k]) == (value, dx, dy)


def test_special_numbers_come_through():
    f = stagegrad.formula("log(x)*y")
    x = np.array([0.0, math.inf, math.nan, 1.0])
    for mine, theirs in zip(flat(f.map(x, 2.0)), pointwise(f, x, np.full(4, 2.0)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_only_values_only_gradients_and_a_choice():
    f = stagegrad.compile(branchy)
    n, up = np.arange(57) % 7, True
    value, (dx, dy) = f.map(POINTS[0], n, up, POINTS[1])
    np.testing.assert_array_equal(f.map(POINTS[0], n, up, POINTS[1], answer="value"), value)
    np.testing.assert_array_equal(f.map(POINTS[0], n, up, POINTS[1], answer="grad")[1], dy)
    np.testing.assert_array_equal(f.map(POINTS[0], n, up, POINTS[1], answer="grad", wrt="x"), dx)
    chosen = stagegrad.compile(branchy, wrt=["y"])
    np.testing.assert_array_equal(chosen.map(POINTS[0], n, up, POINTS[1])[1][0], dy)


def test_several_values_and_one_twice(target):
    @stagegrad.compile(target=target)
    def both(x: float, n: int):
        return x, (n + 1, x > 0.0), x

    first, (second, third), fourth = both.map(POINTS[0], 2, answer="value")
    np.testing.assert_array_equal(first, POINTS[0])
    np.testing.assert_array_equal(second, np.full(57, 3))
    np.testing.assert_array_equal(third, POINTS[0] > 0.0)
    np.testing.assert_array_equal(fourth, POINTS[0])
    assert (second.dtype, third.dtype) == (np.int64, np.bool_) and first is not fourth


def test_the_second_derivative_at_many_points():
    first = stagegrad.grad(stagegrad.formula("x**4"))
    value, gradient = first.map(POINTS[0])
    np.testing.assert_allclose(value, 4 * POINTS[0] ** 3)
    np.testing.assert_allclose(gradient, 12 * POINTS[0] ** 2)
    narrow_one = first.map(POINTS[0].astype(np.float32), answer="grad")
    assert narrow_one.dtype == np.float32
    np.testing.assert_allclose(narrow_one, gradient, rtol=1e-5)


def test_a_global_that_changes_is_noticed(monkeypatch):
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    f = stagegrad.compile(scaled)
    np.testing.assert_array_equal(f.map(POINTS[0])[1], np.full(57, 2.0))
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    np.testing.assert_array_equal(f.map(POINTS[0])[1], np.full(57, 3.0))


def test_a_gradient_that_is_a_constant_and_one_that_is_not_used(target):
    f = stagegrad.compile(lambda x, y: 2.0 * x, target=target)
    _, (dx, dy) = f.map(POINTS[0], POINTS[1].astype(np.float32))
    assert (dx == 2.0).all() and (dy == 0.0).all() and dx.dtype == dy.dtype == np.float64
    _, (dx, dy) = f.map(POINTS[0].astype(np.float32), POINTS[1].astype(np.float32))
    assert (dx == 2.0).all() and (dy == 0.0).all() and dx.dtype == dy.dtype == np.float32


def test_keywords_defaults_and_values_that_are_part_of_the_program():
    @stagegrad.compile
    def f(x: float, how: str = "square", scale: float = 3.0) -> float:
        return scale * (x * x if how == "square" else x)

    np.testing.assert_allclose(f.map(POINTS[0])[0], 3.0 * POINTS[0] ** 2)
    np.testing.assert_allclose(f.map(POINTS[0], scale=POINTS[1], how="plain")[0], POINTS[0] * POINTS[1])


# ---------------------------------------------------------------------------------------------- arrays of any form

SHAPES = [(), (1,), (3,), (2, 3), (2, 1), (1, 1), (0,), (2, 0), (4, 2, 3)]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations_with_replacement(SHAPES, 2)))
def test_points_broadcast_as_in_numpy(first, second):
    f = stagegrad.formula("x*y + y**2")
    x, y = np.arange(1.0, 1.0 + math.prod(first)).reshape(first), -np.arange(2.0, 2.0 + math.prod(second)).reshape(second)
    try:
        expected = x * y + y**2
    except ValueError:
        with pytest.raises(ArgumentError, match=r"do not broadcast: `x`.*`y`"):
            f.map(x, y)
        return
    value, (dx, dy) = f.map(x, y)
    assert {type(one) for one in (value, dx, dy)} == {np.ndarray}
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(dx, np.broadcast_to(y, expected.shape))
    np.testing.assert_array_equal(dy, x + 2 * y)


def test_numbers_alone_are_one_point():
    value, (dx, dy) = stagegrad.formula("x*y").map(3, np.float64(4.0))
    assert (value.shape, value.item(), dx.item(), dy.item()) == ((), 12.0, 4.0, 3.0)


LAYOUTS = {
    "strided": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "backwards": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "transposed": lambda a: a.T.copy().T,
    "big-endian": lambda a: a.astype(">f8"),
    "read-only": lambda a: np.frombuffer(a.tobytes()).reshape(a.shape),
    "unaligned": lambda a: np.frombuffer(b"0" + a.tobytes(), np.uint8)[1:].view(np.float64).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_any_layout(layout):
    f = stagegrad.formula("x*y + y**2")
    x, y = POINTS[0, :12].reshape(3, 4), POINTS[1, :12].reshape(3, 4)
    same = f.map(LAYOUTS[layout](x), y)
    for mine, theirs in zip(flat(same), flat(f.map(x, y)), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.flags.c_contiguous


def test_ints_and_bools_become_floats():
    f = stagegrad.formula("x**2")
    for x in (np.arange(3), np.arange(3, dtype=np.int32), np.array([True, False])):
        value, dx = f.map(x)
        np.testing.assert_array_equal(value, x.astype(float) ** 2)
        assert dx.dtype == np.float64
    np.testing.assert_array_equal(f.map(np.array([2**53 + 2]))[0], [float(2**53 + 2) ** 2])


# ---------------------------------------------------------------------------------------------- float32


def test_float32_is_float32_throughout():
    f = stagegrad.formula(CS231N)
    x, y = POINTS[0].astype(np.float32), POINTS[1].astype(np.float32)
    for mine, wide in zip(flat(f.map(x, y)), flat(f.map(x.astype(float), y.astype(float))), strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, wide, rtol=3e-4)
    text = f.build.narrowed.map_source("value_and_grad").text
    assert "np.float32(1.0) / den" in text


@pytest.mark.parametrize("function", [branchy, newton, factorial_like])
def test_float32_in_branches_and_loops(function, target, monkeypatch):
    monkeypatch.setenv("STAGEGRAD_CHECK", "1")
    f = stagegrad.compile(function, target=target)
    columns = {"branchy": [np.arange(57) % 7, True, 0.5], "newton": [], "factorial_like": [np.arange(57) % 4]}[function.__name__]
    x = np.abs(POINTS[0]).astype(np.float32) + 1
    if function is newton:
        x = np.array([1.0, 4.0, 9.0], np.float32)  # where 32 bits come near enough
    for mine, wide in zip(flat(f.map(x, *columns)), flat(f.map(x.astype(float), *columns)), strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, wide, rtol=1e-4, atol=1e-5)


def test_what_is_beside_float32_says_how_wide_it_stays():
    f = stagegrad.formula("x*y")
    x = POINTS[0].astype(np.float32)
    narrow_ones = [2.0, 2, np.float32(2.0), np.array([2.0], np.float32), np.array([True]), True]
    wide_ones = [np.float64(2.0), np.array([2.0]), np.array([2]), np.array(2.0)]
    for others, dtype in ((narrow_ones, np.float32), (wide_ones, np.float64)):
        for y in others:
            assert {one.dtype for one in flat(f.map(x, y))} == {np.dtype(dtype)}, repr(y)


def test_narrow_keeps_the_law_and_the_ints():
    f = stagegrad.compile(branchy)
    module = check(narrow(f.build.program.module))
    assert [str(param.type) for param in module.main.params] == ["float32", "int", "bool", "float32"]


def test_a_function_with_arrays_of_its_own_computes_in_64_bits():
    @stagegrad.compile
    def f(x: float) -> float:
        a = np.zeros(3)
        for k in range(3):
            a[k] = x * k
        return float(np.sum(a * a))

    value, dx = f.map(POINTS[0].astype(np.float32))
    assert value.dtype == np.float64
    np.testing.assert_allclose(value, 5.0 * POINTS[0].astype(np.float32).astype(float) ** 2)
    np.testing.assert_allclose(dx, 10.0 * POINTS[0].astype(np.float32).astype(float))


# ---------------------------------------------------------------------------------------------- out


def test_out_is_written_to_and_returned(target):
    f = stagegrad.formula("x*y", target=target)
    value, dx, dy = np.zeros(57), np.zeros(57), np.zeros((57, 2))[:, 0]
    found = f.map(POINTS[0], POINTS[1], out=(value, (dx, dy)))
    assert found[0] is value and found[1][0] is dx and found[1][1] is dy
    np.testing.assert_array_equal(value, POINTS[0] * POINTS[1])
    np.testing.assert_array_equal(dy, POINTS[0])


def test_out_may_leave_arrays_to_us():
    f = stagegrad.formula("x*y")
    dx = np.zeros(57)
    value, (found, dy) = f.map(POINTS[0], POINTS[1], out=(None, (dx, None)))
    assert found is dx and value.shape == dy.shape == (57,)
    gradient = np.zeros((3, 4))
    assert stagegrad.formula("x**2").map(np.ones((3, 4)), answer="grad", out=gradient) is gradient
    assert (gradient == 2.0).all()


def _refused_outs():
    x = np.ones(4)
    strange = np.lib.stride_tricks.as_strided(np.zeros(4), (4,), (0,))
    fixed = np.zeros(4)
    fixed.flags.writeable = False
    twice = np.zeros(5)
    return {
        "shape": (x, (np.zeros(3), None), r"out\[0\] of parabola.map\(\) is an array of float64 with shape \(3,\)"),
        "dtype": (x, (None, np.zeros(4, np.float32)), r"out\[1\] of parabola.map\(\) is an array of float32"),
        "order": (x, (None, np.zeros(4, ">f8")), r"out\[1\] of parabola.map\(\) is an array of >f8"),
        "list": (x, ([0.0] * 4, None), r"out\[0\] of parabola.map\(\) is a list"),
        "structure": (x, np.zeros(4), r"out of parabola.map\(\) is a numpy.ndarray"),
        "length": (x, (None, None, None), r"out of parabola.map\(\) is a tuple of 3"),
        "input": (x, (x, None), r"out\[0\] of parabola.map\(\) shares memory with argument `x`"),
        "other": (x, (twice[1:], twice[:-1]), r"out\[1\] of parabola.map\(\) shares memory with out\[0\]"),
        "itself": (x, (strange, None), r"out\[0\] of parabola.map\(\) holds an element twice"),
        "fixed": (x, (None, fixed), r"out\[1\] of parabola.map\(\) cannot be written to"),
    }


@pytest.mark.parametrize("before", [None, np.ones(4)])
@pytest.mark.parametrize("case", _refused_outs())
def test_an_out_that_does_not_fit_is_refused(case, before):
    f = stagegrad.compile(parabola)
    if before is not None:
        f.map(before)  # from now on such calls go a shorter way
    x, out, reason = _refused_outs()[case]
    with pytest.raises(ArgumentError, match=reason) as refusal:
        f.map(x, out=out)
    assert "out=(np.empty((4,), np.float64), np.empty((4,), np.float64))" in str(refusal.value)


def parabola(x: float) -> float:
    return x * x


def test_interleaved_memory_is_not_shared():
    f = stagegrad.formula("x**2")
    both = np.ones(8)
    f.map(both[::2], out=(both[1::2], None))
    assert (both == 1.0).all()


# ---------------------------------------------------------------------------------------------- again with plain arrays


@pytest.fixture
def long_way(monkeypatch):
    """How often a call of `map` reads its arguments one by one."""
    counted = []
    read = stagegrad.Staged._points
    monkeypatch.setattr(stagegrad.Staged, "_points", lambda *args: counted.append(1) or read(*args))
    return counted


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("count", [0, 1, 2, 5000])
def test_a_second_call_is_the_same_by_a_shorter_way(count, dtype, long_way):
    f = stagegrad.formula(CS231N, target="numba")
    x, y = np.random.default_rng(2).normal(size=(2, count)).astype(dtype)
    f.map(np.ones(2, dtype), np.ones(2, dtype))
    first = flat(f.map(x, y=y))
    assert len(long_way) == 2
    second, third = flat(f.map(x, y)), flat(f.map(x, y, out=(np.ones(count, dtype), (np.ones(count, dtype), np.ones(count, dtype)))))
    assert len(long_way) == 2
    for one, again, written in zip(first, second, third, strict=True):
        assert one.dtype == again.dtype == dtype and one.shape == again.shape and not np.may_share_memory(one, again)
        np.testing.assert_array_equal(one, again)
        np.testing.assert_array_equal(one, written)


@pytest.mark.parametrize("count", [1, 5000, 70_000])
def test_a_parallel_map_has_the_shorter_way_too(count, long_way):
    f = stagegrad.formula(CS231N, target="numba")
    x, y = np.random.default_rng(2).normal(size=(2, count))
    expected = flat(f.map(x, y))
    first = flat(f.map(x, y, parallel=True))
    read = len(long_way)
    again = flat(f.map(x, y, parallel=True))
    assert len(long_way) == read and len(f._maps) == 1 + (count == 70_000)
    for one, other, wanted in zip(first, again, expected, strict=True):
        assert one.tobytes() == other.tobytes() == wanted.tobytes() and not np.may_share_memory(one, other)


def test_a_number_for_all_points_makes_no_shorter_way_for_arrays(long_way):
    f, x = stagegrad.formula(CS231N, target="numba"), np.array([0.5, 1.5, 2.5])
    f.map(x, x, answer="grad")
    f.map(x, 2.0)
    f.map(x, x)
    read = len(long_way)
    f.map(x, x)
    assert len(long_way) == read


def test_one_array_is_the_answer_of_a_function_of_one_number():
    f = stagegrad.formula("x**2", target="numba")
    x = np.arange(5.0)
    for _ in range(2):
        value, slope = f.map(x)
        np.testing.assert_array_equal(value, x**2)
        np.testing.assert_array_equal(slope, 2.0 * x)


def test_what_is_not_plain_goes_the_long_way():
    f = stagegrad.formula("x*y", target="numba")
    x = np.arange(4.0)
    f.map(x, x)
    fixed, table = x.copy(), np.arange(16.0).reshape(4, 4)
    fixed.flags.writeable = False
    for one, other in ((fixed, x), (x, table[:, 1]), (table, table), (x, 2.0), (np.arange(4), x), (x.astype(">f8"), x), (x, x[:1])):
        value, (dx, dy) = f.map(one, other)
        np.testing.assert_array_equal(value, one * other)
        np.testing.assert_array_equal(dx, np.broadcast_to(other, value.shape))
        np.testing.assert_array_equal(dy, np.broadcast_to(one, value.shape))
    for arguments in ((x, np.ones(3)), (x,), (x, x, x), (x, [1.0])):
        with pytest.raises((ArgumentError, TypeError)):
            f.map(*arguments)
    x64, x32 = f.map(x, x)[0], f.map(x.astype(np.float32), x.astype(np.float32))[0]
    assert (x64.dtype, x32.dtype, f.map(x, x)[0].dtype) == (np.float64, np.float32, np.float64)


def test_a_second_call_notices_a_global_that_changed(monkeypatch):
    monkeypatch.setitem(globals(), "_FACTOR", 2.0)
    f = stagegrad.compile(lambda x: _FACTOR * x, target="numba")  # noqa: F821  # set above
    x = np.ones(3)
    for _ in range(2):
        np.testing.assert_array_equal(f.map(x)[1], [2.0] * 3)
    monkeypatch.setitem(globals(), "_FACTOR", 5.0)
    for _ in range(2):
        np.testing.assert_array_equal(f.map(x)[1], [5.0] * 3)


# ---------------------------------------------------------------------------------------------- errors


def test_a_second_call_names_the_point_that_raises_too():
    @stagegrad.compile(target="numba")
    def root(x: float) -> float:
        if x < 0.0:
            raise ValueError(f"x is {x}")
        return math.sqrt(x)

    x = np.arange(7.0)
    root.map(x)
    x[3] = -3.0
    with pytest.raises(ValueError, match=r"x is -3\.0") as caught:
        root.map(x)
    assert caught.value.__notes__ == ["at the point [3] of root.map(): x = -3.0"]


def test_an_exception_points_to_the_line_and_the_point(target):
    @stagegrad.compile(target=target)
    def root(x: float, y: float) -> float:
        if x < 0.0:
            raise ValueError(f"x is {x}")
        return math.sqrt(x) * y

    x = np.ones((300, 2))
    x[217, 1] = -2.0
    x[250, 0] = -3.0
    with pytest.raises(ValueError, match=r"x is -2\.0") as caught:
        root.map(x, 4.0)
    assert caught.value.__notes__ == ["at the point [217, 1] of root.map(): x = -2.0, y = 4.0"]
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename == __file__ and last.line == 'raise ValueError(f"x is {x}")'


def test_python_divides_by_zero_as_a_call_does():
    f = stagegrad.formula("1/x", target="python")
    with pytest.raises(ZeroDivisionError) as caught:
        f.map(np.array([1.0, 0.0]))
    assert "at the point [1] of" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (([1.0, 2.0], 1), r"argument `x` of power.map\(\) is a list; map\(\) takes arrays of points"),
        ((np.ones(2, np.float16), 1), "argument `x`.*float16"),
        ((np.ones(2, complex), 1), "argument `x`.*complex"),
        ((np.ones(2), np.ones(2)), r"argument `n` of power.map\(\) is an array of float64, but the function takes ints there"),
        ((np.ones(2), 1.5), "argument `n`.*float"),
        ((np.array([2**62 + 1]), 1), "an int that no float equals"),
        ((np.ma.array([1.0]), 1), "masked"),
        ((np.array(["a"]), 1), "argument `x`"),
        ((np.ones(2),), "missing a required argument"),
        ((np.ones(2), 2**70), "64 bits"),
        ((np.ones(2), np.array([1, 2, 3])), "do not broadcast"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(arguments, reason, target):
    @stagegrad.compile(target=target)
    def power(x: float, n: int) -> float:
        y = 1.0
        for _ in range(n):
            y *= x
        return y

    with pytest.raises(ArgumentError, match=reason):
        power.map(*arguments)


def test_only_functions_of_numbers_have_a_map():
    f = stagegrad.compile(lambda x: np.sum(x[1:]), types={"x": "float64[:]"})
    with pytest.raises(stagegrad.StagegradError):
        f.map(np.ones(3))
    pair = stagegrad.compile(lambda x: (x, x * x))
    with pytest.raises(ArgumentError, match="returns a tuple of 2"):
        pair.map(np.ones(3))
    vector = stagegrad.compile(lambda x: np.array([x, x]))
    with pytest.raises(ArgumentError, match=r"map\(\) is for functions of numbers, and .* returns float64\[:\]"):
        vector.map(np.ones(3), answer="value")


def test_options_that_are_parameters_are_refused():
    f = stagegrad.compile(lambda x, out=1.0: x * out)
    np.testing.assert_array_equal(f.map(np.ones(2), np.full(2, 3.0), answer="value"), [3.0, 3.0])
    with pytest.raises(NameChoiceError, match="out= is an option of map"):
        f.map(np.ones(2), out=np.full(2, 3.0))
    with pytest.raises(NameChoiceError, match="answer='hessian'"):
        f.map(np.ones(2), answer="hessian")


# ---------------------------------------------------------------------------------------------- threads, text


def test_threads_give_the_same_numbers(monkeypatch):
    monkeypatch.setattr("stagegrad.calls.passages.available_threads", lambda: 3)
    f = stagegrad.formula(CS231N)
    x, y = np.random.default_rng(1).normal(size=(2, 100_003))
    for mine, theirs in zip(flat(f.map(x, y, parallel=True)), flat(f.map(x, y)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_large_results_are_arrays_of_their_own():
    f = stagegrad.formula("x*y", target="numba")
    x = np.arange(2.0**18)
    first, second = f.map(x.reshape(2, -1), 3.0), f.map(x.reshape(2, -1), 5.0)
    np.testing.assert_array_equal(first[0], 3.0 * x.reshape(2, -1))
    np.testing.assert_array_equal(second[1][1], x.reshape(2, -1))
    assert first[0].flags.carray and not any(np.may_share_memory(mine, theirs) for mine in flat(first) for theirs in flat(second))
    narrow_ones = flat(f.map(x.astype(np.float32), 3.0))
    assert {one.dtype for one in narrow_ones} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(narrow_ones[0], (3.0 * x).astype(np.float32))


def test_threads_name_the_first_bad_point(monkeypatch):
    monkeypatch.setattr("stagegrad.calls.passages.available_threads", lambda: 3)

    @stagegrad.compile
    def f(x: float) -> float:
        if x < 0.0:
            raise ValueError("negative")
        return x

    x = np.ones(200_000)
    x[[60_001, 60_000, 199_999]] = -1.0
    with pytest.raises(ValueError, match="negative") as caught:
        f.map(x, parallel=True)
    assert caught.value.__notes__[0].startswith("at the point [60000]")


def test_a_child_process_has_threads_of_its_own(tmp_path):
    program = """
import os, numpy as np, stagegrad, stagegrad.calls.passages
stagegrad.calls.passages.available_threads = lambda: 2
f = stagegrad.formula("x**2")
x = np.arange(100_000.0)
f.map(x, parallel=True)
child = os.fork()
if not child:
    os._exit(0 if (f.map(x, parallel=True)[1] == 2 * x).all() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "0\n", done.stderr


def test_the_loop_can_be_read():
    f = stagegrad.formula("x*y", target="numba")
    text = f.source(answer="map")
    assert "def f_map(all_x, all_y, all_f, all_dx, all_dy):\n    for i in range(len(all_f)):\n        x = all_x[i]\n" in text
    assert ".copy()" not in text
    with pytest.raises(NameChoiceError, match="only the target 'numba'"):
        f.source("python", answer="map")


def test_names_that_the_loop_needs_are_left_to_the_user():
    @stagegrad.compile
    def f(i: float, all_x: float, x: float, len: float) -> float:
        return i * all_x + x * len

    value, gradient = f.map(POINTS[0], POINTS[1], POINTS[2], 2.0)
    np.testing.assert_allclose(value, POINTS[0] * POINTS[1] + 2.0 * POINTS[2])
    np.testing.assert_array_equal(gradient[1], POINTS[0])


def test_a_large_map_runs_on_numbas_threads_and_one_that_raises_on_pythons():
    x, y = np.random.default_rng(3).uniform(0.5, 2.0, (2, 70_000))
    f = stagegrad.formula(CS231N, target="numba")
    for mine, theirs in zip(flat(f.map(x, y, parallel=True)), flat(f.map(x, y)), strict=True):
        assert mine.tobytes() == theirs.tobytes()
    build = next(iter(f._builds.values()))
    assert "in prange(parts):" in build.map_source("value_and_grad", parallel=True).text

    def root(v):
        if v < 0.0:
            raise ValueError("below zero")
        return v**0.5

    g = stagegrad.compile(root, target="numba")
    for mine, theirs in zip(flat(g.map(x, parallel=True)), flat(g.map(x)), strict=True):
        assert mine.tobytes() == theirs.tobytes()
    x[60_001] = -1.0
    with pytest.raises(ValueError, match="below zero") as caught:
        g.map(x, parallel=True)
    assert "[60001]" in "".join(caught.value.__notes__)
