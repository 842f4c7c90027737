"""Lists of arrays, of tuples and of lists, as their users fill and read them; and what two names of one list would both see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare, compare_second

PROGRAMS, TWICE = Programs(), Programs()
X = np.array([0.7, -0.4, 1.3, 0.2, 0.9])
A = np.random.default_rng(4).normal(size=(3, 4))
W = np.random.default_rng(5).normal(size=(3, 3))


@TWICE.called_with(0.4, X[:4], W)
@PROGRAMS.called_with(0.4, X, W)
def recurrent_cell(gain, x, w):
    h = np.zeros(len(w))
    states = []
    for t in range(len(x)):
        h = np.tanh(gain * (w @ h) + x[t])
        states.append(h)
    return np.sum(np.stack(states) ** 2) + np.sum(states[-1]) + np.sum(states[1] * states[2]) + len(states)


@PROGRAMS.called_with(0.3, A)
def attention_heads(scale, x):
    heads = []
    for k in range(2):
        q = x[:, 2 * k : 2 * (k + 1)]
        heads.append(np.tanh(scale * (q @ q.T)) @ q)
    return np.sum(np.concatenate(heads, axis=1) ** 3)


@TWICE.called_with(0.3, X[:2], 4)
@PROGRAMS.called_with(0.3, X[:2], 7)
def trajectory(dt, y, n: int):
    times, path = [0.0], [y]
    for _ in range(n):
        y = y + dt * np.array([y[1], -np.sin(y[0])])
        times.append(times[-1] + dt)
        path.append(y)
    path_array = np.array(path)
    return np.sum(path_array[:, 0] * np.array(times)) + path[3][1] + path[-2][0]


@PROGRAMS.called_with(A)
def joined_in_every_way(x):
    parts = [np.exp(0.1 * x * k) for k in range(3)]
    total = np.sum(np.concatenate(parts) ** 2) + np.sum(np.hstack(parts)[:, 1]) + np.sum(np.vstack(parts)[4])
    total += np.sum(np.stack(parts, axis=2)[1, 2]) + np.sum(np.stack(parts, axis=-1)[1, 2] ** 2) + np.sum(np.column_stack(parts)[0])
    return total + np.sum(np.mean(parts, axis=0) ** 2) + np.sum(sum(parts)) + np.sum(np.concatenate(parts, axis=None)[3:7])


@PROGRAMS.called_with(X)
def columns_of_powers(x):
    powers = [x**k for k in range(4)]
    columns = np.column_stack(powers) * np.vstack(powers).T * np.array(powers).T
    return np.sum(columns * np.stack(powers, axis=1)) + np.sum(np.transpose(powers)[:, 1])


@PROGRAMS.called_with(X)
def left_early(x):
    path = []
    for _ in range(50):
        x = 1.3 * x + 0.1
        if np.sum(np.abs(x)) > 20.0:
            break
        path.append(x)
    return np.sum(np.array(path) ** 2) + len(path)


def scan(x, n):
    states = []
    for _ in range(n):
        x = np.sin(x) + 0.1
        states.append(x)
    return states


@PROGRAMS.called_with(X)
def from_a_helper(x):
    states = scan(x, 3)
    states.append(x)
    return np.sum(np.array(states)[1] * states[2]) + np.sum(states[3])


class State(NamedTuple):
    energy: float
    v: np.ndarray


@PROGRAMS.called_with(X)
def records(x):
    state, states = State(1.0, x), []
    for _ in range(4):
        state = State(state.energy + np.sum(state.v), 0.9 * state.v)
        states.append(state)
    return sum(state.energy for state in states) + np.sum(states[2].v)


@PROGRAMS.called_with(X)
def pairs_that_pass_a_test(x):
    pairs = [(i, v) for i, v in enumerate(x) if v > 0]
    return sum(i * v for i, v in pairs) + len(pairs) + sum(np.array([(v, v * v) for v in x])[:, 1])


@PROGRAMS.called_with(0.5, X)
@TWICE.called_with(0.5, X)
def table_of_lists(gain, x):
    n = len(x)
    table = [[0.0] * n for _ in range(n)]
    for i in range(n):
        table[i][0] = x[i]
    for i in range(1, n):
        for j in range(1, n):
            table[i][j] = table[i - 1][j - 1] * x[j] + gain * table[i][j - 1]
            table[i][j] += 0.1
    return table[n - 1][n - 1] + sum(table[2]) + np.sum(np.array(table))


@PROGRAMS.called_with(X)
def rows_one_by_one(x):
    rows = []
    for i in range(5):
        row = []
        for j in range(3):
            row.append(x[i] * x[j])
        rows.append(row)
    return rows[1][2] + sum(rows[4]) + np.sum(np.array(rows) ** 2)


@PROGRAMS.called_with(A)
def nested_comprehension(a):
    n, m = a.shape
    return np.sum(np.sin(np.array([[a[i, j] ** 2 for j in range(m)] for i in range(n)])))


@PROGRAMS.called_with(A)
def lists_in_loops(a):
    totals = []
    for i in range(3):
        inner = []
        for j in range(4):
            inner.append(a[i] * a[i, j])
        totals.append(np.sum(np.array(inner), axis=0))
    return np.sum(np.stack(totals) ** 2)


@PROGRAMS.called_with(X)
def layers(x):
    weights, biases = [np.outer(x, x) * k for k in range(1, 4)], [x * k for k in range(1, 4)]
    h = x
    for w, b in zip(weights, biases, strict=True):
        h = np.tanh(w @ h + b)
    return np.sum(h)


@PROGRAMS.called_with(X)
def copies_of_an_array_that_is_written_to(x):
    h, states = np.zeros(5), []
    for k in range(3):
        h[k] = x[k] ** 2
        states.append(h.copy())
    states[1] = x**2
    again = np.array(states)
    again[0] = x
    return np.sum(np.array(states) ** 2) + np.sum(states[0]) + np.sum(again[0])


@PROGRAMS.called_with(X)
def returned_from_a_loop(x):
    """The loop is lowered again, for what the lists hold, and what it returned was lost there."""
    rows, places = [], []
    for k in range(5):
        rows.append(x * k)
        places.append(k)
        if np.sum(rows[-1]) > 5.0:
            return np.sum(np.stack(rows) ** 2) + places[-1]
    return np.sum(rows[0])


@PROGRAMS.called_with(X)
def ints_returned_from_a_loop(x):
    places = []
    for k in range(5):
        places.append(k)
        if x[k] > 1.0:
            return x[places[-1]] * places[1]
    return 0.0


@PROGRAMS.called_with(X)
def by_two_loops(x):
    """The inner loop made room for what it appends, and none was left for the outer one."""
    items, places = [], []
    for k in range(4):
        items.append(x[k])
        if k == 2:
            for j in range(3):
                items.append(x[j] * 2)
                places.append(j)
        else:
            places.append(k)
        for j in range(k):
            items.append(x[j] ** 2)
            for _ in range(j):
                items.append(x[j])
            items.append(-x[j])
        items.append(3.0)
    return sum(v * i for i, v in enumerate(items)) + len(items) + sum(x[place] for place in places)


@PROGRAMS.called_with(A)
def rows_by_two_loops(a):
    rows = []
    for k in range(3):
        for j in range(k):
            rows.append(a[j] * k)
        rows.append(a[0])
    return np.sum(np.array(rows) ** 2 * np.arange(len(rows))[:, None])


@PROGRAMS.called_with(X)
def longer_by_one(x):
    items, rows = [v * 2 for v in x], [x * v for v in x]
    items.append(1.0)
    rows.append(x)
    return sum(items) * items[-2] + np.sum(sum(rows))


@PROGRAMS.called_with(X)
def lists_of_what_there_is(x):
    items, numbers, fixed = list(x), list(range(len(x))), tuple(x)
    items[0] = items[1] * 2
    return sum(items) + sum(numbers) * x[0] + fixed[0] * fixed[-1]


COMPILED = {"trajectory", "left_early", "from_a_helper"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_program(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    compare(function, arguments, target)


@pytest.mark.parametrize(("function", "arguments"), TWICE, ids=[function.__name__ for function, _ in TWICE])
def test_second_derivative(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    compare_second(function, arguments, "numpy")


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_a_list_that_stays_empty(target: Any) -> None:
    """No trip, and no array to stack, as in NumPy; in 32 bits the list has 32."""

    def stacked(x):
        rows = [v * np.ones(2, dtype=np.float32) for v in x]
        return np.sum(np.stack(rows)) + len(rows)

    made = stagegrad.compile(stacked, target=target, cache=False)
    with pytest.raises(ValueError, match="need at least one array to stack"):
        made.value_and_grad(np.zeros(0, dtype=np.float32))
    value, slope = made.value_and_grad(np.array([1.0, 2.0], dtype=np.float32))
    assert (value, slope.dtype, slope.tolist()) == (8.0, np.float32, [2.0, 2.0])


def test_floats_in_lists_beside_32_bits() -> None:
    """A float of Python leaves them 32, a number of NumPy does not, and the list may hold both: it was taken for NumPy's."""

    def unknown(x):
        thirds = [1 / 3 for _ in x]
        return x[0] * thirds[0]

    def known(x):
        thirds = [1 / 3 for _ in x]
        return x[0] * float(thirds[0])

    x = np.array([0.7, 0.4], dtype=np.float32)
    with pytest.raises(stagegrad.UnsupportedError, match="one of NumPy on some paths only"):
        stagegrad.compile(unknown, target="numpy", cache=False)(x)
    found = stagegrad.compile(known, target="numpy", cache=False)(x)
    assert found == known(x) and np.asarray(found).dtype == np.float32


def test_nan_and_inf_go_through_a_list() -> None:
    def squares(x):
        rows = [(v * v, 1.0) for v in x]
        return sum(a * b for a, b in rows)

    value, slope = stagegrad.compile(squares, target="numpy", cache=False).value_and_grad(np.array([1.0, np.inf, np.nan]))
    assert np.isnan(value) and slope[0] == 2.0 and slope[1] == np.inf and np.isnan(slope[2])


def rows_of_other_lengths(x):
    rows = []
    for k in range(3):
        rows.append(x[k:])
    return np.sum(rows[0])


def shorter_and_shorter(x):
    rows = [x]
    for _ in range(3):
        rows.append(rows[-1][1:])
    return np.sum(rows[0])


def one_element_for_many(x, n: int):
    rows = [x]
    for k in range(n):
        rows.append(x[k : k + 1])
    return np.sum(rows[1])


@pytest.mark.parametrize("function", [rows_of_other_lengths, shorter_and_shorter], ids=lambda function: function.__name__)
def test_rows_are_of_one_length(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="not all of one shape"):
        stagegrad.compile(function, target="numpy", cache=False)(X)


def test_a_row_is_not_repeated() -> None:
    """NumPy would write an element to a whole row."""
    with pytest.raises(ValueError, match="not all of one shape"):
        stagegrad.compile(one_element_for_many, target="numpy", cache=False)(X, 2)


# ---------------------------------------------------------------------------------------------- what another name would see


def one_row_for_all(x):
    row = [0.0] * len(x)
    table = [row for _ in range(3)]
    table[0][1] = x[0]
    return table[2][1]


def the_last_row(x):
    table = []
    for k in range(3):
        row = [0.0] * len(x)
        row[k] = x[k]
        table.append(row)
    row[0] = 3.0
    return table[2][0]


def the_same_row_each_time(x):
    table, row = [], [0.0] * len(x)
    for k in range(3):
        row[k] = x[k]
        table.append(row)
    return sum(table[0])


def a_row_of_the_table(x):
    table = [[0.0] * len(x) for _ in range(3)]
    row = table[1]
    row[0] = x[0]
    return table[1][0]


def an_array_that_is_in_the_list(x):
    h, states = np.zeros(5), []
    for k in range(3):
        h[k] = x[k]
        states.append(h)
    return np.sum(states[0])


def an_array_of_the_list(x):
    states = [x * k for k in range(3)]
    state = states[1]
    state[0] = 5.0
    return np.sum(states[1])


def a_view_that_is_in_the_list(x):
    h, states = np.zeros(5), []
    for _ in range(3):
        states.append(h[1:])
    h[2] = x[0]
    return np.sum(states[0])


OUTSIDE = np.array([1.0, 2.0, 3.0])


def a_constant_in_the_next_trip(x):
    h = np.zeros(3)
    for _ in range(3):
        h[0] += x[0]
        h = OUTSIDE
    return np.sum(h)


def twice(row, n):
    total = 0.0
    for k in range(n):
        total += row[0] * k
        if total > 100.0:
            total = 0.1
    if total > 5.0:
        total = 5.0
    return [row, row], total


def a_list_that_a_call_returns(x):
    row = [x[0], x[1]]
    both, total = twice(row, 20)
    row[0] = 5.0
    return both[0][0] * x[2] + total


SEEN = [one_row_for_all, the_last_row, the_same_row_each_time, a_row_of_the_table, a_list_that_a_call_returns]
SEEN_IN_ARRAYS = [an_array_that_is_in_the_list, an_array_of_the_list, a_view_that_is_in_the_list, a_constant_in_the_next_trip]


@pytest.mark.parametrize("function", SEEN + SEEN_IN_ARRAYS, ids=lambda function: function.__name__)
def test_what_is_seen_elsewhere_is_not_changed(function: Callable[..., Any]) -> None:
    message = "has another name as well, or is not this function's own" if function in SEEN else "this writes to an array"
    with pytest.raises(stagegrad.UnsupportedError, match=message):
        stagegrad.compile(function, target="numpy", cache=False)(X)


def test_a_helper_that_writes_is_given_a_list() -> None:
    """It was asked for the memory of the list's own array, which nobody can write to."""

    def put(a, items):
        for i in range(3):
            if items[i] > 0:
                a[i] = items[i]
        return 2 * a[0]

    def filled(x, n: int):
        items, a = [x[i] ** 2 for i in range(n)], np.zeros(3)
        return put(a, items) + np.sum(a) + items[1]

    compare(filled, (X, 3), "numpy")


# ---------------------------------------------------------------------------------------------- lists of the trip before


def in_a_list_and_changed_in_the_next_trip(x):
    before, kept = [x[0], x[1]], []
    for k in range(4):
        before[0] = before[0] * x[k]
        now = [x[k] * 2, x[k]]
        kept.append(now)
        before = now
    return kept[0][0] + before[0]


def two_names_from_the_trip_before(x):
    kept, values = [0.0] * len(x), [v * 1.0 for v in x]
    for _ in range(3):
        kept[0] += values[0]
        new = [2 * v for v in values]
        values = kept
        kept = new
        values = kept
    return sum(kept) * values[0]


LATER = [in_a_list_and_changed_in_the_next_trip, two_names_from_the_trip_before]


@pytest.mark.parametrize("function", LATER, ids=lambda function: function.__name__)
def test_what_another_name_sees_in_the_next_trip_is_not_changed(function: Callable[..., Any]) -> None:
    with pytest.raises(stagegrad.UnsupportedError, match="has another name as well, or is not this function's own"):
        stagegrad.compile(function, target="numpy", cache=False)(X)
