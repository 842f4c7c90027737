"""Containers as arguments and results: gradients come back in the structure of what they belong to."""

from __future__ import annotations

import enum
import inspect
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import stagegrad
from stagegrad import ArgumentError
from stagegrad.calls.boundary import Boundary, Parameters
from stagegrad.calls.entry import MISSING, Case, Entry, Shown, enter
from stagegrad.frontend.specs import Known, Leaf, Reader, Tree, fill, flatten, gradient_of, is_number, leaves, parse, paths, word_of
from stagegrad.ir import FLOAT, INT, Type

X = np.array([1.0, -2.0, 3.0])


@pytest.fixture(autouse=True)
def folder(tmp_path_factory, monkeypatch):
    """One cache folder for this file, so that nothing is compiled twice."""
    monkeypatch.setenv("STAGEGRAD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "trees"))


@pytest.fixture(params=["numpy", "numba"])
def target(request):
    return request.param


class Layer(NamedTuple):
    w: Any
    b: Any


@dataclass
class Body:
    mass: float
    at: Any
    steps: int = 1


@dataclass(frozen=True, slots=True)
class Frozen:
    mass: float
    layer: Any


class Colour(enum.Enum):
    RED = 1


# ---------------------------------------------------------------------------------------------- specs

VALUES = [
    1.5,
    2,
    True,
    X,
    np.zeros((2, 3), "f4"),
    np.zeros(3, int),
    None,
    "text",
    np.sin,
    len,
    float,
    Colour.RED,
    (1.0, X),
    [1.0, 2.0],
    (),
    {"w": X, "b": (1.0, None)},
    Layer(X, 1.0),
    Body(1.0, X),
    Frozen(2.0, Layer(X, 3)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_there_and_back(value):
    spec = Reader("f").spec(value, "x")
    assert spec == Reader("f").spec(value, "x") and hash(spec) == hash(Reader("f").spec(value, "x"))
    flat = list(flatten(spec, value))
    assert len(flat) == len(list(leaves(spec))) == len(list(paths(spec, "x")))
    again = fill(spec, iter(flat))
    assert type(again) is type(value) and repr(again) == repr(value)
    assert word_of(spec)


def test_specs_differ_where_the_program_does():
    specs = [Reader("f").spec(value, "x") for value in VALUES]
    assert len(set(specs)) == len(specs)
    read = Reader("f").spec
    assert read({"a": 1.0, "b": 2.0}, "x") != read({"b": 1.0, "a": 2.0}, "x")
    assert read((1.0, 2.0), "x") != read([1.0, 2.0], "x") != read(Layer(1.0, 2.0), "x")
    assert Known("a") != Known("b") and Known(None) == Known(None) and Known("a") == Known("a")


MORE = [
    np.float64(1.5), np.int64(2), np.bool_(True), np.array(1.5), np.float32(1.5), X[:1], X[::-1], X.astype(">f8"), X[None], X[:, None],
    X.astype("f4"), X.astype(">f4"), np.zeros((1, 3), "f4"), np.zeros(3, "i4"), X > 0.0, "other", np.cos, [1, 2.0], [1.0], (2.0, X[:1]),
    {"b": (1.0, None), "w": X}, {"w": X, "b": (1, None)}, {"w": X}, Layer(1.0, X), Body(1, X), Body(2.0, X), Frozen(2.0, Layer(X, 3.0)),
    Frozen(True, Layer(X, 3)), (1.0, X.astype("f4")), (np.float64(1.0), X),
]  # fmt: skip


def entry_for(spec: Any, native: bool) -> Entry:
    """An entry for one argument, which gives the leaves that it would call compiled code with."""
    parameters = Parameters("f", inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)]), {})
    boundary = Boundary(parameters, (spec,), native)
    case = Case({}, boundary, lambda *leaves: leaves, native, False, 0, None, True, (), tuple, lambda error, _: error)
    return enter([case], Shown({}), lambda *_: MISSING)


@pytest.mark.parametrize("native", [False, True])
def test_the_short_way_takes_only_what_the_long_way_would_and_as_it_would(native):
    parameters = Parameters("f", inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)]), {})
    taken = 0
    for first in (*VALUES, *MORE):
        spec = Reader("f").spec(first, "x")
        entry, boundary = entry_for(spec, native), Boundary(parameters, (spec,), native)
        for second in (*VALUES, *MORE):
            for way in (entry.strictly, entry.loosely):
                try:
                    found = way(second)
                except ArgumentError:
                    assert is_number(spec)
                    continue
                if found is MISSING:
                    assert second is not first or way is entry.strictly or not any(first is value for value in VALUES)
                    continue
                taken += 1
                assert parameters.specs([second]) == ({} if is_number(spec) else {"x": spec}), (first, second)
                for one, other in zip(found, boundary.plain(boundary.given([second])), strict=True):
                    assert np.array_equal(one, other) and np.asarray(one).dtype.isnative
                    assert not isinstance(one, np.ndarray) or not native or (one.flags.c_contiguous and one.flags.aligned)
    assert taken > 2 * len(VALUES)


def test_functions_made_twice_are_one_if_they_hold_the_same():
    def make(k, default=1.0):
        def inner(x, y=default):
            return k * x * y

        return inner

    assert Known(make(2.0)) == Known(make(2.0)) and hash(Known(make(2.0))) == hash(Known(make(2.0)))
    assert Known(make(2.0)) != Known(make(3.0)) and Known(make(2)) != Known(make(2.0)) and Known(make(0.0)) != Known(make(-0.0))
    assert Known(make(2.0, 1.0)) != Known(make(2.0, 2.0))
    assert Known(make(X)) == Known(make(X)) != Known(make(X.copy()))


def test_methods_are_one_if_their_objects_are():
    class Model:
        def scale(self, x):
            return 2.0 * x

    one, other = Model(), Model()
    assert Known(one.scale) == Known(one.scale) != Known(other.scale)
    assert hash(Known(one.scale)) == hash(Known(one.scale))


def test_what_leaves_are_called():
    spec = Reader("f").spec({"w": (X, Layer(1.0, 2)), "body": Body(1.0, X)}, "p")
    assert list(paths(spec, "p")) == [
        "p['w'][0]", "p['w'][1].w", "p['w'][1].b", "p['body'].mass", "p['body'].at", "p['body'].steps",
    ]  # fmt: skip


def test_the_gradient_of_a_spec_has_none_for_what_has_no_gradient():
    spec = Reader("f").spec((1, Layer(X, "a"), 2.0), "p")
    found = gradient_of(spec, 3)
    assert found == Tree(
        "tuple", (), (Known(None), Tree("tuple", ("w", "b"), (Leaf(Type("float", 1), 4), Known(None)), Layer), Leaf(FLOAT, 5))
    )
    assert fill(found, iter([X, 7.0])) == (None, Layer(X, None), 7.0)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("float64", Leaf(FLOAT)),
        (" float32[:, ::1] ", Leaf(Type("float", 2, 32), axes="nn")),
        ("int", Leaf(INT)),
        ("bool[:]", Leaf(Type("bool", 1), axes="n")),
        ("float[1, :]", Leaf(Type("float", 2), axes="1n")),
        (int, Leaf(INT)),
        (None, Known(None)),
        ({"w": "float[:]"}, Tree("dict", ("w",), (Leaf(Type("float", 1), axes="n"),))),
        (("float", ["int"]), Tree("tuple", (), (Leaf(FLOAT), Tree("list", (), (Leaf(INT),))))),
    ],
)
def test_types_are_written_as_numba_writes_them(text, spec):
    assert parse(text, "x") == spec
    if isinstance(spec, Leaf):
        assert parse(word_of(spec), "x") == spec


# ---------------------------------------------------------------------------------------------- calls


def affine(p, x):
    return np.sum(p["w"] * x) + p["b"]


def layered(layer, x):
    w, b = layer
    return np.sum(w * x) * layer.b + b


def moved(body, dt):
    return np.sum(body.at * body.at) * body.mass * dt


def deep(p):
    return np.sum(p.layer.w) * p.mass


def pair(xy, scale):
    x, y = xy
    return x * y * scale


def sums(x, blocks):
    return np.sum(x * x) * np.sum(blocks[0]) + np.sum(blocks[1])


def items(values):
    total = 0.0
    for value in values:
        total += value * value
    return total


def same(found, expected):
    """Equal in structure, classes, dtypes and numbers."""
    assert type(found) is type(expected), (found, expected)
    spec = Reader("same").spec(expected, "expected")
    for mine, theirs in zip(flatten(spec, found), flatten(spec, expected), strict=True):
        assert type(mine) is type(theirs)
        np.testing.assert_allclose(mine, theirs, rtol=1e-15)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("function", "args", "gradient"),
    [
        (affine, ({"w": X, "b": 1.0}, X), ({"w": X, "b": 1.0}, X)),
        (affine, ({"b": 1, "w": X}, 2.0 * X), ({"b": None, "w": 2.0 * X}, X)),
        (layered, (Layer(X, 2.0), X), (Layer(2.0 * X, 15.0), 2.0 * X)),
        (moved, (Body(2.0, X, 3), 0.5), (Body(7.0, 2.0 * X, None), 28.0)),
        (deep, (Frozen(2.0, Layer(X, "unused")),), Frozen(2.0, Layer(np.full(3, 2.0), None))),
        (pair, ((2.0, 3.0), 4.0), ((12.0, 8.0), 6.0)),
        (pair, ([2.0, 3], 4), ([12.0, None], 6.0)),
        (sums, (X, (X, 2.0 * X)), (4.0 * X, (np.full(3, 14.0), np.ones(3)))),
        (items, ([1.0, 2.0, 3.0],), [2.0, 4.0, 6.0]),
        (items, ((1.0, np.float32(2.0)),), (2.0, np.float32(4.0))),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_gradients_have_the_structure_of_their_arguments(target, function, args, gradient):
    staged = stagegrad.compile(function, target=target)
    value, found = staged.value_and_grad(*args)
    same(found, gradient)
    same(staged.grad(*args), gradient)
    assert value == pytest.approx(function(*args)) and staged(*args) == value
    first = gradient[0] if len(args) > 1 else gradient
    same(staged.grad(*args, wrt=0), first)
    same(stagegrad.grad(function)(*args), first)
    same(staged.grad(*args, wrt=[0]), (first,))
    assert staged.check_grads(*args)


def test_leaves_of_containers_are_refused_by_where_they_are():
    f = stagegrad.compile(affine)
    for value, name in ((1j, "p['b']"), (np.float16(1), "p['b']"), ({1: 2}, "p['b']")):
        with pytest.raises(ArgumentError) as caught:
            f({"w": X, "b": value}, X)
        assert f"argument `{name}` of affine()" in str(caught.value)
    with pytest.raises(ArgumentError, match="only plain dicts"):
        f(OrderedDict(w=X, b=1.0), X)


def test_results_are_containers_too(target):
    def f(p, x):
        return {"first": p["w"] * x, "rest": (np.sum(x), [p["b"]])}

    staged = stagegrad.compile(f, target=target)
    found = staged({"w": 2.0, "b": 3.0}, X)
    assert list(found) == ["first", "rest"] and found["rest"] == (2.0, [3.0])
    np.testing.assert_array_equal(found["first"], 2.0 * X)
    with pytest.raises(ArgumentError, match=r"f\(\) returns \{first: float64\[:\], rest: \(float64, \[float64\]\)\}"):
        staged.grad({"w": 2.0, "b": 3.0}, X)


def test_dataclasses_come_back_unchecked():
    @dataclass
    class Positive:
        mass: float

        def __post_init__(self):
            if self.mass <= 0.0:
                raise ValueError("a mass is positive")

    def f(p):
        return -2.0 * p.mass

    gradient = stagegrad.grad(f)(Positive(1.0))
    assert type(gradient) is Positive and gradient.mass == -2.0
