"""Lists and dicts that change by their methods, `sorted`, `min` and `max` with a key, and `itertools`, as their users write them."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.user_programs import Programs, compare, compare_second

PROGRAMS = Programs()
X = np.array([0.7, -1.3, 2.1, 0.4, -0.6])
Y = np.array([0.8, 1.3, 0.2])

# ---------------------------------------------------------------------------------------------- lists


@PROGRAMS.called_with(1.2)
def taken_out_in_order(x):
    a = [x, 2 * x, 3 * x * x]
    first = a[0] * a.pop() + a[-1]
    a.insert(0, first)
    a.insert(-1, x)
    b = a.pop() * a.pop() - len(a) * x
    a += [a.pop() * x, b]
    c = a.pop() if x > 1 else a.pop() * 2
    del a[0]
    return b + c * a[-1] + len(a)


@PROGRAMS.called_with(1.2, 5)
def stack(x, n: int):
    todo = [x]
    for i in range(n):
        top = todo.pop()
        todo.append(top * 0.5 + i)
        todo.append(top * x)
        if i % 3 == 2:
            todo.pop()
    total = 0.0
    while todo:
        total = total * 0.3 + todo.pop()
    return total


@PROGRAMS.called_with(1.2)
def while_there_are_some(x):
    a = [x, x * x, 3.0 * x]
    total = 0.0
    while len(a) > 1:
        total += a.pop() * len(a)
    return total + a[0]


@PROGRAMS.called_with(X, 4)
def longer_by_several(x, n: int):
    a, b, c = [], [1.0], []
    for i in range(n):
        a.extend([x[i] * j for j in range(i)])
        b.extend([b[-1] * x[0], b[0]])
        c += [x[i], x[i] ** 2]
        for j in range(i):
            c.append(x[i] * j)
    b.extend(x)
    b.extend(t * x[1] for t in (1.0, 2.0))
    c.extend(range(3))
    return sum(a) * len(a) + sum(b) * b[-1] + sum(c) * c[0] + len(b) + len(c)


@PROGRAMS.called_with(X, 12)
def emptied_and_turned(x, n: int):
    a = []
    for i in range(n):
        a.append(x[i % 5] * i)
        if len(a) > 3:
            a.clear()
        if i == 9:
            break
    b = [t * t for t in x]
    b.reverse()
    b.sort()
    c = b.copy()
    c.reverse()
    return sum(a) + len(a) * x[0] + b[0] + 2 * b[1] + 3 * c[0] * c[1]


@PROGRAMS.called_with(1.2)
def searched(x):
    a = [1.0, x, 3.0, 1.0]
    for scale in (1.0, 2.0):
        a.insert(0, scale * x)
    return x * a.index(3.0) + a.count(1.0) * x**2 + a[0]


@PROGRAMS.called_with(0.4, 0.5)
def the_same_item_twice(x, y):
    total = 0.0
    for a in [x * y] * 2:
        total = total * a + a
    b, c = [x + y] * 2
    for d, e in itertools.combinations((x - y, x * x * y, y), 2):
        total += d * e * e
    return total + b * c + b


# ---------------------------------------------------------------------------------------------- dicts


@PROGRAMS.called_with(1.2, 4)
def tables(x, n: int):
    d = {1: x, 2: x * x, (0, 1): 3.0 * x}
    total = d[1] if 2 in d and 3 not in d else d[2]
    for key in {7: x, 8: 2.0}:
        total += key * x
    d.update({2: d[2] * x, 5: x})
    moved = d.pop(5) + d.pop(9, 0.5) + d.setdefault(6, x**3) + d.setdefault(6, 0.0)
    state = {"a": x, "n": 0.0}
    for i in range(n):
        state.update(a=state["a"] * 0.5 + i, n=state["n"] + 1)
    both = {"u": x, "v": 1.0} | {"v": x * x}
    del both["u"]
    return total + moved + len(d) * d[0, 1] + state["a"] * state["n"] + both["v"] * len(both)


# ---------------------------------------------------------------------------------------------- order


@PROGRAMS.called_with(X)
def in_order(x):
    total = 0.0
    for k, t in enumerate(sorted(x, reverse=True)):
        total += t * k
    order = sorted(range(len(x)), key=lambda i: x[i])
    rows = sorted([(x[i], x[i] ** 2) for i in range(len(x))], key=lambda p: p[1])
    best = max(range(len(x)), key=lambda k: x[k])
    low, middle, high = sorted([x[0], x[1], x[0] * x[1]])
    return total + x[order[0]] * 2 + x[order[-1]] * 3 + rows[0][0] * 5 + rows[-1][0] + x[best] ** 2 + low * 7 + middle * high


@PROGRAMS.called_with(1.2, 0.4)
def by_a_key(x, y):
    points = sorted([(x, y), (y, x * y), (x * y, 1.0)], key=lambda p: p[0])
    p = min([(x, y), (y, x), (3.0, 1.0)], key=lambda q: q[0] * q[1] + q[0])
    total = 0.0
    for name, value in sorted({"b": x, "a": x * x}.items()):
        total = total * 0.5 + value * len(sorted(["z", name]))
    largest = max((t for t in np.array([x, y]) if t > 5.0), default=y)
    nearest = sorted([x, y, 1.0], key=lambda t: abs(t - y))
    return points[0][1] + 2 * points[1][1] + 3 * points[2][0] + p[0] * 2 + p[1] + total + largest + nearest[1] * nearest[2]


# ---------------------------------------------------------------------------------------------- itertools


@PROGRAMS.called_with(X, Y)
def side_by_side_and_behind(x, y):
    total = 0.0
    for t in itertools.chain(x, y, [5.0]):
        if t > 1.9:
            break
        total = total * 0.5 + t * t
    total += sum(a * b for a, b in itertools.zip_longest(x, y, fillvalue=2.0))
    total += sum(a * a for a in itertools.islice(x, 1, None, 2)) + sum(itertools.islice(x, 10))
    total += sum(a * b * b for a, b in itertools.pairwise(x)) + sum(a * b for a, b in itertools.pairwise(x[:1]))
    for i, t in zip(itertools.count(1), x):
        total += t**2 * i
    for t, w in zip((x[0], x[1]), itertools.cycle((1.0, -1.0, 3.0))):
        total += t * w
    return total + sum(t * x[0] for t in itertools.repeat(2.0, 3))


@PROGRAMS.called_with(X, Y)
def combined(x, y):
    total = sum(a * b * b for a, b in itertools.product(x, y))
    for i, j, k in itertools.product(range(len(y)), range(2), (1.0, 2.0)):
        total += x[0] ** i * j * k
        if total > 100:
            break
    total += sum(a * b for a, b in itertools.combinations([y[0], y[1], x[0]], 2))
    total += sum(a * b**2 for a, b in itertools.permutations((y[0], x[1]), 2))
    return total + sum(itertools.starmap(lambda a, b: a * b, itertools.pairwise(x)))


@PROGRAMS.called_with(X)
def accumulated(x):
    a, b, c = itertools.accumulate([x[0], x[1], x[2]])
    total = sum(itertools.accumulate(x, operator.mul)) + a * b * c
    return total + sum(itertools.accumulate(x, lambda s, t: s * 0.5 + t, initial=1.0))


COMPILED = {"stack"}


@pytest.mark.parametrize(("function", "arguments", "target"), PROGRAMS.runs(COMPILED))
def test_containers(function: Callable[..., Any], arguments: tuple[Any, ...], target: str) -> None:
    compare(function, arguments, target)


@pytest.mark.parametrize(("function", "arguments"), [(stack, (1.2, 5)), (while_there_are_some, (1.2,))])
def test_second_order(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    compare_second(function, arguments, "numpy")


def test_equal_items_keep_their_order() -> None:
    def weighted(x, y, z):
        a, b = sorted([x, y, z]), sorted([x, y, z], reverse=True)
        return a[0] + 2.0 * a[1] + 4.0 * a[2] + 8.0 * b[0] + 16.0 * b[1] + 32.0 * b[2]

    assert stagegrad.compile(weighted, target="python").grad(2.0, 2.0, 1.0) == (2.0 + 8.0, 4.0 + 16.0, 1.0 + 32.0)


def test_what_python_raises() -> None:
    def emptied(x, n: int):
        a = [x]
        for _ in range(n):
            a.pop()
        return x

    def sought(x):
        return [1.0, 2.0].index(x) * x if x < 0 else [x, 1.0].index(5.0) * x

    with pytest.raises(IndexError, match="pop from empty list"):
        stagegrad.compile(emptied, target="python").grad(1.0, 2)
    with pytest.raises(stagegrad.StagegradError, match="index"):
        stagegrad.compile(sought, target="python").grad(1.0)


def test_nan_has_no_order() -> None:
    made = stagegrad.compile(lambda x, y: sorted([x, y, 1.0])[0] * x, target="python")
    with pytest.raises(ValueError, match="nan has no order"):
        made.value_and_grad(1.0, float("nan"))


def through_another_name(x):
    a = [x, x * x]
    b = a
    a.pop()
    return b[-1]


def inside_a_tuple(x):
    a = [x, x * x]
    t = (a, 1.0)
    a.reverse()
    return t[0][-1]


def beside_itself(x):
    a = [x, x * x]
    b = [a, a.pop()]
    return b[0][-1] * b[1]


def as_an_argument(x):
    a = [x, x * x]
    return sum(a) * sum([*a, a.pop()])


def in_a_test(x):
    a, n = [x, x * x, 3.0 * x], 0
    while a.pop() > 2.0:
        n += 1
    return x * n


def in_place_through_another_name(x):
    t = [x]
    u = t
    t += [x * x]
    return t[1] * len(u)


def of_the_caller(x):
    def shorten(items):
        items.pop()
        return items[-1]

    a = [x, x * x, 3.0]
    return shorten(a) * a[-1]


def while_it_is_gone_over(x):
    a, total = [x, 2.0 * x], 0.0
    for t in a:
        total += t
        a.append(t)
        a.pop()
    return total


def a_dict_by_another_name(x):
    d = {"a": x}
    e = d
    d.update(a=2 * x)
    return e["a"]


REFUSED = [
    (through_another_name, "another name"), (inside_a_tuple, "another name"), (beside_itself, "inside a statement"),
    (as_an_argument, "inside a statement"), (in_a_test, "in the test of a loop"), (in_place_through_another_name, "another name"),
    (of_the_caller, "another name"), (while_it_is_gone_over, "another name"), (a_dict_by_another_name, "another name"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "words"), REFUSED, ids=[function.__name__ for function, _ in REFUSED])
def test_what_another_would_see_is_refused(function: Callable[[float], Any], words: str) -> None:
    with pytest.raises(stagegrad.StagegradError, match=words):
        stagegrad.compile(function, target="python").grad(1.2)
