"""The same programs on Python floats: where a proof ends, where a refutation is confirmed, and slopes by extrapolation."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any

from stagegrad.verify.program import Meaning


def namespace(text: str) -> dict[str, Any]:
    """What generated text defines, as it runs on floats."""
    words: dict[str, Any] = {"__name__": "generated"}
    exec(compile(text, "<generated source>", "exec"), words)
    return words


def load(text: str, entry: str) -> Callable[..., Any]:
    """The function `entry` of generated text, as it runs on floats."""
    return namespace(text)[entry]  # type: ignore[no-any-return]  # what the text defines under this name is a function


def quiet() -> AbstractContextManager[object]:
    """NumPy's warnings about nan and inf are of no interest where a program is tried out."""
    numpy = sys.modules.get("numpy")
    return numpy.errstate(all="ignore") if numpy is not None else nullcontext()


def error(function: Callable[..., Any], arguments: Sequence[Any]) -> Exception | None:
    """What a call raises, or None."""
    try:
        with quiet():
            function(*arguments)
    except Exception as raised:  # a program may raise anything; that is the question
        return raised
    return None


def value(function: Callable[..., Any], arguments: Sequence[Any]) -> float:
    """What a call returns, nan where it raises."""
    try:
        with quiet():
            return float(function(*arguments))
    except (ArithmeticError, ValueError, TypeError, AssertionError):
        return math.nan


def slope(function: Callable[..., Any], arguments: Sequence[Any], position: int) -> tuple[float, float]:
    """The derivative with respect to one argument by Ridders' method; returns it and an error estimate, as `ridders` does."""

    def along(step: float) -> float:
        moved = list(arguments)
        moved[position] = arguments[position] + step
        return value(function, moved)

    return ridders(along, 0.02 * max(1.0, abs(arguments[position])))


def ridders(along: Callable[[float], float], step: float) -> tuple[float, float]:
    """The derivative at 0 by Ridders' method: central differences, extrapolated to step 0; returns it and an error estimate.

    Numerical Recipes, section 5.7. (nan, inf) where differences do not settle.
    """
    table: list[list[float]] = []
    best, error_of_best = math.nan, math.inf
    for row in range(10):
        table.append([(along(step) - along(-step)) / (2.0 * step)])
        factor = 1.4**2
        for column in range(1, row + 1):
            table[row].append((table[row][column - 1] * factor - table[row - 1][column - 1]) / (factor - 1.0))
            factor *= 1.4**2
            spread = max(abs(table[row][column] - table[row][column - 1]), abs(table[row][column] - table[row - 1][column - 1]))
            if spread <= error_of_best:
                best, error_of_best = table[row][column], spread
        step /= 1.4
    return best, error_of_best


# ---------------------------------------------------------------------------------------------- helper functions

#: What is smaller may be what is left of larger numbers that cancelled, to the 120 digits that there are.
_CANCELLED = 1e-100
#: An error of a few times what the next float makes of the meaning is seen as one in the ninth digit.
_SLACK = 4e9
HELPER_POINTS = (-30.0, -3.25, -1.0, -0.5, -0.125, 0.125, 0.5, 0.75, 1.0, 1.75, 2.0, 3.5, 6.0, 20.0)


def helper_error(helper: Callable[..., Any], meaning: Meaning) -> tuple[float, tuple[float, ...]]:
    """The largest relative difference between a helper function as it is written and as it is meant, and where it is.

    A helper that is given more than it means (say, a root beside its number) has no free operands to try. Points at which either is not
    finite or stops with an error, and kinks and jumps, are its own conventions and left out. Where the meaning itself changes by more
    than its value from one float to the next, as at a root, the difference is seen in proportion to that.
    """
    arity = len(meaning.operands)
    worst: tuple[float, tuple[float, ...]] = (0.0, ())
    free = set(meaning.operands) <= set(re.findall(r"\w+", meaning.op.exact))
    for index in range(len(HELPER_POINTS) * (1 if arity == 1 else 4) * free):
        point = tuple(HELPER_POINTS[(index * (2 * k + 1) + 3 * k) % len(HELPER_POINTS)] for k in range(arity))
        found, expected = value(helper, point), _exact(meaning, point)
        if math.isfinite(found) and math.isfinite(expected):
            error = abs(found - expected)
            if error > worst[0] * abs(expected):
                scale = max(abs(expected), _SLACK * _spread(meaning, point, expected), _CANCELLED)
                worst = max(worst, (error / scale, point))
    return worst


def _spread(meaning: Meaning, point: tuple[float, ...], expected: float) -> float:
    """How far the meaning moves when each operand moves to the next float."""
    spread = 0.0
    for k, number in enumerate(point):
        moved = _exact(meaning, (*point[:k], math.nextafter(number, math.inf), *point[k + 1 :]))
        spread += abs(moved - expected) if math.isfinite(moved) else 0.0
    return spread


def _exact(meaning: Meaning, point: tuple[float, ...]) -> float:
    world = meaning.machine.world
    run = world.start()
    try:
        operands = [world.parameter(name, Fraction(number)) for name, number in zip(meaning.operands, point, strict=True)]
        exact = float(world.lift(meaning(*operands)).value)
        return math.nan if run.kinked else exact
    except (ArithmeticError, ValueError, TypeError):
        return math.nan
