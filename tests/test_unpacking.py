"""Arrays and lists that are assigned to several names, the rest of them to one with a star."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare

PROGRAMS = Programs()
X = np.array([0.7, -1.3, 2.1, 0.4])


@PROGRAMS.called_with(X)
@PROGRAMS.called_with(X[:2])
def first_and_rest(x):
    first, *rest = x
    return first * sum(rest) + len(rest) + max(rest)


@PROGRAMS.called_with(X)
@PROGRAMS.called_with(X[:1])
def rest_and_last(x):
    *rest, last = x
    s = last * last
    for v in rest:
        s += v * last
    return s


@PROGRAMS.called_with(X)
def the_rest_is_a_copy(x):
    a, *middle, z = x
    x[1] = 5.0
    middle[1] *= x[1]
    return a * z * middle[0] + middle[-1] + np.sum(x)


@PROGRAMS.called_with(X)
def of_a_list(x):
    squares = [v * v for v in x if v > 0]
    a, *more = squares
    b, c, d = squares
    return a * sum(more) + b * c - d


@PROGRAMS.called_with(X)
def two_targets(x):
    a, b, c, d = y = x * 2
    return a * b + np.sum(y * y) + c * d


@PROGRAMS.called_with(X)
def one_inside_the_other(x):
    (a, *_), (b, *more) = (x, x[1:])
    more.append(a)
    c, *few = (x[0], x[1], x[2])
    few.append(3.0)
    return a * b + sum(more) * c * few[-1] * few[0]


@pytest.mark.parametrize(("function", "arguments"), PROGRAMS, ids=[function.__name__ for function, _ in PROGRAMS])
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    compare(function, arguments, "numpy")


def test_too_few() -> None:
    with pytest.raises(ValueError, match=r"not enough values to unpack \(expected at least 1, got 0\)"):
        stagegrad.compile(first_and_rest, target="numpy").value_and_grad(X[:0])
    with pytest.raises(ValueError, match=r"too many values to unpack \(expected 3\)"):
        stagegrad.compile(of_a_list, target="numpy").value_and_grad(np.arange(6.0))


def test_rows_are_refused() -> None:
    def rows(x):
        first, *_ = np.outer(x, x)
        return np.sum(first)

    with pytest.raises(stagegrad.StagegradError, match="rest of an array with several axes"):
        stagegrad.compile(rows, target="numpy").value_and_grad(X)
