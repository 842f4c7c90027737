"""Functions that return functions, and functions inside others that change variables of these (`nonlocal`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare

PROGRAMS = Programs()
X = np.array([0.7, -1.3, 2.1])


def scaled_square(a):
    def inner(t):
        return a * t * t

    return inner


def compose(outer, inner):
    return lambda t: outer(inner(t))


def difference(f, h):
    return lambda t: (f(t + h) - f(t - h)) / (2 * h)


def layer(w):
    return lambda h: np.tanh(w * h)


def counter(start):
    total = start

    def add(t):
        nonlocal total
        total += t
        return total

    return add


def with_a_number(a):
    b = a * a

    def times(t):
        return b * t

    return times, b


@PROGRAMS.called_with(1.2)
def made_and_called(x):
    g, b = with_a_number(x)
    slope, total = difference(lambda t: t**3, 0.1), 0.0
    for i in range(3):
        total += slope(x * i) * (lambda a: lambda t: a * t)(x * i)(x)
    return scaled_square(x)(x + 1) * scaled_square(2.0)(x) + compose(math.sin, compose(math.exp, lambda u: u * u))(x) + g(2.0) * b + total


@PROGRAMS.called_with(X)
def layers(x):
    first, second = layer(x), layer(2.0 * x)
    return np.sum(second(first(x)))


@PROGRAMS.called_with(1.2, 5)
def in_loops(x, n: int):
    total, count, state = 0.0, 0, x

    def add(t):
        nonlocal total, count
        total = total * 0.5 + t
        count += 1

    def shrink():
        nonlocal state
        state = state * 0.7

    for i in range(n):
        add(x * i)
        if total > 2:
            add(x)
        if count > 7:
            break
    while state > 0.2:
        shrink()
    for k in (1.0, 2.0):
        add(k * state)
    return total * count * state


@PROGRAMS.called_with(1.2, 4)
def counters(x, n: int):
    g, h, total = counter(x), counter(2.0), 0.0
    for i in range(n):
        total += g(x * i)
    h(x)
    return total * h(1.0) + g(x)


@PROGRAMS.called_with(1.2, 3)
def deeper(x, n: int):
    s = x

    def repeat():
        def step():
            nonlocal s
            s = s * x

        for _ in range(n):
            step()

    def own(k):
        s = 2.0 * k

        def double():
            nonlocal s
            s = s * x

        double()
        return s

    def twice():
        nonlocal s
        s = s * 2
        return s

    repeat()
    y = twice() if x > 1 else 3.0
    return s * twice() + s + own(x) * y


@PROGRAMS.called_with(X)
def in_comprehensions(x):
    s, items = 0.0, [x[0]]

    def take(t):
        nonlocal s, items
        s = s + t
        items += [t * s]
        return s

    a = [take(t) for t in (x[0], x[1], x[2])]
    return sum(a) * s + sum(items) * len(items)


COMPILED = {"in_loops"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_closures(function: Callable[..., Any], arguments: tuple[Any, ...], target: str) -> None:
    compare(function, arguments, target)


def in_a_test(x):
    s, n = x, 0

    def step():
        nonlocal s
        s = s * 0.7
        return s

    while step() > 0.2:
        n += 1
    return s * n


def given_away(x):
    s = 0.0

    def add(t):
        nonlocal s
        s += t

    def call(g, t):
        g(t)
        return t

    return call(add, x) + s


def called_by_another(x):
    s = x

    def grow():
        nonlocal s
        s = s * x

    def twice():
        grow()
        grow()

    twice()
    return s


def returned_by_branches(x):
    def make(a):
        if a > 1:
            return lambda t: t * a
        return lambda t: t

    return make(x)(x)


REFUSED = [
    (in_a_test, "the test of this loop changes `s`"), (given_away, "given to another"), (called_by_another, "called by it"),
    (returned_by_branches, "more than one `return`"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "words"), REFUSED, ids=[function.__name__ for function, _ in REFUSED])
def test_what_cannot_be_written_out_is_refused(function: Callable[[float], Any], words: str) -> None:
    with pytest.raises(stagegrad.StagegradError, match=words):
        stagegrad.compile(function, target="python").grad(1.2)
