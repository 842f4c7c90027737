"""`check_grads`: the compiled gradient at one point, against the untouched function it came from.

The function is run again on 120-digit numbers and its slopes are measured there; where it cannot be run on those, on floats, by
extrapolated differences. Arrays and containers are another module's. At kinks, and where a slope is not finite, the report names the line.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from stagegrad.verify import native
from stagegrad.verify.clock import Clock, OutOfTime
from stagegrad.verify.differences import check_arrays
from stagegrad.verify.program import TEXT_FILE, Machine
from stagegrad.verify.proof import Oracle, Question, questions_of
from stagegrad.verify.reals import Event, Unsupported, World
from stagegrad.verify.report import Comparison, GradientCheck
from stagegrad.verify.trial import Trial

SECONDS = 30.0
RELATIVE = 1e-9  # a gradient's error that needs no explanation by the function's own sensitivity


def check_grads(staged: Any, *args: Any, **kwargs: Any) -> GradientCheck:
    """Compares value and gradient at a point with the function itself. Raises nothing on a mismatch: see ``report.ok``.

    `staged` is a `Staged`; its compiled code is run, whatever its target. The value has to be within 2 ulp of the user's function (or as
    near to the exact value as that is), each gradient within 1e-9 of the exact slope, or what the function's own sensitivity to rounding
    makes of it. Where arrays or containers go in, each element of a gradient (or a sample of them) is compared with a complex step, or
    with differences, of the function on floats.
    """
    if not staged.build_for(*args, **kwargs).scalar:
        return check_arrays(staged, args, kwargs)
    question, oracles = questions_of(staged)
    bound = staged.program.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    arguments = tuple(bound.arguments[name] for name in staged.program.signature.parameters)
    value, slopes = staged.value_and_grad(*args, **kwargs)  # first: it refuses what is no argument
    floats = [float(a) if kind == "float" else a for a, kind in zip(arguments, question.types, strict=True)]
    found = dict(zip(question.wrt, slopes if isinstance(slopes, tuple) else (slopes,), strict=True))
    for oracle in oracles:
        try:
            return _Exact(question, oracle, floats).check(value, found)
        except (Unsupported, OutOfTime):
            continue
    return _on_floats(question, oracles, floats, value, found)


@dataclass
class _Exact:
    """A check against exact numbers."""

    question: Question
    oracle: Oracle
    floats: Sequence[Any]

    def check(self, value: float, found: Mapping[str, float]) -> GradientCheck:
        world = World(Clock(SECONDS))
        machine = Machine(world)
        gradient = machine.text(self.question.text, self.question.entry)
        self.trial = Trial(machine, self.oracle.build(machine), gradient, self.question.parameters, self.question.types, self.question.wrt)
        point = dict(zip(self.question.parameters, self.floats, strict=True))
        if not all(math.isfinite(number) for number in self.floats):
            raise Unsupported("a point that is not finite")
        values = {name: Fraction(number) if isinstance(number, float) else number for name, number in point.items()}
        self.outcome = self.trial.run(values)
        self.events = list(self.outcome.events)
        gradients = {name: self._slope(name, number) for name, number in found.items()}
        unclear = any(comparison.expected is None or not comparison.ok for comparison in gradients.values())
        notes = tuple(dict.fromkeys(self._place(event) for event in self.events)) if unclear else ()
        return GradientCheck(point, self._value(value), gradients, f"checked against {self.oracle.title}, 120 digits,", notes)

    # ------------------------------------------------------------------------------------------ the value

    def _value(self, found: float) -> Comparison:
        exact = float(self.outcome.primal.value) if self.outcome.primal is not None else math.nan
        own = native.value(self.oracle.native, self.floats) if self.oracle.native is not None else exact
        if found == own or (math.isnan(found) and math.isnan(own)):
            return Comparison(found, own, True, "the function's own value, to the last bit")
        away = abs(found - own) / math.ulp(own) if math.isfinite(own) else math.inf
        # Two libraries' exp may differ by an ulp, and a long computation makes more of it: then the exact value is the judge.
        ok = away <= 2.0 or abs(found - exact) <= 4.0 * (abs(own - exact) + math.ulp(exact))
        return Comparison(found, own, ok, f"{away:.3g} ulp from the function's own {own!r}")

    # ------------------------------------------------------------------------------------------ a slope

    def _slope(self, name: str, found: float) -> Comparison:
        slope = self.trial.slope(self.outcome, name) if self.outcome.error is None else None
        if slope is None:
            return self._at_a_kink(name, found)
        exact = float(slope)
        error = abs(found - exact)
        if not math.isfinite(found):
            return Comparison(found, exact, False, f"the derivative is {exact!r}{self._because()}")
        ok = error <= RELATIVE * abs(exact) + 1e-12 or error <= self._sensitivity(name, exact)
        relative = error / abs(exact) if exact else error
        return Comparison(found, exact, ok, f"relative error {relative:.1e}" if ok else f"the derivative is {exact!r}")

    def _sensitivity(self, name: str, exact: float) -> float:
        """What rounding may do to a slope: a thousand times what the smallest change of the point does to it."""
        worst = 0.0
        for parameter, value in self.outcome.values.items():
            if isinstance(value, Fraction):
                moved = self.trial.run({**self.outcome.values, parameter: value + Fraction(math.ulp(float(value)))})
                slope = self.trial.slope(moved, name) if moved.error is None else None
                worst = max(worst, abs(float(slope) - exact) if slope is not None else 0.0)
        return 1e3 * worst

    def _at_a_kink(self, name: str, found: float) -> Comparison:
        """Where two-sided differences say nothing: the slope has to lie between those of the two sides."""
        sides = [side for side in (self.trial.side(self.outcome, name, 1), self.trial.side(self.outcome, name, -1)) if side is not None]
        if not math.isfinite(found):
            return Comparison(found, None, False, f"no finite slope{self._because()}")
        if len(sides) < 2:
            return Comparison(found, None, True, f"nothing to compare with{self._because()}")
        low, high = float(min(sides)), float(max(sides))
        ok = low - RELATIVE * abs(low) <= found <= high + RELATIVE * abs(high)
        return Comparison(found, None, ok, f"the slopes on the two sides are {low!r} and {high!r}{self._because()}")

    def _because(self) -> str:
        return f": {self._place(self.events[0])}" if self.events else ""

    def _place(self, event: Event) -> str:
        if event.file == TEXT_FILE:
            lines = self.question.text.splitlines()
            return f"{event.what} at stage `{lines[event.line - 1].strip()}`"
        line = linecache.getline(event.file, event.line).strip()
        return f"{event.what} at {event.file}:{event.line}" + (f" `{line}`" if line else "")


def _on_floats(
    question: Question, oracles: Sequence[Oracle], floats: Sequence[Any], value: float, found: Mapping[str, float]
) -> GradientCheck:
    """A check by extrapolated differences of the function on floats."""
    function: Callable[..., Any] | None = next((oracle.native for oracle in oracles if oracle.native is not None), None)
    point = dict(zip(question.parameters, floats, strict=True))
    if function is None:
        nothing = Comparison(value, None, False, "nothing to compare with")
        return GradientCheck(point, nothing, {name: replace(nothing, found=slope) for name, slope in found.items()}, "untested")
    own = native.value(function, floats)
    same = value == own or abs(value - own) <= 2 * math.ulp(own) or (math.isnan(value) and math.isnan(own))
    gradients = {}
    for name, number in found.items():
        slope, error = native.slope(function, floats, question.parameters.index(name))
        if not error <= 1e-6 * max(1.0, abs(slope)):
            gradients[name] = Comparison(number, None, math.isfinite(number), "differences do not settle: nothing to compare with")
            continue
        ok = abs(number - slope) <= 1e-6 * max(1.0, abs(slope)) + 10 * error
        gradients[name] = Comparison(number, slope, ok, f"differences give {slope!r}")
    return GradientCheck(point, Comparison(value, own, same, f"the function's own is {own!r}"), gradients, "tested in floating point")
