"""One program and its gradient, side by side: both are run at the same point, and the primal's slope is measured there."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import sympy

from stagegrad.verify.program import Machine
from stagegrad.verify.reals import Decision, Expr, Mpf, Real, Run, Unsupported, UnsupportedGradient

#: A parameter's value: floats as exact fractions that are floats, so that a point found here can be typed in.
Values: TypeAlias = Mapping[str, Fraction | int | bool]

#: What a program raises because of its arguments, as opposed to because it cannot run on these numbers.
PROGRAM_ERRORS = (ArithmeticError, ValueError, AssertionError, IndexError, KeyError, UnboundLocalError, RuntimeError)


@dataclass
class Outcome:
    """What one run of both programs gave."""

    values: Values
    primal: Real | None = None
    found: Real | None = None  # the value that the gradient program returned
    gradients: tuple[Real, ...] = ()
    error: Exception | None = None  # what the primal raised
    gradient_error: Exception | None = None
    primal_signature: tuple[object, ...] = ()
    signature: tuple[object, ...] = ()
    path: tuple[Decision, ...] = ()
    kinked: bool = False
    frozen: bool = False
    events: list[Any] = field(default_factory=list)


class Trial:
    """Runs a primal and its gradient, both on the machine's exact numbers."""

    def __init__(self, machine: Machine, primal: Callable[..., Any], gradient: Callable[..., Any], parameters: Sequence[str],
                 types: Sequence[str], wrt: Sequence[str]) -> None:  # fmt: skip
        self.machine, self.world = machine, machine.world
        self.primal, self.gradient = primal, gradient
        self.parameters, self.types, self.wrt = tuple(parameters), tuple(types), tuple(wrt)

    def arguments(self, values: Values) -> list[Any]:
        """The parameters' values as the programs take them."""
        return [
            self.world.parameter(name, Fraction(values[name])) if kind == "float" else values[name]
            for name, kind in zip(self.parameters, self.types, strict=True)
        ]

    def run(self, values: Values, *, symbolic: bool = False) -> Outcome:
        """Runs the primal, then its gradient, at a point."""
        run = self.world.start(symbolic=symbolic)
        outcome = Outcome(values)
        try:
            outcome.primal = self.world.lift(self.primal(*self.arguments(values)))
        except PROGRAM_ERRORS as error:
            outcome.error = error
        except Exception as error:  # whatever a program does that cannot run on these numbers
            raise Unsupported(f"{type(error).__name__}: {error}") from error
        outcome.primal_signature = tuple(run.signature)
        outcome.kinked = run.kinked
        try:
            self._gradient(outcome)
        except PROGRAM_ERRORS as error:
            outcome.gradient_error = error
        except Exception as error:  # as above
            raise UnsupportedGradient(f"{type(error).__name__}: {error}") from error
        return self._closed(outcome, run)

    def _gradient(self, outcome: Outcome) -> None:
        answer = self.gradient(*self.arguments(outcome.values))
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise Unsupported("the gradient program does not return (value, gradient)")
        value, slopes = answer
        outcome.found = self.world.lift(value)
        parts = slopes if isinstance(slopes, tuple) else (slopes,)
        if len(parts) != len(self.wrt):
            raise Unsupported(f"the gradient program returns {len(parts)} gradients for {len(self.wrt)} parameters")
        outcome.gradients = tuple(map(self.world.lift, parts))

    def _closed(self, outcome: Outcome, run: Run) -> Outcome:
        self.world.finish()
        outcome.signature, outcome.path = tuple(run.signature), tuple(run.path)
        outcome.frozen, outcome.events = run.frozen, run.events
        return outcome

    # ------------------------------------------------------------------------------------------ the measured slope

    def slope(self, outcome: Outcome, name: str) -> Mpf | None:
        """The primal's derivative at a point by central differences, to some 30 digits or better.

        None where the two steps do not agree with each other, or where the steps take another path than the point.
        """
        mp = self.world.mp
        slopes = [self._difference(outcome, name, Fraction(1, 2**bits)) for bits in (140, 155)]
        if slopes[0] is None or slopes[1] is None or not mp.isfinite(slopes[0]):
            return None
        scale = max(abs(slopes[0]), abs(slopes[1]), mp.mpf(10) ** -30)
        return slopes[1] if abs(slopes[0] - slopes[1]) <= scale * mp.mpf(10) ** -32 else None

    def _difference(self, outcome: Outcome, name: str, step: Fraction) -> Mpf | None:
        ends = []
        for sign in (1, -1):
            value, signature = self._shifted(outcome, name, sign * step)
            if value is None or signature != outcome.primal_signature:
                return None
            ends.append(value)
        return (ends[0] - ends[1]) / self.world.quotient(2 * step)

    def _shifted(self, outcome: Outcome, name: str, step: Fraction) -> tuple[Mpf | None, tuple[object, ...]]:
        run = self.world.start()
        values = {**outcome.values, name: outcome.values[name] + step}
        try:
            value = self.world.lift(self.primal(*self.arguments(values))).value
        except PROGRAM_ERRORS:
            return None, ()
        return value, tuple(run.signature)

    def side(self, outcome: Outcome, name: str, sign: int) -> Mpf | None:
        """The primal's slope on one side of a point, whatever path that takes; None where it has no value."""
        step = sign * Fraction(1, 2**140)
        value, _ = self._shifted(outcome, name, step)
        if value is None or outcome.primal is None:
            return None
        slope = (value - outcome.primal.value) / self.world.quotient(step)
        return slope if self.world.mp.isfinite(slope) else None

    def expressions(self, outcome: Outcome, quantity: str) -> tuple[Expr, Expr]:
        """What the gradient program computes and what it should be, for a symbolic outcome; the quantity "" is the value."""
        assert outcome.primal is not None and outcome.found is not None
        if not quantity:
            return outcome.found.expr, outcome.primal.expr
        return outcome.gradients[self.wrt.index(quantity)].expr, outcome.primal.expr.diff(sympy.Symbol(quantity))


# ---------------------------------------------------------------------------------------------- points


_SPECIAL = [Fraction(n, d) for n, d in ((0, 1), (1, 1), (-1, 1), (2, 1), (1, 2), (-2, 1), (3, 1))]


class Points:
    """Where to try a program: floats of ordinary and special size, small counts, both truth values; always the same ones."""

    def __init__(self, parameters: Sequence[str], types: Sequence[str], seed: int, at: Values | None) -> None:
        self.parameters, self.types = tuple(parameters), tuple(types)
        self.random = random.Random(seed)
        self.at = at
        self.counts = list(self._counts())

    def _counts(self) -> Iterator[dict[str, int | bool]]:
        """Small values for the parameters that are not floats: all combinations, or 16 of them."""
        names = [name for name, kind in zip(self.parameters, self.types, strict=True) if kind != "float"]
        ranges = [(False, True) if kind == "bool" else range(4) for kind in self.types if kind != "float"]
        combinations = list(itertools.product(*ranges))
        if len(combinations) > 16:
            combinations = sorted(self.random.sample(combinations, 16))
        for combination in combinations:
            yield dict(zip(names, combination, strict=True))

    def ordinary(self, count: int) -> Iterator[Values]:
        """Points for one round: the user's own, then `count` random ones for each combination of counts."""
        if self.at is not None:
            yield self.at
        for index in range(count):
            for counts in self.counts:
                yield {**counts, **self._floats(index)}

    def _floats(self, index: int) -> dict[str, Fraction]:
        style = index % 6
        return {name: self._float(style) for name, kind in zip(self.parameters, self.types, strict=True) if kind == "float"}

    def _float(self, style: int) -> Fraction:
        match style:
            case 0:
                return Fraction(self.random.randint(16, 255), 256)
            case 1:
                return Fraction(self.random.randint(-768, 768), 256)
            case 2:
                return Fraction(self.random.randint(128, 2048), 256)
            case 3:
                return self.random.choice(_SPECIAL)
            case 4:
                return Fraction(self.random.randint(1, 4096), 4096) * self.random.choice((1, 1, 8, 64))
            case _:
                return self._float(self.random.randrange(5))


def plain(values: Values) -> dict[str, float | int | bool]:
    """A point as Python numbers."""
    return {name: float(value) if isinstance(value, Fraction) else value for name, value in values.items()}
