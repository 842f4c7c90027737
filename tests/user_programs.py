"""Whole programs as their users write them, compared with the untouched function and with differences of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest

import stagegrad
from tests.complex_step import differences, flat, leaves

Program = tuple[Callable[..., Any], tuple[Any, ...]]


class Programs(list[Program]):
    """Functions, each with arguments for it."""

    def called_with(self, *arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Adds a program with its arguments."""

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            self.append((function, arguments))
            return function

        return add

    def runs(self, compiled: Collection[str]) -> list[Any]:
        """Parameters of a test: each program on each target; Numba compiles those that are named, and the text of the others runs."""
        on_numpy = [pytest.param(*program, "numpy", id=f"{program[0].__name__}-numpy") for program in self]
        return on_numpy + [
            pytest.param(*program, "numba", id=f"{name}-numba", marks=() if name in compiled else pytest.mark.uncompiled)
            for name, program in ((program[0].__name__, program) for program in self)
        ]


def compare(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    """The value, by both calls, and the gradient: by differences of the eighth order."""
    wrt = tuple(k for k, argument in enumerate(arguments) if leaves(argument))
    made = stagegrad.compile(function, wrt=wrt, target=target, cache=target == "numba")
    right = function(*copy.deepcopy(arguments))
    value, gradients = made.value_and_grad(*arguments)
    np.testing.assert_allclose([value, made(*copy.deepcopy(arguments))], [right, right], rtol=1e-12)
    fresh = lambda *numbers: function(*copy.deepcopy(numbers))  # noqa: E731  (the function may write to what it is given)
    np.testing.assert_allclose(flat(gradients), differences(fresh, arguments), rtol=1e-7, atol=1e-8)


def compare_second(function: Callable[..., Any], arguments: tuple[Any, ...], target: Any) -> None:
    """The gradient of the derivative by the first argument, a number, by differences of that derivative."""
    first = stagegrad.grad(function, 0)
    wrt = tuple(k for k, argument in enumerate(arguments) if leaves(argument))
    made = stagegrad.compile(first, wrt=wrt, target=target, cache=target == "numba")
    slope, gradients = made.value_and_grad(*arguments)
    plain = stagegrad.compile(function, wrt=0, target="numpy")
    right = lambda *numbers: plain.grad(*copy.deepcopy(numbers))  # noqa: E731
    np.testing.assert_allclose(slope, right(*arguments), rtol=1e-11)
    np.testing.assert_allclose(flat(gradients), differences(right, arguments), rtol=1e-6, atol=1e-7)
