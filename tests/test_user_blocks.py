"""Blocks inside `match` and `with`, and what `map` and `filter` give: once, and as their functions are when it is asked for."""

# ruff: noqa: C417

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare

PROGRAMS = Programs()
X = np.array([0.7, -0.4, 1.3, 0.2, 0.9])


@PROGRAMS.called_with(X)
def appended_in_cases(x):
    items = []
    for k in range(5):
        match k:
            case 1:
                items.append(x[k])
            case 2 | 3:
                items.append(x[k] ** 2)
                items.append(1.0)
            case _:
                pass
    return sum(items) * len(items)


@PROGRAMS.called_with(X)
def left_from_cases(x):
    y = 0.0
    for k in range(5):
        match k:
            case 3:
                break
            case 1:
                continue
        y += x[k]
    else:
        y = 100.0
    return y


@PROGRAMS.called_with(X, 2)
def loops_in_cases(x, n: int):
    y = 0.0
    match n:
        case 2 if x[0] > 5:
            for v in x:
                y += v * v
        case 2 if x[0] > 0:
            for k in range(n):
                for v in x:
                    if v < 0:
                        continue
                    y += v**3 + k
        case _:
            for v in x:
                y += v**4
    return y


@PROGRAMS.called_with(X)
def returned_from_cases(x):
    items = []
    for k in range(5):
        match k:
            case 2:
                if x[k] > 1:
                    return sum(items) * x[2]
            case _:
                items.append(x[k] ** 2)
    return 0.0


@PROGRAMS.called_with(X)
def guards_that_follow_one_another(x):
    """Each was written twice into what follows it."""
    y = 0.0
    for k in range(22):
        match k:
            case 1 if x[0] < 0:
                y += x[1]
            case 2 if x[0] > 0:
                y += x[1]
            case 3 if x[0] > 0:
                y += x[1]
            case 4 if x[0] > 0:
                y += x[1]
            case 5 if x[0] > 0:
                y += x[1]
            case 6 if x[0] > 0:
                y += x[1]
            case 7 if x[0] > 0:
                y += x[1]
            case 8 if x[0] > 0:
                y += x[1]
            case 9 if x[0] > 0:
                y += x[1]
            case 10 if x[0] > 0:
                y += x[1]
            case 11 if x[0] > 0:
                y += x[1]
            case 12 if x[0] > 0:
                continue
            case 1 | 13 as m if x[0] > 0:
                y += m * x[1] ** 3
            case m if m > 20:
                y *= 1.5
            case _:
                y += m * x[2]
    return y


@PROGRAMS.called_with(X)
def loops_in_contexts(x):
    s, items = x[0], [x[1]]
    with np.errstate(all="ignore"):
        while s < 5:
            s = s * 1.3 + x[2]
        for v in x:
            with np.errstate(divide="ignore"):
                if v < 0:
                    continue
                items.append(s * v)
    return sum(items) * items[-1]


@PROGRAMS.called_with(X)
def mapped(x):
    s = sum(map(lambda a, b: a * b, x, x[1:])) + max(map(math.sin, x))
    items, fixed = list(map(math.exp, x)), tuple(map(lambda a, k: a**k, x, range(10)))
    if any(map(lambda v: v < 0, x)):
        s *= 2
    for i, v in enumerate(map(math.cos, x)):
        if i == 3:
            break
        s += v * i
    return s * items[1] + fixed[2] * len(fixed) + functools.reduce(lambda a, b: a * b, map(math.exp, x))


@PROGRAMS.called_with(X)
def filtered(x):
    s = sum(filter(lambda v: v > 0, x)) * max(filter(lambda v: v < 1, x))
    for i, v in enumerate(filter(None, x)):
        s += i * v
    return s + functools.reduce(lambda a, b: a + b[0] * b[1], zip(x, x[::-1], strict=True), 1.0)


@PROGRAMS.called_with(X)
def called_when_asked_for(x):
    """The square root of the second number would raise."""
    s = 0.0
    for v in map(math.sqrt, x):
        s += v
        break
    return s


def places(b):
    b[0] += 1.0
    return np.array([0, 1, 1])


@PROGRAMS.called_with(X)
def an_index_with_an_effect(x):
    """It was computed twice."""
    a, b = x * 1.0, np.zeros(3)
    np.add.at(a, places(b), 1.5)
    np.add.at(a, (slice(1, 3),), x[2])
    np.add.at(a, x > 0, x[1])
    return np.sum(a**2) * b[0]


@PROGRAMS.called_with(X)
def correlation_of_two(x):
    return np.corrcoef(x, x**2)[0, 1]


COMPILED = {"appended_in_cases", "loops_in_cases"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)


def used_twice(x):
    found = map(math.sin, x)
    return sum(found) + sum(found)


def filtered_twice(x):
    found = filter(lambda v: v > 0, x)
    return sum(found) + sum(found)


def of_a_name_that_changes(x):
    k, s = 2.0, 0.0
    for v in map(lambda t: t * k, x):
        k += 1.0
        s += v
    return s


def of_an_array_that_changes(x):
    a, s = x * 1.0, 0.0
    for v in filter(lambda t: t > 0, a):
        a[2] = 5.0
        s += v
    return s


@pytest.mark.parametrize(
    "function", [used_twice, filtered_twice, of_a_name_that_changes, of_an_array_that_changes], ids=lambda function: function.__name__
)
def test_iterators_are_used_at_once(function: Callable[..., Any]) -> None:
    with pytest.raises(stagegrad.UnsupportedError, match=r"iterator cannot be kept|this loop changes"):
        stagegrad.compile(function, target="numpy", cache=False)(X)


def test_what_is_put_into_an_array_has_its_shape() -> None:
    """Only ufuncs repeat their result along the axes of `out`."""

    def f(x):
        c = np.zeros(3)
        np.dot(np.ones((1, 5)), x, out=c)
        return np.sum(c)

    with pytest.raises(ValueError, match="wrong dimensions"):
        stagegrad.compile(f, target="numpy", cache=False)(X)
