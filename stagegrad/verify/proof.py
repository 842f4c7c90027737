"""Proves generated source: runs its text beside an independent primal, on exact numbers and on SymPy expressions.

`prove_source` takes text; `prove` takes a `Staged` function; `prove_rule` takes a declared operation. First both programs
are run at random points with 120 digits, and the primal's slopes are measured: that finds what is wrong, and is all
there is (*checked*) where the rest does not come to an end. Then both are run on symbols, path by path, and the
difference to SymPy's derivative of the primal is shown to be zero (*proved*).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from stagegrad.errors import UnsupportedError
from stagegrad.verify import native
from stagegrad.verify.clock import Clock, OutOfTime, TooLarge
from stagegrad.verify.expressions import Expression
from stagegrad.verify.paths import Explorer
from stagegrad.verify.program import Machine, plain_function
from stagegrad.verify.reals import Mpf, Real, Unsupported, UnsupportedGradient, World
from stagegrad.verify.report import Point, Proof, Verdict
from stagegrad.verify.trial import Outcome, Points, Trial, Values, plain
from stagegrad.verify.zero import is_zero

ROUNDS = 18  # random points for each choice of counts
EXACT = 30  # digits to which a *checked* quantity agrees
VALUE = ""  # the quantity that is not a gradient


@dataclass(frozen=True)
class Oracle:
    """What a gradient program is judged against: a primal, how it is run, and what it is called in the report."""

    title: str
    build: Callable[[Machine], Callable[..., Any]]
    native: Callable[..., Any] | None = None  # the same on floats
    at_kinks: bool = True  # whether its value at kinks and jumps is meant


def function_oracle(function: Any) -> Oracle:
    """The user's own function, run as it is."""
    return Oracle(f"your function {function.__name__}", lambda machine: machine.function(function), plain_function(function))


def formula_oracle(text: str, parameters: Sequence[str]) -> Oracle:
    """The text of a formula, read independently of the compiler."""

    def build(machine: Machine) -> Callable[..., Any]:
        expression = Expression(text)
        return lambda *values: expression(machine.functions, dict(zip(parameters, values, strict=True)))

    return Oracle("the formula, read independently", build)


def text_oracle(text: str, entry: str) -> Oracle:
    """Generated text as its own primal: shows that the gradient belongs to it, not that it is what the user wrote."""
    title = f"the generated {entry} (not against the original: it cannot be run on exact numbers)"
    return Oracle(title, lambda machine: machine.text(text, entry), native.load(text, entry))


@dataclass
class Tally:
    """What is known of one quantity so far."""

    exact: int = 0  # points at which it agrees to `EXACT` digits
    loose: int = 0  # points at which it agrees as floats do
    paths: int = 0  # paths on which it is shown
    missed: int = 0  # paths on which it is not shown
    refuted: Verdict | None = None


@dataclass(frozen=True)
class Question:
    """What is to be proved: a gradient program, its parameters, and where to begin."""

    text: str
    entry: str
    parameters: tuple[str, ...]
    types: tuple[str, ...]
    wrt: tuple[str, ...]
    seed: int
    at: Mapping[str, float] | None
    name: str

    @property
    def values(self) -> Values | None:
        """The point to begin with, exactly."""
        if self.at is None:
            return None
        given = zip(self.parameters, self.types, strict=True)
        return {name: Fraction(self.at[name]) if kind == "float" else int(self.at[name]) for name, kind in given}


class Case:
    """A question, an oracle, and what has been found out so far."""

    def __init__(self, question: Question, oracle: Oracle, clock: Clock, *, binary: bool = False) -> None:
        self.question, self.oracle, self.clock = question, oracle, clock
        self.expired = False
        self.outcomes: list[Outcome] = []
        self.tallies = {quantity: Tally() for quantity in (VALUE, *question.wrt)}
        self.world = World(clock, binary=binary)
        self.machine = Machine(self.world)
        self.points = Points(question.parameters, question.types, question.seed, question.values)
        self.native = native.load(question.text, question.entry)
        primal = oracle.build(self.machine)
        gradient = self.machine.text(question.text, question.entry)
        self.trial = Trial(self.machine, primal, gradient, question.parameters, question.types, question.wrt)

    # ------------------------------------------------------------------------------------------ points

    @property
    def loose(self) -> int:
        """How often the programs agree as floats do, and no better."""
        return sum(tally.loose for tally in self.tallies.values())

    def sample(self) -> None:
        """Runs both programs at points, and tallies how they agree."""
        part = self.clock.share(0.4)
        with contextlib.suppress(OutOfTime):
            for values in self.points.ordinary(ROUNDS):
                with contextlib.suppress(TooLarge):
                    self._try(values)
                judged = all(tally.refuted or tally.exact or tally.loose for tally in self.tallies.values())
                if all(tally.refuted for tally in self.tallies.values()) or (judged and not part.left):
                    return

    def _try(self, values: Values) -> None:
        outcome = self.trial.run(values)
        if outcome.error is not None or outcome.gradient_error is not None:
            self._errors(outcome)
            return
        self.outcomes.append(outcome)
        assert outcome.primal is not None and outcome.found is not None
        if self.oracle.at_kinks or not outcome.kinked:
            self._compare(VALUE, outcome, outcome.found, outcome.primal.value)
        for name, gradient in zip(self.question.wrt, outcome.gradients, strict=True):
            slope = None if self.tallies[name].refuted else self.trial.slope(outcome, name)
            if slope is not None:
                self._compare(name, outcome, gradient, slope)

    def _errors(self, outcome: Outcome) -> None:
        """Both have to raise the same; otherwise floats decide whether they really differ."""
        if type(outcome.error) is type(outcome.gradient_error):
            if outcome.signature:
                self.outcomes.append(outcome)
            return
        expected = native.error(self.oracle.native, self._floats(outcome.values)) if self.oracle.native else outcome.error
        found = native.error(self.native, self._floats(outcome.values))
        if type(expected) is type(found) or isinstance(found or expected, OverflowError):
            return
        if found is not None or self.oracle.native is not None:
            detail = f"the source {_raises(found)}, the primal {_raises(expected)}"
            for quantity in self.tallies:
                self._refute(quantity, detail, outcome.values)

    def _floats(self, values: Values) -> list[Any]:
        point = plain(values)
        return [point[name] for name in self.question.parameters]

    def _compare(self, quantity: str, outcome: Outcome, found: Real, expected: Mpf) -> None:
        mp, tally = self.world.mp, self.tallies[quantity]
        if tally.refuted or not mp.isfinite(expected):
            return
        error = abs(found.value - expected) if mp.isfinite(found.value) else mp.inf
        scale = max(abs(expected), mp.mpf(10) ** -20)
        if error <= scale * mp.mpf(10) ** -EXACT:
            tally.exact += 1
        elif error <= scale * 1e-11:
            tally.loose += 1
        else:
            self._confirm(quantity, outcome, expected)

    def _confirm(self, quantity: str, outcome: Outcome, expected: Mpf) -> None:
        """What disagrees with 120 digits is refuted if it disagrees in floating point, where a user will see it."""
        try:
            with native.quiet():
                value, slopes = self.native(*self._floats(outcome.values))
        except Exception:  # the text may raise anything on floats, say an overflow: then this point shows nothing
            return
        parts = slopes if isinstance(slopes, tuple) else (slopes,)
        found = float(value if quantity == VALUE else parts[self.question.wrt.index(quantity)])
        exact = float(expected)
        near = abs(found - exact) <= 1e-7 * max(1.0, abs(exact))
        if near or (quantity != VALUE and self._differences_agree(quantity, outcome, found)):
            self.tallies[quantity].loose += 1
            return
        what = "value" if quantity == VALUE else "derivative"
        self._refute(quantity, f"the source gives {found!r}, the {what} is {exact!r}", outcome.values)

    def _differences_agree(self, quantity: str, outcome: Outcome, found: float) -> bool:
        """Whether differences of the primal on floats speak for a gradient: then the exact numbers do not model the program."""
        if self.oracle.native is None:
            return False
        position = self.question.parameters.index(quantity)
        slope, error = native.slope(self.oracle.native, self._floats(outcome.values), position)
        return error <= 1e-8 * abs(slope) and abs(found - slope) <= 1e-6 * abs(slope)

    def _refute(self, quantity: str, detail: str, values: Values) -> None:
        if self.tallies[quantity].refuted is None:
            self.tallies[quantity].refuted = Verdict("refuted", detail, plain(values))

    # ------------------------------------------------------------------------------------------ paths

    def show(self) -> Explorer:
        """Shows the identities on every path that can be found, until the time is up."""
        explorer = Explorer(self.trial, self.points, self.clock)
        try:
            for outcome in explorer.paths(self._small()):
                self._show(outcome)
        except OutOfTime:
            self.expired = True
        return explorer

    def _small(self) -> list[Outcome]:
        """The outcomes for the counts that the proof is about: the user's own point may have others."""
        return [outcome for outcome in self.outcomes if any(counts.items() <= outcome.values.items() for counts in self.points.counts)]

    def _show(self, outcome: Outcome) -> None:
        if outcome.primal is None or outcome.found is None:
            return
        for quantity, tally in self.tallies.items():
            # One path that is not shown settles that the quantity is not proved: the others need no time.
            shown = tally.refuted is None and not tally.missed and self._is_shown(outcome, quantity)
            tally.paths += shown
            tally.missed += not shown

    def _is_shown(self, outcome: Outcome, quantity: str) -> bool:
        """Whether the identity is shown within a part of the time, so that one hard path does not take it all."""
        part = self.clock.share(0.25)
        try:
            with part.interrupting():
                found, expected = self.trial.expressions(outcome, quantity)
                return is_zero(found - expected)
        except OutOfTime:
            self.clock.check()
            return False

    # ------------------------------------------------------------------------------------------ verdicts

    def verdict(self, quantity: str, explorer: Explorer) -> Verdict:
        """The strongest level that everything known of a quantity allows."""
        tally = self.tallies[quantity]
        if tally.refuted is not None:
            return tally.refuted
        if tally.paths and not tally.missed and explorer.complete and not self.expired:
            return Verdict("proved", f"{self._difference(quantity)} simplifies to 0{self._on_paths(tally)}")
        if tally.exact and not tally.loose:
            what = "the primal" if quantity == VALUE else "the primal's derivative"
            points = _count(tally.exact, "point")
            return Verdict("checked", f"agrees with {what} to {EXACT} digits at {points}; {self._why(tally, explorer)}")
        if tally.exact or tally.loose:
            return Verdict("tested", f"agrees at {_count(tally.exact + tally.loose, 'point')}, at {tally.loose} to 11 digits only")
        return Verdict("untested", "no point was found at which it can be compared")

    def _difference(self, quantity: str) -> str:
        if quantity == VALUE:
            return "the source minus the primal"
        return f"d/d{quantity} of the source minus SymPy's derivative"

    def _on_paths(self, tally: Tally) -> str:
        paths = f" on all {tally.paths} paths" if tally.paths > 1 else ""
        return paths + self._for_counts()

    def _for_counts(self) -> str:
        names = [name for name, kind in zip(self.question.parameters, self.question.types, strict=True) if kind == "int"]
        seen = {name: sorted({int(o.values[name]) for o in self._small() if o.error is None}) for name in names}
        parts = [f"{name} = {values[0]}" + (f"..{values[-1]}" if len(values) > 1 else "") for name, values in seen.items() if values]
        return f", for {' and '.join(parts)}" if parts else ""

    def _why(self, tally: Tally, explorer: Explorer) -> str:
        """Why it is not proved."""
        shown = f"simplifies to 0 on {_count(tally.paths, 'path')}, " if tally.paths else "not proved: "
        if self.expired:
            return f"{shown}then the time limit of {self.clock.seconds:g} s was reached"
        if tally.missed:
            return f"{shown}not shown on all"
        if explorer.limited:
            return f"{shown}of more than can be followed"
        if explorer.too_large:
            return f"{shown}{_count(explorer.too_large, 'path')} too long to write out"
        if explorer.unreached:
            return f"{shown}{_count(explorer.unreached, 'outcome')} of a test never seen"
        return f"{shown}along the trip counts that came up"

    def notes(self, explorer: Explorer) -> tuple[str, ...]:
        """What the verdicts leave out, and what they rest on."""
        lines = []
        if explorer.thin or any(outcome.kinked for outcome in self.outcomes):
            lines.append("kinks and ties excluded: single points, where the slope is a convention")
        if self.world.binary:
            lines.append("float constants are taken as the binary fractions that they are")
        if self.machine.taken:
            lines.append(f"by their exact meaning, and tested in floating point: {', '.join(sorted(self.machine.taken))}")
        return tuple(lines)

    def test_helpers(self) -> None:
        """A helper function whose text is not what it means makes every quantity wrong."""
        words = native.namespace(self.question.text)
        for name, meaning in self.machine.taken.items():
            error, point = native.helper_error(words[name], meaning)
            if error > 1e-9:
                call = f"{name}({', '.join(map(repr, point))})"
                wrong = Verdict("refuted", f"the helper {call} is off by {error:.1g} of its meaning {meaning.op.exact}")
                for tally in self.tallies.values():
                    tally.refuted = tally.refuted or wrong


def prove_source(gradient_text: str, gradient_entry: str, primal: Any, parameters: Sequence[str], wrt: Sequence[str], *,
                 types: Sequence[str] | None = None, at: Mapping[str, float] | None = None, name: str = "",
                 time_limit: float = 10.0, seed: int = 0) -> Proof:  # fmt: skip
    """Judges the text of a gradient program against a primal.

    `gradient_entry` names the function of the text that takes `parameters` and returns ``(value, gradient)`` or
    ``(value, (gradient, ...))`` in the order of `wrt`. `primal` is a Python function, the text of a formula, or a sequence
    of `Oracle` to be tried in turn. `types` gives "float", "int" or "bool" for each parameter (all floats if omitted); ints are given
    the values 0 to 3. `at` is a point to try first. After `time_limit` seconds (see `Clock`) what is not proved yet stays *checked*.
    """
    kinds = tuple(types or ("float",) * len(parameters))
    question = Question(gradient_text, gradient_entry, tuple(parameters), kinds, tuple(wrt), seed, at, name or gradient_entry)
    return _answered(question, _oracles(primal, parameters), time_limit)


def prove(staged: Any, *, time_limit: float = 10.0, seed: int = 0, at: Mapping[str, float] | None = None) -> Proof:
    """Judges the generated source of a `Staged` function: its value, and its gradient for each parameter.

    The source is judged against the user's own function, or the formula's own text; where those cannot be run on exact numbers, and
    for derivatives of derivatives, against the generated source of the plain function (the report says which). Where there are int
    parameters, the proof is for the values 0 to 3, and says so. After `time_limit` seconds what is not proved stays *checked*, and the
    verdict says so. `at` is a point to begin with.
    """
    question, oracles = questions_of(staged)
    return _answered(replace(question, seed=seed, at=at), oracles, time_limit)


def questions_of(staged: Any) -> tuple[Question, list[Oracle]]:
    """What there is to prove of a `Staged`, and what it can be proved against, the best first."""
    build = staged.build
    main = build.program.module.main
    if not build.scalar:
        reason = f"a proof is for functions of numbers, and {build.name}() takes or returns more than that"
        raise UnsupportedError(reason, main.span, "check_grads(...), which compares with differences at a point")
    source = build.source("value_and_grad", "python")
    parameters = tuple(param.name for param in main.params)
    positions, _ = build.positions(build.options.wrt)
    wrt = tuple(parameters[position] for position in positions)
    oracles = []
    if main.origin == "formula":
        oracles.append(formula_oracle(build.program.text, parameters))
    elif (function := plain_function(staged)) is not None:
        oracles.append(function_oracle(function))
    plain_source = build.source("value", "python")
    oracles.append(text_oracle(plain_source.text, plain_source.entry))
    return Question(source.text, source.entry, parameters, build.kinds, wrt, 0, None, build.name), oracles


def _answered(question: Question, oracles: Sequence[Oracle], time_limit: float) -> Proof:
    clock = Clock(time_limit)
    reason = "nothing to compare with"
    for oracle in oracles:
        try:
            return _proof(_sampled(question, oracle, clock))
        except Unsupported as error:
            reason = str(error)
            if isinstance(error, UnsupportedGradient):
                break
    return _on_floats(question, oracles, reason)


def _sampled(question: Question, oracle: Oracle, clock: Clock) -> Case:
    """A case with its points, in the reading of float constants under which the two programs agree better."""
    cases = []
    for binary in (False, True):
        case = Case(question, oracle, clock, binary=binary)
        case.test_helpers()
        case.sample()
        cases.append(case)
        if not case.loose:
            break
    return min(cases, key=lambda case: case.loose)


def _proof(case: Case) -> Proof:
    explorer = case.show()
    gradients = {parameter: case.verdict(parameter, explorer) for parameter in case.question.wrt}
    return Proof(case.question.name, case.verdict(VALUE, explorer), gradients, case.oracle.title, case.notes(explorer))


def _oracles(primal: Any, parameters: Sequence[str]) -> list[Oracle]:
    if isinstance(primal, str):
        return [formula_oracle(primal, parameters)]
    if isinstance(primal, Sequence):
        return list(primal)
    return [function_oracle(primal)]


# ---------------------------------------------------------------------------------------------- floats only


def _on_floats(question: Question, oracles: Sequence[Oracle], reason: str) -> Proof:
    """What can still be said of programs that do not run on exact numbers: values as floats, slopes by differences."""
    oracle = next((oracle for oracle in oracles if oracle.native is not None), None)
    note = f"only in floating point: {reason}"
    if oracle is None or oracle.native is None:
        nothing = Verdict("untested", "nothing to compare with")
        return Proof(question.name, nothing, dict.fromkeys(question.wrt, nothing), "nothing", (note,))
    gradient = native.load(question.text, question.entry)
    verdicts = {quantity: Verdict("untested", "no point was found at which it can be compared") for quantity in (VALUE, *question.wrt)}
    counts = dict.fromkeys(verdicts, 0)
    for values in Points(question.parameters, question.types, question.seed, question.values).ordinary(ROUNDS):
        for quantity, error in _float_errors(question, gradient, oracle.native, plain(values)):
            if verdicts[quantity].level == "refuted":
                continue
            counts[quantity] += not error
            agrees = Verdict("tested", f"agrees in floating point at {_count(counts[quantity], 'point')}")
            verdicts[quantity] = Verdict("refuted", error, plain(values)) if error else agrees
    return Proof(question.name, verdicts[VALUE], {name: verdicts[name] for name in question.wrt}, oracle.title, (note,))


def _float_errors(question: Question, gradient: Callable[..., Any], primal: Callable[..., Any], point: Point) -> Iterator[tuple[str, str]]:
    """(quantity, what is wrong or "") for what can be compared at a point."""
    arguments = [point[name] for name in question.parameters]
    expected = native.value(primal, arguments)
    raised = native.error(gradient, arguments)
    if not math.isfinite(expected) or isinstance(raised, OverflowError):
        return
    if raised is not None:
        yield from ((quantity, f"the source {_raises(raised)}, the primal does not") for quantity in (VALUE, *question.wrt))
        return
    with native.quiet():
        value, slopes = gradient(*arguments)
    yield VALUE, "" if math.isclose(value, expected, rel_tol=1e-14) else f"the source gives {value!r}, the value is {expected!r}"
    for name, found in zip(question.wrt, slopes if isinstance(slopes, tuple) else (slopes,), strict=True):
        slope, error = native.slope(primal, arguments, question.parameters.index(name))
        size = max(abs(slope), 1e-3)
        if error <= 1e-8 * size:
            yield name, "" if abs(found - slope) <= 1e-5 * size else f"the source gives {found!r}, the derivative is {slope!r}"


# ---------------------------------------------------------------------------------------------- words


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("s" if number != 1 else "")


def _raises(error: Exception | None) -> str:
    return "raises nothing" if error is None else f"raises {type(error).__name__}: {error}".rstrip(": ")
