"""What a call costs: counts that can be made by hand, the same on every target."""

from __future__ import annotations

import importlib.util
import json
import math

import numpy as np
import pytest

import stagegrad
from stagegrad.calls.cost import Cost


def decay(x: float, r: float, n: int):
    for _ in range(n):
        x = math.exp(-r * x) * x
    return x


def weighted(x, w):
    return np.sum(np.tanh(x) * w)


def product(a, b):
    return np.sum(a @ b)


def until(x: float):
    while x < 100.0:
        x = 1.5 * x + math.tanh(x)
    return x


TARGETS = ["python", "numba"] if importlib.util.find_spec("numba") else ["python"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_loop_is_counted_trip_by_trip(target):
    cost = stagegrad.compile(decay, target=target).cost(0.5, 0.3, 7)
    assert cost.trips == 14  # there and back
    assert cost.operations["exp"] == 7  # not computed again
    assert cost.recorded == 14 and cost.tape_bytes == 14 * 8  # what each trip began with, and its exponential
    assert cost.workspace_bytes == 0
    assert cost.flops == sum(cost.operations.values())


@pytest.mark.parametrize("target", TARGETS)
def test_twice_the_trips_cost_twice_as_much(target):
    f = stagegrad.compile(decay, target=target)
    once, twice = f.cost(0.5, 0.3, 50), f.cost(0.5, 0.3, 100)
    assert {kind: 2 * number for kind, number in once.operations.items()} == twice.operations
    assert (2 * once.trips, 2 * once.recorded, 2 * once.tape_bytes) == (twice.trips, twice.recorded, twice.tape_bytes)


def test_long_runs_are_counted_by_machine_code_and_alike():
    pytest.importorskip("numba")
    f = stagegrad.compile(decay, target="numba")
    short, long = f.cost(0.5, 0.3, 100), f.cost(0.5, 0.3, 40_000)
    assert {kind: 400 * number for kind, number in short.operations.items()} == long.operations
    assert long.tape_bytes == 400 * short.tape_bytes


@pytest.mark.parametrize("target", TARGETS)
def test_operations_on_arrays_count_by_element(target):
    x = np.linspace(0.0, 1.0, 30).reshape(5, 6)
    cost = stagegrad.compile(weighted, target=target).cost(x, x)
    assert cost.operations["tanh"] == 30
    assert cost.workspace_bytes >= 2 * 30 * 8  # the two gradients at least
    assert cost.tape_bytes == 0


@pytest.mark.parametrize("target", TARGETS)
def test_products_of_matrices_count_their_multiplications(target):
    cost = stagegrad.compile(product, target=target).cost(np.ones((3, 4)), np.ones((4, 5)))
    assert cost.operations["mul"] >= 3 * 4 * 5 + 3 * 5 * 4 + 4 * 3 * 5  # forward, and one product for each gradient


@pytest.mark.parametrize("target", TARGETS)
def test_a_tape_that_grew_counts_at_its_longest(target):
    cost = stagegrad.compile(until, target=target).cost(1.01)
    trips = cost.trips // 2
    assert cost.recorded == cost.operations["tanh"] == trips
    assert cost.tape_bytes == 16 * 8 >= 8 * trips


def test_a_gradient_as_a_function_costs_less_than_both():
    both = stagegrad.compile(decay, target="python").cost(0.5, 0.3, 7)
    alone = stagegrad.grad(stagegrad.compile(decay, target="python")).cost(0.5, 0.3, 7)
    assert 0 < alone.flops <= both.flops


def test_it_can_be_read_and_written_as_json():
    cost = stagegrad.compile(decay, target="python").cost(0.5, 0.3, 1000)
    text = repr(cost)
    assert "2,000 trips" in text and "1,000 exp" in text and "16 KB" in text
    assert Cost(**{k: v for k, v in json.loads(json.dumps(cost.as_dict())).items() if k != "flops"}) == cost


def test_counting_changes_no_argument():
    def halved(x):
        for i in range(1, len(x)):
            x[i] = 0.5 * x[i] + x[i - 1]
        return np.sum(x)

    x = np.arange(5.0)
    stagegrad.compile(halved).cost(x)
    assert np.array_equal(x, np.arange(5.0))


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_function_raises_is_raised(target):
    def root(x: float):
        if x < 0.0:
            raise ValueError(f"{x} has no root")
        return math.sqrt(x)

    with pytest.raises(ValueError, match=r"-1\.0 has no root"):
        stagegrad.compile(root, target=target).cost(-1.0)


def test_wrong_arguments_are_refused_as_in_a_call():
    with pytest.raises(stagegrad.ArgumentError, match="argument `x`"):
        stagegrad.compile(decay).cost("a", 0.3, 7)


def _either(x, i: int):
    while x > 10.0:
        x = 0.5 * x
    return x * i if x > 1.0 else x


def test_calls_inside_of_loops_and_branches_are_counted_once() -> None:
    def calling(x: float, n: int) -> float:
        for i in range(n):
            if x > 2.0:
                step = _either(x, i)
                x = x + step
            else:
                x = x * _either(x, n)
        return x

    cost = stagegrad.compile(calling, target="python").cost(1.5, 3)
    assert cost.trips >= 6
