"""Loops that run while their tapes have room, in a loop that makes some: the same trips, the same values, the same gradients."""

from __future__ import annotations

import math

import pytest

import stagegrad
from stagegrad import pipeline
from stagegrad.ir import Module, Stage, While, check, walk
from stagegrad.passes.growing import room_before_trips
from tests.interpret import Interpreter


def adaptive(y: float, k: float, end: float):
    t, h = 0.0, 0.01
    while t < end:
        slope = -k * y + math.sin(t)
        error = abs(h * h * slope)
        if error < 1e-4:
            y = y + h * slope
            t = t + h
        h = h * (1.3 if error < 5e-5 else 0.6)
    return y


def newton(x: float, a: float, most: float):
    count = 0
    while True:
        step = (x * x - a) / (2.0 * x)
        x = x - step
        count += 1
        if abs(step) < 1e-12 or count > most:
            break
    return x


def skipping(x: float, w: float, end: float):
    total = 0.0
    while x < end and total < 50.0:
        x = x + 0.1 + 0.01 * math.sin(w * x)
        if x > 1.0 and total > 2.0:
            if total > 40.0:
                break
            continue
        total = total + math.exp(-w * x)
        x = x * 1.01
    return total * x


def in_a_loop(x: float, w: float, end: float):
    total = 0.0
    for k in range(3):
        y = x + k
        while y < end:
            y = y + 0.07 * math.cos(w * y) ** 2 + 0.03
            total += y * w
        x = x * y * 0.2
    return total * x


FUNCTIONS = [adaptive, newton, skipping, in_a_loop]


def gradient_of(function) -> Module:
    program = stagegrad.compile(function).program
    return pipeline.differentiate(pipeline.stage(program.module, "user"), (0, 1), several=True)


def loops_of(module: Module) -> list[While]:
    return [stmt for stmt in walk(module.main.body) if isinstance(stmt, While)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_answers_are_the_same_to_the_last_bit(function):
    module = gradient_of(function)
    changed = check(room_before_trips(module))
    assert changed != module
    assert room_before_trips(changed) == changed
    for point in [(0.7, 1.9), (1.3, 0.4)]:
        for end in (-1.0, 0.0, 0.9, 1.2, 3.0, 9.0):  # no trip, one, fewer than the tapes have room for, as many, more
            assert Interpreter(changed)(*point, end) == Interpreter(module)(*point, end)


@pytest.mark.parametrize("trips", [0, 1, 15, 16, 17, 31, 32, 33, 100])
def test_tapes_that_are_just_full(trips):
    def counted(x: float, n: float):
        k = 0
        while k < n:
            x = x * (1.0 - 0.01 * x * x)
            k += 1
        return x

    module = pipeline.differentiate(pipeline.stage(stagegrad.compile(counted).program.module, "user"), (0,), several=False)
    assert Interpreter(room_before_trips(module))(0.8, trips) == Interpreter(module)(0.8, trips)


def test_no_trip_makes_room():
    for function in (adaptive, newton, skipping):
        for loop in loops_of(room_before_trips(gradient_of(function))):
            ops = [stmt.op for stmt in loop.body.stmts if isinstance(stmt, Stage)]
            assert "grow" not in ops or any(isinstance(stmt, While) for stmt in loop.body.stmts)


def test_compiled():
    pytest.importorskip("numba")
    compiled, plain = (stagegrad.compile(skipping, target=target) for target in ("numba", "python"))
    for end in (0.0, 0.9, 3.0, 9.0):
        value, gradient = compiled.value_and_grad(0.7, 1.9, end)
        same, expected = plain.value_and_grad(0.7, 1.9, end)
        assert value == pytest.approx(same, rel=1e-14)
        assert gradient == pytest.approx(expected, rel=1e-12)
