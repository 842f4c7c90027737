"""Calls with arrays: what is accepted and refused, once for each combination of types, and what comes back."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import stagegrad
from stagegrad import ArgumentError, NameChoiceError, StagegradError, UnsupportedError, ir_text
from stagegrad.calls.boundary import in_rows
from stagegrad.errors import NeedsTypes
from stagegrad.frontend.program import Program
from stagegrad.frontend.specs import Leaf, leaves
from stagegrad.ir import FLOAT
from stagegrad.pipeline import Options
from stagegrad.staged import Staged

SCALE = 2.0


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    """One cache folder for this file, so that nothing is compiled twice."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "arrays"))


@pytest.fixture(params=["numpy", "numba"])
def target(request):
    return request.param


def weighted(x, c):
    return np.sum(x * x) * c


def scaled(x):
    return SCALE * np.sum(x * x)


def picked(x, i):
    return x[i] * 2.0


def total(x):
    return np.sum(x)


def kept(x, y):
    return np.sum(x * y)


def doubled(x):
    return 2.0 * x


def chosen(x, how="sum", shift=None):
    if how == "sum":
        return np.sum(x)
    return np.sum(x * x)


def mapped(f, x):
    return np.sum(f(x))


X = np.array([1.0, -2.0, 3.0])


def same(found, expected):
    """Equal, of the same kind, dtype and shape."""
    assert type(found) is type(expected), (found, expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


# ---------------------------------------------------------------------------------------------- layouts and dtypes


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "x",
    [
        X,
        X[::-1],
        np.repeat(X, 2)[::2],
        np.asfortranarray(X),
        np.broadcast_to(np.array(2.0), (3,)),
        np.array([]),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
        np.arange(24.0).reshape(2, 3, 4)[:, ::-1, ::2],
        np.zeros((0, 3)),
        np.ones((1, 4, 1, 1)),
        np.ones((1, 1, 1, 2, 1)),
        np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float64),
        X.astype(">f8"),
        X.astype("f4"),
        X.astype(">f4"),
    ],
    ids=lambda x: f"{x.dtype.str}{x.shape}{'' if x.flags.c_contiguous else 'strided'}",
)
def test_every_layout_gives_the_same_and_is_left_alone(target, x):
    before = x.copy()
    f = stagegrad.compile(weighted, target=target)
    value, (dx, dc) = f.value_and_grad(x, 3.0)
    native = before.astype(before.dtype.newbyteorder("="))
    assert value == weighted(native, 3.0) and type(value) is (np.float32 if x.dtype.itemsize == 4 else float)
    same(dx, (6.0 * native).astype(x.dtype))
    assert dx.flags.c_contiguous and dx.flags.writeable and not np.may_share_memory(dx, x)
    assert dc == weighted(native, 1.0)
    np.testing.assert_array_equal(x, before)


def layered(p, x):
    h = np.tanh(x @ p["w"])
    return np.sum(h @ p["v"].T) + 0.0 * x.shape[0]


WIDE = np.random.default_rng(0).normal(size=(700, 60))


def test_matrices_that_lie_column_after_column_are_multiplied_as_they_lie(monkeypatch):
    """They are copied neither by a plain call, nor by one with names, with `out` or with several types; gradients lie row after row."""
    f = stagegrad.compile(layered, wrt=("p", "x"), target="numba")
    p = {"w": WIDE[:60] / 60.0, "v": WIDE[60:70]}
    known, (dp, dx) = f.value_and_grad(p, WIDE)
    fixed = np.asfortranarray(WIDE)
    fixed.flags.writeable = False
    turned = {"w": np.asfortranarray(p["w"]), "v": np.asfortranarray(p["v"])}  # too small to compile for
    room = np.full_like(WIDE, np.nan, order="C")
    asked = [((p, WIDE), {}), ((p, WIDE.T.copy().T), {}), ((p, fixed), {}), ((turned,), {"x": fixed}), ((turned, WIDE), {}),
             ((p,), {"x": WIDE[:, ::-1][:, ::-1]}), ((p, fixed), {"out": (None, room)}), ((p, np.repeat(WIDE, 2, 0)[::2]), {})]  # fmt: skip
    f.value_and_grad(p, fixed.copy(order="F"))
    f.value_and_grad(p, fixed, out=(None, room))
    monkeypatch.setattr("stagegrad.calls.boundary.turned_among", None)
    _without_the_long_way(monkeypatch, "_long_way")
    for args, named in asked:
        room[:] = np.nan
        value, (again, slope) = f.value_and_grad(*args, **named)
        assert value == pytest.approx(known, rel=1e-12)
        for one, other in ((again["w"], dp["w"]), (again["v"], dp["v"]), (slope, dx)):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
            assert one.flags.c_contiguous and one.flags.writeable
        assert not np.may_share_memory(slope, args[-1] if len(args) > 1 else named["x"])
        assert ("out" in named) is (slope is room)
    assert [sorted(case.boundary.turned) for case in f._doors["value_and_grad", None]._cases] == [[], [2]]
    columns = fixed.copy(order="F")
    with pytest.raises(ArgumentError, match="shares memory"):
        f.value_and_grad(p, columns, out=(None, columns))
    into = np.empty((60, 700)).T
    assert f.value_and_grad(p, columns, out=(None, into))[1][1] is into and np.allclose(into, dx, rtol=1e-9)


def test_columns_are_copied_where_elements_are_read_and_the_code_is_kept_for_both_orders(tmp_path):
    x = np.random.default_rng(1).normal(size=(300, 257)).T
    f = stagegrad.compile(weighted, target="numba")
    value, (dx, _) = f.value_and_grad(x, 2.0)
    assert value == weighted(x.copy(order="C"), 2.0) or value == pytest.approx(weighted(x, 2.0), rel=1e-13)
    np.testing.assert_array_equal(dx, 4.0 * x)
    assert dx.flags.c_contiguous and not f._doors["value_and_grad", None]._cases[0].boundary.columns
    for block in (x, x[:, :256], x.T, x[:0], x.astype("f4"), x.astype(">f8"), np.asfortranarray(np.ones((3, 40000)))):
        for found in (in_rows(block), in_rows(block, np.dtype(float))):
            np.testing.assert_array_equal(found, block)
            assert found.flags.c_contiguous and found is not block


def test_read_only_arrays_are_taken_and_left_alone(target):
    x = X.copy()
    x.flags.writeable = False
    gradient = stagegrad.compile(weighted, target=target).grad(x, 1.0, wrt="x")
    assert gradient.flags.writeable and not x.flags.writeable


def test_gradients_are_fresh(target):
    f = stagegrad.compile(kept, target=target)
    y = np.array([4.0, 5.0, 6.0])
    dx, dy = f.grad(X, y)
    assert not any(np.may_share_memory(one, other) for one, other in [(dx, X), (dx, y), (dy, X), (dy, y), (dx, dy)])
    same(dx, y)
    same(dy, X)
    both = f.grad(X, X)
    assert both[0] is not both[1] and not np.may_share_memory(*both)
    again = f.grad(X, y)[0]
    assert not np.may_share_memory(dx, again)


def test_arrays_come_back_as_they_are(target):
    f = stagegrad.compile(doubled, target=target)
    same(f(X), 2.0 * X)
    same(f(X.astype("f4")), 2.0 * X.astype("f4"))
    same(f(np.ones((2, 3))), np.full((2, 3), 2.0))
    same(f(1.5), 3.0)
    with pytest.raises(ArgumentError, match=r"doubled\(\) returns an array \(float64\[:\]\); a gradient needs one float") as caught:
        f.grad(X)
    assert "return its sum" in str(caught.value) and caught.value.filename == __file__


def test_zero_dimensional_arrays_are_numbers(target):
    f = stagegrad.compile(lambda x, y: x * y, target=target)
    same(f(np.array(2.0), 3.0), 6.0)
    dx, dy = f.grad(np.array(2.0), 3)
    same(dx, np.array(3.0))
    same(dy, 2.0)
    same(stagegrad.grad(f)(np.array(2.0), 3.0), np.array(3.0))
    same(f.grad(np.array(2), 3.0, wrt="x"), np.array(3.0))
    with pytest.raises(ArgumentError, match="is complex"):
        f(np.array(1j), 1.0)


def inner(x, n):
    a = np.zeros(n)
    for i in range(n):
        a[i] = x * i
    return np.sum(a), a[0]


def test_numbers_of_a_function_with_arrays_inside_are_pythons(target):
    f = stagegrad.compile(inner, target=target)
    found = f(2.0, 3)
    assert found == (6.0, 0.0) and [type(one) for one in found] == [float, float]
    g = stagegrad.grad(lambda x, n: inner(x, n)[0] * x)
    assert g(2.0, 3) == 12.0 and type(g(2.0, 3)) is float
    same(g(np.array(2.0), 3), np.array(12.0))


def test_numbers_of_32_bits_stay_so(target):
    f = stagegrad.compile(weighted, target=target)
    x = X.astype("f4")
    value, (dx, dc) = f.value_and_grad(x, np.float32(3.0))
    assert type(value) is np.float32 and dx.dtype == np.float32 and type(dc) is np.float32
    assert type(f(x, 3.0)) is np.float32 and type(f.grad(x, 3.0)[1]) is float
    for scalar in (np.float64(3.0), np.array(3.0)):
        with pytest.raises(ArgumentError, match=r"`c` of weighted\(\) is a .*float64 beside float32") as caught:
            f(x, scalar)
        assert "write instead:  float(c)" in str(caught.value)
    assert f(X, np.float64(3.0)) == 42.0


# ---------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (X + 1j, "`x` of total() is complex (complex128)"),
        (X.astype("f2"), "is an array (float16, shape (3,)); stagegrad computes in 64 or 32 bits"),
        (X.astype(np.longdouble), "stagegrad computes in 64 or 32 bits"),
        (X.astype("u1"), "uint8 wraps around where int64 does not"),
        (X.astype("i2"), "x.astype(np.int64)"),
        (X.astype(object), "which holds no numbers"),
        (np.array(["a"]), "which holds no numbers"),
        (np.array(["2020"], "M8[D]"), "which holds no numbers"),
        (np.zeros(2, [("a", "f8")]), "which holds no numbers"),
        (np.ma.masked_array(X, X > 0), "is a masked array, whose mask would be lost"),
        (X[:, None].view(np.matrix), "np.asarray(x)"),
        (np.zeros((1,) * 6), "arrays have at most 5 dimensions"),
        (1j, "is complex"),
        ({1, 2}, "is a set"),
        ({1: 2.0}, "keys must be texts"),
        (range(3), "is a range"),
        ([1.0] * 1000, "holds more than 500 numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_argument_is_refused_by_name(target, value, says):
    f = stagegrad.compile(total, target=target)
    for call in (f, f.grad, f.value_and_grad, f.check_grads):
        with pytest.raises(ArgumentError) as caught:
            call(value)
        assert says in str(caught.value) and "`x`" in str(caught.value)


def test_a_thing_like_an_array_is_refused_with_what_makes_one_of_it():
    class Series:
        def __array__(self):
            return X

    with pytest.raises(ArgumentError, match=r"np\.asarray"):
        stagegrad.compile(total)(Series())


def test_ints_have_no_gradient_and_say_so(target):
    f = stagegrad.compile(kept, target=target)
    n = np.array([1, 2, 3])
    same(f.grad(X, n), n.astype(float))
    assert f(X, n.astype("i4")) == 6.0 and f(X, n > 1) == 1.0
    with pytest.raises(ArgumentError, match=r"argument `y` of kept\(\) is int64\[:\]; only a float has a gradient") as caught:
        f.grad(X, n, wrt="y")
    assert "y.astype(float)" in str(caught.value)
    with pytest.raises(ArgumentError, match="no float parameter"):
        f.grad(n, n)


def test_what_is_annotated_as_a_number_takes_no_array(target):
    @stagegrad.compile(target=target)
    def f(x: float) -> float:
        return x * x

    with pytest.raises(ArgumentError, match=r"is an array \(float64, shape \(3,\)\); it needs a float") as caught:
        f(X)
    assert "def f(..., x: np.ndarray, ...)" in str(caught.value)
    with pytest.raises(ArgumentError, match="needs a float"):
        stagegrad.formula("x*x", target=target)(X)


# ---------------------------------------------------------------------------------------------- types


def test_one_build_for_each_combination_of_types_and_none_for_shapes(target):
    f = stagegrad.compile(weighted, target=target)
    for x in (X, np.ones(7), np.ones(0), np.ones((2, 2)), np.ones((5, 1)), X.astype("f4"), 2.0):
        f(x, 2)
        f(x, 2.0)
        f.grad(x, True)
    assert len(f._builds) == 5  # an axis of one element may be broadcast: that is another program
    assert f.build_for(X, 1.0) is f.build_for(np.ones(2), 5)
    assert f.build_for(X, 1.0).kinds == ("float[1]", "float")


def test_an_int_is_what_the_function_takes_it_for(target):
    f = stagegrad.compile(picked, target=target)
    same(f.grad(X, 1), np.array([0.0, 2.0, 0.0]))
    same(f.grad(X, np.int32(-1)), np.array([0.0, 0.0, 2.0]))
    with pytest.raises(ArgumentError, match=r"`i` of picked\(\) is a float"):
        f(X, 1.5)
    g = stagegrad.compile(weighted, target=target)
    assert type(g.grad(X, 3)[1]) is float


def test_a_function_waits_for_its_types():
    f = stagegrad.compile(total, target="numpy")
    assert inspect.signature(f) == inspect.signature(total)
    with pytest.raises(NeedsTypes, match="types=") as caught:
        f.source()
    assert "Traceback" not in str(caught.value)
    assert "np.sum(x)" in f.source(types={"x": "float64[:]"})
    f(np.ones((2, 2)))
    assert f.build.kinds == ("float[2]",)
    f(X)
    assert f.build.kinds == ("float[1]",) and f.source() == f.source(types={"x": "float64[:]"})


def filled(x, n):
    u = np.zeros(n + 1)
    for i in range(n):
        u[i + 1] = u[i] + x * i
    return np.sum(u * u)


def test_types_of_numbers_alone_are_what_a_function_of_arrays_waits_for():
    f = stagegrad.compile(filled, target="numpy", types={"x": "float", "n": "int"})
    assert "np.zeros(n + 1)" in f.source()
    assert f.value_and_grad(0.3, 3) == (pytest.approx(0.9), pytest.approx(6.0))
    with pytest.raises(NeedsTypes):
        stagegrad.compile(filled, target="numpy", types={"n": "int"}).source()  # x may be an array


def test_types_can_be_stated(target):
    f = stagegrad.compile(picked, target=target, types={"x": "float64[:]", "i": "int64"})
    assert f.build.kinds == ("float[1]", "int") and "def picked_value_and_grad(x, i)" in f.source()
    same(f.grad(X, 2), np.array([0.0, 0.0, 2.0]))
    assert len(f._builds) == 1
    g = stagegrad.grad(f)
    assert g.program.module.main.params[0].type.rank == 1
    same(g(X, 0), np.array([2.0, 0.0, 0.0]))
    with pytest.raises(NameChoiceError, match="no parameter 'z'"):
        stagegrad.compile(picked, types={"z": "int"})
    with pytest.raises(ArgumentError, match="not a plain Python function"):
        stagegrad.compile(len, types={"x": "float64[:]"})
    for wrong in ("float65", "float64[::2]", "float64[2]", "int[:, :, :, :, :, :]", 3):
        with pytest.raises(NameChoiceError, match="type of x"):
            f.source(types={"x": wrong})


def test_a_stated_kind_of_a_number_stays(target):
    f = stagegrad.compile(weighted, target=target, types={"x": "float64[:]", "c": "int64"})
    assert f.grad(X, 2).shape == (3,)
    with pytest.raises(ArgumentError, match="is a float"):
        f(X, 2.5)


def test_problems_that_no_type_can_mend_come_at_the_decorator():
    with pytest.raises(UnsupportedError):

        @stagegrad.compile
        def f(x):
            yield np.sum(x)


def test_static_arguments_are_part_of_the_program(target):
    f = stagegrad.compile(chosen, target=target)
    same(f.grad(X), np.ones(3))
    same(f.grad(X, "squares"), 2.0 * X)
    same(f.grad(X, how="squares", shift=None), 2.0 * X)
    assert len(f._builds) == 2
    with pytest.raises(ArgumentError, match=r"argument `how` of chosen\(\) is 'sum'"):
        f.grad(X, wrt="how")


def test_functions_as_arguments(target):
    f = stagegrad.compile(mapped, target=target)
    same(f.grad(np.square, X), 2.0 * X)
    np.testing.assert_allclose(f.grad(np.sin, X), np.cos(X))

    def times(factor):
        return lambda v: factor * v

    for factor in (1.0, 2.0, 1.0, 1):
        for _ in range(2):  # made anew, but the same
            same(f.grad(times(factor), X), np.full(3, float(factor)))
    assert len(f._builds) == 5


def weighed(x, c):
    return np.sum(x * c)


def running(x, c):
    for i in range(1, len(x)):
        x[i] += c * x[i - 1]
    return np.sum(x)


def moved(x, y):
    for i in range(len(x)):
        x[i] *= y[i]
    return np.sum(x * y)


def _without_the_long_way(monkeypatch, way="_call"):
    """From now on a call that no entry takes fails."""

    def fail(self, *_):
        raise AssertionError("this call took the long way")

    monkeypatch.setattr(Staged, way, fail)


def test_calls_of_several_types_take_turns_on_the_fast_way(monkeypatch):
    f = stagegrad.compile(weighed, wrt=("x", "c"))
    calls = [(X, 2.0), (X.astype(np.float32), np.float32(2.0)), (np.ones((2, 2)), 3.0), (X.astype(np.float32), 2.0)]
    first = [(f.value_and_grad(*call), f(*call), f.grad(*call)) for call in calls]
    _without_the_long_way(monkeypatch)
    for _ in range(3):
        for call, (both, value, slopes) in zip(calls, first, strict=True):
            for found, known in ((f(*call), value), (f.value_and_grad(*call)[0], both[0]), (f.grad(*call)[1], slopes[1])):
                assert found == known and type(found) is type(known)
            same(f.grad(*call)[0], slopes[0])
            assert f.grad(*call)[0].dtype == call[0].dtype
    assert f._recent["x"].type.bits == 32  # what the latest call was is what the function shows
    assert [type(number) for number in (f(*calls[1]), f.grad(*calls[1])[1], f.grad(*calls[3])[1])] == [np.float32, np.float32, float]


def stretched(x, c: float = 2.0, *, p=(1.0, None)):
    return np.sum(x * x) * c * p[0]


def test_calls_of_all_kinds_take_the_fast_way_by_any_reference(monkeypatch, target):
    """References taken before each list of types was known; arguments that want converting, names, defaults, `wrt`."""
    f = stagegrad.compile(stretched, wrt=("x", "c"), target=target)
    fixed, again = X.copy(), pickle.loads(pickle.dumps(X))  # the latter's dtype is another object
    fixed.flags.writeable = False
    calls = [
        ((X,), {}), ((X, 2.0), {}), ((X,), {"c": 2.0, "p": (1.0, None)}), ((), {"c": 2, "x": X}), ((X, 2), {}), ((X, np.float64(2.0)), {}),
        ((fixed, 2.0), {}), ((again, True + 1), {}), ((np.repeat(X, 2)[::2], 2.0), {}), ((X, np.int64(2)), {"wrt": "x"}),
        ((X,), {"wrt": ["x"]}), ((X.astype("f4"),), {}), ((X.astype("f4"), 2), {"p": (1.0, None)}),
    ]  # fmt: skip
    references = [f.value_and_grad]
    first = []
    for args, named in calls:
        first.append(f.value_and_grad(*args, **named))
        references.append(f.value_and_grad)
    _without_the_long_way(monkeypatch, "_long_way")
    for reference in references:
        for (args, named), (value, slopes) in zip(calls, first, strict=True):
            found, again = reference(*args, **named)
            assert found == value and type(found) is type(value) and f._recent["x"].type.bits == 8 * args[0].itemsize if args else True
            if isinstance(slopes, tuple):
                assert all(type(one) is type(other) and np.array_equal(one, other) for one, other in zip(again, slopes, strict=True))
            else:
                same(again, slopes)


def test_what_no_entry_takes_is_refused_as_by_the_first_call():
    f = stagegrad.compile(stretched, wrt=("x", "c"))
    refused = [((X, 2.0, (1.0, None)), {}), ((), {"c": 1.0}), ((X,), {"x": X}), ((X,), {"q": 1}), ((X, "2"), {}), ((X, 2**53 + 1), {}),
               ((X.astype(complex),), {}), ((X.astype("f4"), np.float64(2.0)), {})]  # fmt: skip
    known = []
    for compiled in (False, True):
        for args, named in refused:
            with pytest.raises(ArgumentError) as caught:
                f.grad(*args, **named)
            known.append(str(caught.value))
        if not compiled:
            f.grad(X)
            f.grad(X.astype("f4"))
    assert known[: len(refused)] == known[len(refused) :]


def test_a_full_door_lets_in_others(monkeypatch):
    monkeypatch.setattr("stagegrad.calls.doors._MOST_CASES", 2)
    monkeypatch.setattr("stagegrad.calls.doors._MOST_MISSES", 3)
    f = stagegrad.compile(chosen, target="numpy")
    held = []
    for word in ("sum", "a", "b", "c", "c", "sum", "c", "a", "a", "a", "sum"):
        held.append(f._value)
        assert {reference(X, word) for reference in held} == {2.0 if word == "sum" else 14.0}


def test_what_an_entry_refuses_is_no_concern_of_another(monkeypatch):
    """The entries are gone where a global that the function reads has changed, but not where it is the same number again."""
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    f = stagegrad.compile(scaled)
    assert (f(X), f(X.astype(np.float32)), f(X)) == (28.0, 28.0, 28.0)
    held = f._value
    with monkeypatch.context() as context:
        _without_the_long_way(context)
        monkeypatch.setitem(globals(), "SCALE", float("2.0"))
        assert (held(X), f(X), f(X.astype(np.float32))) == (28.0, 28.0, 28.0)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert (held(X), f(X.astype(np.float32)), f(X), f(X.astype(np.float32)), held(X)) == (42.0,) * 5


def test_gradients_of_functions_that_write_take_the_fast_way_where_nothing_is_shared(monkeypatch):
    f, g = stagegrad.compile(running), stagegrad.compile(moved)
    x, y = X.copy(), 2.0 * X
    before = f.grad(x, 0.5), g.grad(x, y)
    with monkeypatch.context() as context:
        _without_the_long_way(context)
        same(f.grad(x, 0.5)[0], before[0][0])
        same(g.grad(x, y)[0], before[1][0])
        same(g.grad(x, y)[1], before[1][1])
    same(x, X)
    for shared in (x, x[::-1][::-1]):
        with pytest.raises(ArgumentError, match="share memory"):
            g.grad(x, shared)
    wide = np.arange(8.0)
    with pytest.raises(ArgumentError, match="share memory"):
        g.grad(wide[:3], wide[2:5])
    same(g.grad(wide[:3], wide[3:6])[0], np.square(wide[3:6]))
    value = f(x, 0.5)
    assert value == x.sum() == 1.0 - 1.5 + 2.25


def test_old_builds_make_room(monkeypatch):
    monkeypatch.setattr("stagegrad.staged._MOST_BUILDS", 3)
    f = stagegrad.compile(chosen, target="numpy")
    for word in ("sum", "a", "b", "c", "d", "sum"):
        assert f(X, word) == (2.0 if word == "sum" else 14.0)
    assert len(f._builds) == 3 and {key[0] for key in f._passages} <= set(f._builds.values())


# ---------------------------------------------------------------------------------------------- in the way that calls have


def test_exceptions_are_numpys_own_at_the_users_line(target):
    f = stagegrad.compile(kept, target=target)
    for call in (f, f.grad):
        with pytest.raises(ValueError, match="could not be broadcast together") as caught:
            call(X, np.ones(4))
        last = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert (last.filename, last.line) == (__file__, "return np.sum(x * y)")
    assert f(X, X) == 14.0


def test_an_index_out_of_bounds_is_an_index_error(target):
    f = stagegrad.compile(picked, target=target)
    for call in (f, f.grad):
        with pytest.raises(IndexError, match="index 7 is out of bounds for axis 0 with size 3") as caught:
            call(X, 7)
        assert traceback.extract_tb(caught.value.__traceback__)[-1].line == "return x[i] * 2.0"


def test_warnings_are_the_users_own_in_a_plain_call_only():
    f = stagegrad.compile(lambda x: np.sum(np.log(x)), target="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f.grad(np.array([1.0, 0.0]))[1] == math.inf
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        f(np.array([0.0]))


def test_derivatives_compose(target):
    f = stagegrad.compile(lambda x: np.sum(x**3), target=target)
    np.testing.assert_allclose(stagegrad.grad(f)(X), 3.0 * X**2)
    twice = stagegrad.grad(lambda x: np.sum(x**4), 0)
    np.testing.assert_allclose(twice(X), 4.0 * X**3)
    with pytest.raises(ArgumentError, match="returns an array"):
        stagegrad.grad(twice)(X)
    second = stagegrad.grad(stagegrad.grad(weighted, "c"), "x")
    same(second(X, 5.0), 2.0 * X)
    value, gradient = stagegrad.value_and_grad(weighted, ("x",))(X, 2.0)
    assert value == 28.0 and isinstance(gradient, tuple)
    same(gradient[0], 4.0 * X)
    assert not np.may_share_memory(stagegrad.grad(kept)(X, X), X)


def test_a_global_that_changes_is_noticed_in_every_build(monkeypatch, target):
    f = stagegrad.compile(scaled, target=target)
    held = f.grad
    matrix = np.ones((2, 2))
    assert (f(X), f(matrix), held(X)[0]) == (28.0, 8.0, 4.0)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert (f(X), f(matrix), held(X)[0], f.grad(X)[0]) == (42.0, 12.0, 6.0, 6.0)


def test_compiled_functions_need_one_list_of_types():
    numba = pytest.importorskip("numba")
    f = stagegrad.compile(weighted, target="numba")
    f(X, 1.0)
    both = f.numba.value_and_grad

    @numba.njit
    def step(x, c):
        value, (dx, _) = both(x, c)
        return x - 0.1 * dx, value

    np.testing.assert_allclose(step(X, 1.0)[0], 0.8 * X)
    f(np.ones((2, 2)), 1.0)
    with pytest.raises(NameChoiceError, match=r"several lists of types \(x: float64\[:\]; x: float64\[:, :\]\)"):
        f.numba.value  # noqa: B018  (looking is the test)
    assert stagegrad.compile(weighted, target="numba", types={"x": "float64[:]"}).numba.value(X, 1.0) == 14.0
    assert f.numba.types(x="float64[:]").value(X, 1.0) == 14.0
    assert f.numba.types(x="float64[:, :]").grad(np.ones((2, 2)), 1.0)[1] == 4.0
    assert stagegrad.compile(weighted, target="numba").numba.types(x="float64[:]").value(X, 1.0) == 14.0  # before any call


def test_compiled_code_writes_gradients_to_arrays_in_compiled_code():
    numba = pytest.importorskip("numba")
    into = stagegrad.compile(weighted, target="numba").numba.types(x="float64[:]").value_and_grad_into
    loop = stagegrad.formula("x**2 * y", target="numba").numba.map

    @numba.njit
    def both(x, dx, columns):
        value, (_, dc) = into(x, 3.0, dx)
        loop(x, x, columns[0], columns[1], columns[2])
        return value, dc

    dx, columns = np.zeros(3), np.zeros((3, 3))
    assert both(X, dx, columns) == (42.0, 14.0)
    np.testing.assert_array_equal(dx, 6.0 * X)
    np.testing.assert_array_equal(columns, [X**3, 2.0 * X**2, X**2])


def test_pickles_hold_what_was_compiled():
    f = stagegrad.compile(lambda x, c: np.sum(x * x) * c, target="numpy")
    f(X, 1.0)
    f(np.ones((2, 2)), 1.0)
    for made in (f, stagegrad.grad(f), stagegrad.value_and_grad(f, (0, 1))):
        made(X, 2.0)
        again = pickle.loads(pickle.dumps(made))
        np.testing.assert_equal(again(X, 2.0), made(X, 2.0))
        assert again.source() == made.source()
    again = pickle.loads(pickle.dumps(f))
    assert again(np.ones((2, 2)), 1.0) == 4.0
    with pytest.raises(StagegradError, match=r"pickled without code for x: float64\[:, :, :\]"):
        again(np.ones((2, 2, 2)), 1.0)
    assert copy.deepcopy(f) is f


def test_pickles_hold_what_numbers_and_arrays_from_outside_were_compiled_to():
    outside = np.array([1.0, 2.0])
    f = stagegrad.compile(lambda x: x * np.sum(outside), target="numpy")
    f(2.0)
    assert pickle.loads(pickle.dumps(f)).value_and_grad(2.0) == (6.0, 3.0)


def test_eight_threads_agree_to_the_bit(target):
    f = stagegrad.compile(lambda x, y: np.sum(np.sin(x) * y), target=target)
    points = [np.linspace(0.1, k + 1.0, 5).reshape(shape) for k in range(20) for shape in ((5,), (5, 1), (1, 5))]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: [f.grad(x, x) for x in points], range(8)))
    for answer in answers:
        for found, expected in zip(answer, answers[0], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_traces_and_proofs_are_for_numbers():
    f = stagegrad.compile(total, target="numpy")
    with pytest.raises(ArgumentError, match="trace"):
        f.trace(X)
    f(X)
    with pytest.raises(UnsupportedError, match="proof"):
        f.prove()


# ---------------------------------------------------------------------------------------------- functions that write to their arguments


def written(text, function, target, *positions, result=None):
    """A `Staged` whose program is this IR, with the types of each call in place of ``$0``, ``$1``."""

    def lower(specs):
        signature = inspect.signature(function)
        found = tuple(specs.get(name, Leaf(FLOAT)) for name in signature.parameters)
        typed = text
        for k, leaf in enumerate(leaf for spec in found for leaf in leaves(spec)):
            typed = typed.replace(f"${k}", str(leaf.type))
        return Program(ir_text.parse(typed), signature, (), text, found, positions, result)

    return Staged(lower, Options(target=target, cache=False), function, signature=lambda: inspect.signature(function))


WRITES = """function f(a.0: $0, b.0: $1) -> (0, 1) from python:
  a.1: $0 = store(a.0, 0, 5.0)
  c.0: float[1] = mul(a.1, b.0)
  s.0: float = sum(c.0)
  return s.0, a.1
"""


def f(a, b):
    a[0] = 5.0
    return np.sum(a * b)


def test_a_plain_call_writes_and_a_gradient_call_does_not(target):
    staged = written(WRITES, f, target, 0)
    a, b = X.copy(), np.array([1.0, 2.0, 3.0])
    value, (da, db) = staged.value_and_grad(a, b)
    np.testing.assert_array_equal(a, X)
    assert value == f(X.copy(), b)
    same(da, np.array([0.0, 2.0, 3.0]))
    same(db, np.array([5.0, -2.0, 3.0]))
    assert staged(a, b) == value
    same(a, np.array([5.0, -2.0, 3.0]))
    view = np.arange(6.0)
    assert staged(view[::2], b) == 5.0 + 2.0 * 2.0 + 4.0 * 3.0
    same(view, np.array([5.0, 1.0, 2.0, 3.0, 4.0, 5.0]))


def assigns(a, b):
    a[1:] = 2.0 * b
    return a, a[0] * b


def helper(a, i):
    a[i] = a[i] * a[i]


def helped(p, n):
    for i in range(n):
        helper(p["a"], i)
    return np.sum(p["a"])


def test_functions_that_write(target):
    f = stagegrad.compile(assigns, target=target)
    a = np.arange(8.0)[::2]
    found, product = f(a, 3.0)
    same(a, np.array([0.0, 6.0, 6.0, 6.0]))
    assert found is a and product == 0.0
    g = stagegrad.compile(helped, target=target)
    p = {"a": X.copy()}
    same(g.grad(p, 2)["a"], np.array([2.0, -4.0, 1.0]))
    same(p["a"], X)
    assert g(p, 2) == 8.0
    same(p["a"], np.array([1.0, 4.0, 3.0]))
    assert g.check_grads(p, 2)


def test_what_is_returned_is_the_argument_itself_where_it_is(target):
    f = stagegrad.compile(lambda x: x, target=target)
    for x in (X, X[::-1], np.arange(3, dtype="i4"), X.astype(">f8")):
        assert f(x) is x


def test_what_is_written_to_shares_no_memory(target):
    staged = written(WRITES, f, target, 0)
    a = np.arange(4.0)
    for call in (staged, staged.grad, staged.value_and_grad, stagegrad.grad(staged)):
        for pair in ((a[:3], a[1:]), (a[:3], a[:3])):
            with pytest.raises(ArgumentError, match=r"arguments `a` and `b` of f(_grad)?\(\) share memory, and the function writes to `a`"):
                call(*pair)
        with pytest.raises(ArgumentError, match="its elements share memory"):
            call(np.lib.stride_tricks.as_strided(a, (3,), (0,)), np.ones(3))
    np.testing.assert_array_equal(a, np.arange(4.0))


def test_what_is_read_only_is_not_written_to(target):
    staged = written(WRITES, f, target, 0)
    a = X.copy()
    a.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        staged(a, X)
    same(staged.grad(a, X, wrt="b"), np.array([5.0, -2.0, 3.0]))


def test_the_kind_of_a_number_may_be_stated_alone():
    f = stagegrad.compile(weighted, target="numpy", types={"c": "int64"})
    with pytest.raises(NeedsTypes):
        f.source()
    assert f.grad(X, 2).shape == (3,)
    g = stagegrad.compile(lambda x, n: x * n, target="numpy", types={"n": "int64"})
    assert g.build.kinds == ("float", "int") and g.grad(2.0, 3) == 3.0
