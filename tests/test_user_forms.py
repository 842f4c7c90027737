"""What users write beside arithmetic: constants from outside, imports, `match`, generators, dicts, functions of functions, `out=`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare, compare_second

PROGRAMS = Programs()
X = np.array([0.7, -0.4, 1.3, 0.2, 0.9])
A = np.random.default_rng(4).normal(size=(3, 3))

NODES = [0.1, 0.5, 0.9]
TABLEAU = [[], [0.2], [0.3, 0.4]]
RULES = [(0.1, 1.0), (0.5, 2.0)]
SETTINGS = {"rate": 1.5, "steps": 3, "slope": math.sin}


@dataclass
class Model:
    mass: float
    springs: list[float]

    def force(self, x):
        return -self.mass * x + sum(self.springs)


class Plain:
    scale = 2.0

    def __init__(self, weights):
        self.weights = weights

    def value(self, x):
        return np.sum(self.weights * x) * self.scale


MODEL, PLAIN = Model(2.0, [0.5, 0.25]), Plain(np.array([1.0, 2.0]))


@PROGRAMS.called_with(0.3)
def constants_from_outside(x):
    total = MODEL.force(x) + PLAIN.value(x) + len(NODES)
    for k in range(SETTINGS["steps"]):
        total += NODES[k] * SETTINGS["slope"](x) ** k
        for j in range(k):
            total += TABLEAU[k][j] * x ** (k + j)
    for node, weight in RULES:
        total += weight * math.sin(node * x)
    return total * SETTINGS["rate"]


@PROGRAMS.called_with(0.3)
def imports_inside(x):
    import math as m
    from math import cos

    import numpy.linalg

    with np.errstate(divide="ignore", invalid="ignore"):
        return m.sin(x) * cos(x) + numpy.linalg.norm(np.array([x, 1.0]))


@PROGRAMS.called_with(0.3, 2)
def by_match(x, n: int):
    match n:
        case 0:
            y = x
        case 1 | 2 if x > 0.0:
            y = x * x
        case other:
            y = x * other
    match "cubic":
        case "square":
            return y
        case "cubic":
            return y**3
    return 0.0


@PROGRAMS.called_with(X)
def generators(x):
    total = sum(v * w for v in x for w in x if w > v) + max(v * v for v in x) + min(v for v in x)
    if any(v < 0 for v in x) and all(v < 5 for v in x) and not any(x > 9):
        total *= 2.0
    return total + math.prod(1.0 + v for v in x) + sum(tuple(v * k for k, v in enumerate(x)))


@PROGRAMS.called_with({"a": 0.3, "b": 0.4}, X[:2])
def dicts(p, x):
    squares = {name: value**2 for name, value in p.items()}
    both = {**squares, "c": p["a"]}
    named_ones = dict(zip(("u", "v"), (x[0], x[1]), strict=True))
    more = dict(both, d=named_ones.get("v", 0.0))
    extra = more.copy()
    extra["a"] = 5.0
    return more["a"] * more.get("b", 1.0) + more.get("z", 2.0) * more["d"] + ("c" in more) * extra["a"] * more["c"]


def weighted(*values, scale=2.0, **others):
    return sum(value * scale for value in values) * others["power"]


@PROGRAMS.called_with(0.3)
def keywords(x):
    options = {"power": x, "scale": 3.0}
    return weighted(x, x * x, **options)


@PROGRAMS.called_with(X)
def functions_of_functions(x):
    def power(v, n, shift=0.0):
        return v**n + shift

    square = functools.partial(lambda n, v: power(v, n, shift=0.5), 2)
    total = functools.reduce(lambda a, b: a * b + 1.0, x, 1.0) + functools.reduce(lambda a, b: a - b, [x[0], x[1], 2.0])
    a, b = map(math.sin, (x[0], x[1]))
    return total + a * b + sum(map(square, x)) + sum(filter(lambda v: v > 0, x))


@PROGRAMS.called_with(X)
def types_asked_for(x):
    if isinstance(x, np.ndarray) and not isinstance(x, (list, tuple)):
        return np.sum(x) if isinstance(x[0], float) else 0.0
    return x


@PROGRAMS.called_with(0.5, X, A)
def results_in_arrays(scale, x, a):
    b, c = np.empty_like(x), np.zeros(3)
    np.multiply(x, scale, out=b)
    np.exp(b, b)
    np.dot(a, x[:3], out=c)
    np.add.at(c, np.array([0, 1, 1, 2, 0]), x)
    np.subtract.at(c, [0, 0], scale)
    m = a.copy()
    np.fill_diagonal(m, c)
    np.fill_diagonal(m[:2, :2], scale)
    return np.sum(b) + np.sum(c**3) + np.sum(m**2) + np.add.reduce(b) * np.maximum.reduce(c)


COMPILED = {"by_match"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)


def test_second_derivative() -> None:
    compare_second(results_in_arrays, (0.5, X, A), "numpy")


def test_constants_are_those_of_the_call() -> None:
    """A list, a dict or an object that has changed since is read again."""
    weights, settings = [1.0, [2.0]], {"k": 3.0}
    thing = Plain(np.array([1.0]))

    def f(x):
        return x * weights[0] * weights[1][0] * settings["k"] * np.sum(thing.weights)

    made = stagegrad.compile(f, target="numpy", cache=False)
    assert made.value_and_grad(2.0) == (12.0, 6.0)
    weights[1][0] = 4.0
    assert made.value_and_grad(2.0) == (24.0, 12.0)
    settings["k"] = -0.0
    assert made.value_and_grad(2.0) == (0.0, 0.0)
    settings["k"], thing.weights[0] = 1.0, 5.0
    assert made.value_and_grad(2.0) == (40.0, 20.0)


@dataclass
class Link:
    value: float
    next: Any = None


LOOP: list[Any] = []
LOOP.append(LOOP)
FIRST = Link(1.0)
FIRST.next = Link(2.0, FIRST)


def of_a_list_in_itself(x):
    return x * len(LOOP)


def of_a_chain_that_ends_nowhere(x):
    return x * FIRST.value


@pytest.mark.parametrize("function", [of_a_list_in_itself, of_a_chain_that_ends_nowhere], ids=lambda function: function.__name__)
def test_what_holds_itself_is_refused(function: Callable[..., Any]) -> None:
    """It was read for ever."""
    with pytest.raises(stagegrad.UnsupportedError, match="holds more than 256 things"):
        stagegrad.compile(function, target="numpy", cache=False)(1.0)


def test_a_method_that_an_object_hides() -> None:
    """The class still has the method, and the object an attribute of its name."""
    thing: Any = Plain(np.array([3.0]))

    def f(x):
        return thing.value(x)

    made = stagegrad.compile(f, target="numpy", cache=False)
    assert made.value_and_grad(2.0) == (12.0, 6.0)
    thing.value = lambda x: x * 7.0
    with pytest.raises(stagegrad.UnsupportedError):
        made(2.0)


def written_to(x):
    NODES[0] = x
    return NODES[0]


def written_to_inside(x):
    TABLEAU[1][0] = x
    return x


def appended_to(x):
    NODES.append(x)
    return x


@pytest.mark.parametrize("function", [written_to, written_to_inside, appended_to], ids=lambda function: function.__name__)
def test_constants_are_not_written_to(function: Callable[..., Any]) -> None:
    with pytest.raises(stagegrad.UnsupportedError):
        stagegrad.compile(function, target="numpy", cache=False)(1.0)


def test_errors_that_raise_are_refused() -> None:
    def f(x):
        with np.errstate(all="raise"):
            return np.log(x)

    with pytest.raises(stagegrad.UnsupportedError, match=r"only np.errstate that ignores errors"):
        stagegrad.compile(f, target="numpy", cache=False)(1.0)


def test_nothing_to_reduce() -> None:
    def f(x):
        return functools.reduce(lambda a, b: a * b, x)

    made = stagegrad.compile(f, target="numpy", cache=False)
    assert made.value_and_grad(np.array([2.0, 3.0]))[1].tolist() == [3.0, 2.0]
    with pytest.raises(TypeError, match="empty iterable"):
        made(np.zeros(0))


def test_what_decides_ends_the_search() -> None:
    """Python does not look at the items behind it."""

    def f(x):
        return 1.0 * any(1.0 / v > 0.0 for v in x) + sum(x)

    assert stagegrad.compile(f, target="numpy", cache=False).value_and_grad(np.array([1.0, 0.0]))[0] == 2.0


def test_a_copy_behind_a_call_does_not_undo_what_it_wrote() -> None:
    """The compiler put in one copy after the other behind the call, and no end."""

    def square(row):
        total = row @ row.T
        return total @ total

    def f(s, x):
        return square(s * x[:1])[0, 0] * np.sum(np.cov(x[0]) * x)

    compare_second(f, (0.7, A), "numpy")
