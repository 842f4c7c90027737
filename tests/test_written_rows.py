"""Lists of lists whose numbers are replaced: arrays from the beginning, where every row is a list of its own; else they are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare, compare_second

PROGRAMS = Programs()
X = np.array([0.7, -1.3, 2.1, 0.4])


@PROGRAMS.called_with(X)
@PROGRAMS.called_with(X[:1])
def longest_path(x):
    R = [[0] * 8 for _ in range(8)]
    for i in range(1, 3):
        for j in range(1, len(x) + 1):
            R[i][j] = max(R[i - 1][j], R[i][j - 1]) + x[j - 1] * i
    return R[2][len(x)] * x[0]


@PROGRAMS.called_with(X)
def warped(x):
    n = len(x)
    D = [[math.inf] * (n + 1) for _ in range(n + 1)]
    D[0][0] = 0.0
    i = 1
    while i <= n:
        for j in range(1, n + 1):
            D[i][j] = (x[i - 1] - 2 * x[j - 1]) ** 2 + min(D[i - 1][j], D[i][j - 1], D[i - 1][j - 1])
        i += 1
    return D[-1][-1]


@PROGRAMS.called_with(X)
def eliminated_with_pivots(x):
    n = 3
    A = [[x[(i * j + i + j) % 4] + (5.0 if (i + 1) % n == j else 0.0) for j in range(n)] for i in range(n)]
    M = [row[:] + [x[k]] for k, row in enumerate(A)]  # noqa: RUF005  (as users write it)
    for c in range(n):
        p = max(range(c, n), key=lambda r: abs(M[r][c]))
        M[c], M[p] = M[p], M[c]
        for r in range(c + 1, n):
            f = M[r][c] / M[c][c]
            for k in range(c, n + 1):
                M[r][k] -= f * M[c][k]
    s = [0] * n
    for i in reversed(range(n)):
        s[i] = (M[i][n] - sum(M[i][k] * s[k] for k in range(i + 1, n))) / M[i][i]
    return s[0] * s[1] + s[2] - A[0][1]


@PROGRAMS.called_with(X)
def written_out_rows(x):
    M = [[2, x[0]], [x[1], 3.0]]
    for r in range(2):
        for c in range(2):
            M[r][c] += x[2] * r + c
    M[0], M[1] = M[1], M[0]
    M[0][1] *= x[3]
    return M[0][0] * M[1][1] - M[0][1] * M[1][0]


@PROGRAMS.called_with(X)
def three_indices(x):
    T: list[list[list[float]]] = [[[0.0] * 2 for _ in range(len(x))] for _ in range(2)]
    for i in range(2):
        for j in range(3):
            for k in range(2):
                T[i][j][k] = x[i] * x[j] * (k + 1)
    T[1][-1][0] = T[0][0][1]
    return T[1][2][1] + T[1][3][0] * sum(T[0][1])


def total(R, k: int):
    return sum(R[k]) + R[0][k]


@PROGRAMS.called_with(X)
def seen_by_others(x):
    """A helper, an inner function, an array and a copy see the rows as they are then."""

    def corner():
        return R[1][1]

    R = [[x[0] * i * j for j in range(3)] for i in range(3)]
    R[1][1] += x[1]
    s, before, rows = total(R, 1), np.array(R), [row[:] for row in R]
    R[1][1] *= 2.0
    return s * total(R, 2) * corner() + np.sum(before * before) + rows[1][1] + max(max(row) for row in R)


@PROGRAMS.called_with(X)
def rows_that_are_replaced(x):
    A = [[1.0, x[1]] for _ in range(3)]
    A[-1][-2] = x[0]
    A[1] = [x[2], 3]
    A[1][0] *= 2.0
    A[0] = [v * v for v in A[2]]
    A.append([x[0], x[0]])
    A[3][1] += 1.0
    return A[2][0] * x[1] + A[1][0] * A[3][1] + A[0][0] + len(A)


@PROGRAMS.called_with(X)
def made_in_branches(x):
    R = [[0.0] * 2 for _ in range(2)]
    for t in range(3):
        if x[t] > 0:
            R[t % 2][0] = x[t] * R[0][1]
        else:
            R = [[x[t]] * 2 for _ in range(2)]
            R[0][1] *= 3.0
    return R[0][0] * R[0][1] + R[1][0]


@PROGRAMS.called_with(X)
def flags(x):
    seen, s = [[False] * 3 for _ in range(3)], 0.0
    for i in range(7):
        a, b = (i * i) % 3, i % 3
        if not seen[a][b]:
            seen[a][b] = True
            s += x[i % 4] ** 2 * (a + 1)
    return s


@PROGRAMS.called_with(X)
def ints_stay_ints(x):
    A = [[0] * 3 for _ in range(3)]
    A[1][2] = 7
    return x[A[1][2] % 4] * x[A[0][0]] + x[0] * A[1][2]


@PROGRAMS.called_with(X, 0)
@PROGRAMS.called_with(X, 2)
def no_rows_at_all(x, n: int):
    R = [[1.0] * (n - 1) for _ in range(n)]
    s = x[0] * x[1]
    for row in R:
        s += sum(row) * x[2]
    if n > 1:
        R[1][0] = s
        s *= R[1][0] + R[0][0]
    return s + len(R)


@PROGRAMS.called_with(X)
def lists_added(x):
    B = [v * 2 for v in x] + [1]
    C = [1, 2] + B + B  # noqa: RUF005  (as users write it)
    D = B + []  # noqa: RUF005
    D[0] = 3.0
    return sum(C) * C[-2] + len(C) + C[0] + D[0] * B[0]


@pytest.mark.parametrize(("function", "arguments"), PROGRAMS, ids=[function.__name__ for function, _ in PROGRAMS])
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    compare(function, arguments, "numpy")


def test_compiled() -> None:
    compare(warped, (X,), "numba")


def test_twice() -> None:
    compare_second(lambda a, x: written_out_rows(a * x), (0.7, X), "numpy")


def test_elements_cost_what_elements_do() -> None:
    """An element that is read and written is one in the gradient, too: no row is made for it."""
    made = stagegrad.compile(warped, target="numpy", cache=False)
    made.value_and_grad(X)
    text = made.source("numpy")
    assert re.search(r"D = np.full\(.*, inf\)", text)
    assert text.count("np.zeros_like(") == 2


# ---------------------------------------------------------------------------------------------- refused


def one_row_twice(x):
    T = [[0.0] * 4] * 3
    T[0][1] = x[0]
    return T[1][1]


def a_row_with_a_name(x):
    row = [1.0, 2.0]
    A = [row, [3.0, 4.0]]
    A[0][0] = x[0]
    return row[0] * x[1]


def one_name_in_two_rows(x):
    row = [0.0] * len(x)
    A = [row for _ in range(2)]
    A[0][0] = x[0]
    return A[1][0]


def two_names(x):
    A = [[1.0, 2.0], [3.0, 4.0]]
    B = A
    A[0][0] = x[0]
    return B[0][0] * x[1]


def a_row_taken_out(x):
    R = [[0.0] * 3 for _ in range(3)]
    row = R[1]
    R[1][0] = x[0]
    return row[0] * x[1]


def written_by_another_name(x):
    R = [[0.0] * 3 for _ in range(3)]
    R[0][0] = 1.0
    for row in R:
        row[0] = x[0]
    return R[1][0] + x[1]


def one_row_in_two_places(x):
    A = [[1.0, x[1]], [3.0, 4.0]]
    A[0] = A[1]
    A[0][0] = x[0]
    return A[1][0]


def rows_of_two_lengths(x):
    A = [[1.0, x[1]], [3.0]]
    A[0][0] = x[0]
    return A[0][0] * x[1] + A[1][0]


@pytest.mark.parametrize(
    ("function", "reason"),
    [(one_row_twice, "one list several times"), (a_row_with_a_name, "not held by another name"), (one_name_in_two_rows, "another name"),
     (two_names, "another name"), (a_row_taken_out, "another name"), (written_by_another_name, "another name|goes over"),
     (one_row_in_two_places, "another name"), (rows_of_two_lengths, "of one length")],
    ids=lambda part: getattr(part, "__name__", ""),
)  # fmt: skip
def test_refused(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(stagegrad.StagegradError, match=reason):
        stagegrad.compile(function, target="numpy").value_and_grad(X)


def outside(x):
    A = [[1.0, x[1]] for _ in range(3)]
    A[5][0] = x[0]
    return A[0][0]


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_what_python_raises(target: Any) -> None:
    with pytest.raises(IndexError):
        stagegrad.compile(outside, target=target).value_and_grad(X)
