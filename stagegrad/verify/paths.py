"""Which paths a pair of programs can take: found by points, told apart by their decisions, and counted up honestly.

Every path that is explored has a point that takes it. An outcome of a test that no point has is searched for, by changing one
parameter at a time; it is left out only if linear arithmetic shows that it cannot happen, or only on a set without interior.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TypeAlias

import sympy

from stagegrad.verify.clock import Clock, OutOfTime, TooLarge
from stagegrad.verify.reals import Decision, Expr
from stagegrad.verify.trial import Outcome, Points, Trial, Values
from stagegrad.verify.zero import is_zero

#: The values of the parameters that are not floats; every choice of them is a program of its own.
Counts: TypeAlias = tuple[tuple[str, int | bool], ...]
Prefix: TypeAlias = tuple[Decision, ...]

MOST_PATHS = 64
MOST_UNREACHED = 4  # after so many the search ends: a proof on all paths is out of reach
MOST_OPERATIONS = 400  # a test larger than this is not solved for a parameter
_GRID = sorted({Fraction(sign * size, 16) for sign in (1, -1) for size in (*range(0, 65, 3), 4, 8, 16, 32, 96, 160, 1024)})


class Explorer:
    """Finds paths; afterwards it says what it did not reach."""

    def __init__(self, trial: Trial, points: Points, clock: Clock) -> None:
        self.trial, self.points, self.clock = trial, points, clock
        self.outcomes: list[Outcome] = []
        self.unreached = 0  # outcomes of tests that may happen, and that no point has
        self.thin = 0  # outcomes that happen only on sets without interior, if at all
        self.too_large = 0  # paths whose expressions grew beyond bounds
        self.limited = False  # whether there were more paths than are looked at
        self._signatures: set[tuple[object, ...]] = set()
        self._closed: set[tuple[Counts, Prefix]] = set()

    @property
    def complete(self) -> bool:
        """Whether the paths that were explored are all there are, up to sets without interior."""
        frozen = any(outcome.frozen for outcome in self.outcomes)
        return not (self.unreached or self.too_large or self.limited or frozen)

    def paths(self, seeds: Iterable[Outcome]) -> Iterator[Outcome]:
        """A symbolic outcome for each path: those that the seeds take, then those that are found."""
        for seed in seeds:
            yield from self._explored(seed.values, seed.signature)
        while len(self.outcomes) < MOST_PATHS and self.unreached < MOST_UNREACHED:
            self.clock.check()
            opened = next(self._open(), None)
            if opened is None:
                return
            counts, prefix = opened
            found = False
            for outcome in self._search(counts, prefix):
                found = True
                yield outcome
            if not found or not self._taken(counts, prefix):
                self._close(counts, prefix)
        self.limited = True

    def _explored(self, values: Values, signature: tuple[object, ...]) -> Iterator[Outcome]:
        key = (self._counts(values), *signature)
        if key in self._signatures or len(self.outcomes) >= MOST_PATHS:
            return
        self._signatures.add(key)
        try:
            with self.clock.interrupting():
                outcome = self.trial.run(values, symbolic=True)
        except TooLarge:
            self.too_large += 1
            return
        if not outcome.kinked:
            self.outcomes.append(outcome)
            yield outcome

    def _counts(self, values: Values) -> Counts:
        kinds = zip(self.trial.parameters, self.trial.types, strict=True)
        return tuple((name, int(values[name])) for name, kind in kinds if kind != "float")

    # ------------------------------------------------------------------------------------------ what is open

    def _open(self) -> Iterator[tuple[Counts, Prefix]]:
        """Decisions that came out one way only: (counts, path to the other outcome)."""
        taken = {(self._counts(o.values), o.path[: n + 1]) for o in self.outcomes for n in range(len(o.path))}
        for outcome in self.outcomes:
            counts = self._counts(outcome.values)
            for n, decision in enumerate(outcome.path):
                other = (counts, (*outcome.path[:n], decision.opposite))
                if other not in taken and other not in self._closed:
                    yield other

    def _taken(self, counts: Counts, prefix: Prefix) -> bool:
        return any(self._counts(o.values) == counts and o.path[: len(prefix)] == prefix for o in self.outcomes)

    def _close(self, counts: Counts, prefix: Prefix) -> None:
        self._closed.add((counts, prefix))
        if self._possible(prefix, interior=True):
            self.unreached += 1
        elif self._possible(prefix, interior=False):
            self.thin += 1

    def _possible(self, prefix: Prefix, *, interior: bool) -> bool:
        """As `possible`; what takes too long to decide is possible."""
        part = self.clock.share(0.1)
        try:
            with part.interrupting():
                return possible(prefix, interior=interior)
        except OutOfTime:
            self.clock.check()
            return True

    # ------------------------------------------------------------------------------------------ searching

    def _search(self, counts: Counts, prefix: Prefix) -> Iterator[Outcome]:
        if not self._possible(prefix, interior=False):
            return
        candidates: list[Values] = []
        part = self.clock.share(0.05)
        with contextlib.suppress(OutOfTime), part.interrupting():
            candidates.extend(self._near(counts, prefix))
        candidates.extend({**values, **dict(counts)} for values in self.points.ordinary(12))
        for values in candidates:
            self.clock.check()
            try:
                outcome = self.trial.run(values)
            except TooLarge:
                continue
            yield from self._explored(values, outcome.signature)
            if self._taken(counts, prefix):
                return

    def _near(self, counts: Counts, prefix: Prefix) -> Iterator[Values]:
        """Points that may take the path: those that come close to it, with one parameter changed."""
        if prefix[-1].expr.count_ops() > MOST_OPERATIONS:
            return
        near = [o.values for o in self.outcomes if self._counts(o.values) == counts and o.path[: len(prefix) - 1] == prefix[:-1]]
        for values in near[:3]:
            for symbol in sorted(prefix[-1].expr.free_symbols, key=str):
                for value in _turning(prefix[-1], symbol, values):
                    yield {**values, symbol.name: value}


def _turning(decision: Decision, symbol: Expr, values: Values) -> Iterator[Fraction]:
    """Values of one parameter that turn a decision out as asked for, the others being as they are."""
    others = {s: sympy.Rational(values[s.name].numerator, values[s.name].denominator) for s in decision.expr.free_symbols if s != symbol}
    line = decision.expr.subs(others)
    if line.is_polynomial(symbol) and sympy.degree(line, symbol) == 1 and line.free_symbols == {symbol}:
        slope, rest = sympy.Poly(line, symbol).all_coeffs()
        root = -rest / slope
        if root.is_Rational:
            yield from (_float_near(Fraction(int(root.p), int(root.q)) + step) for step in _steps(decision))
            return
    here = Fraction(values[symbol.name])
    function = sympy.lambdify(symbol, line, "math")
    fitting = [value for value in _GRID if _turns(function, float(value), decision)]
    yield from sorted(fitting, key=lambda value: abs(value - here))[:4]


def _steps(decision: Decision) -> Sequence[Fraction]:
    if decision.kind == "==" and decision.outcome:
        return (Fraction(0),)
    return (Fraction(1, 8), Fraction(-1, 8), Fraction(1, 1024), Fraction(-1, 1024), Fraction(3), Fraction(-3), Fraction(0))


def _float_near(value: Fraction) -> Fraction:
    """The float next to a fraction: every point can be typed in."""
    return Fraction(float(value))


def _turns(function: object, value: float, decision: Decision) -> bool:
    try:
        answer = function(value)  # type: ignore[operator]  # what SymPy's lambdify returned
        return isinstance(answer, (int, float)) and ((answer > 0) if decision.kind == ">" else (answer == 0)) is decision.outcome
    except (ArithmeticError, ValueError, TypeError, NameError):
        return False


# ---------------------------------------------------------------------------------------------- what cannot happen


_Row = tuple[dict[Expr, Fraction], Fraction, bool]  # sum of coefficients * terms + constant > 0, or >= 0 if not strict
MOST_ROWS = 300


def possible(path: Sequence[Decision], *, interior: bool) -> bool:
    """False if linear arithmetic shows that the decisions contradict each other (or hold on a set without interior only)."""
    rows: list[_Row] = []
    for decision in path:
        if decision.kind == "==" and not decision.outcome:
            if decision is path[-1] and is_zero(decision.expr):
                return False
            continue
        if decision.kind == "==" and interior:
            return False
        rows += _rows(decision, strict=interior)
    terms = {term for coefficients, _, _ in rows for term in coefficients}
    rows += [({term: Fraction(1)}, Fraction(0), interior) for term in terms if _never_negative(term)]
    return _feasible(rows)


def _rows(decision: Decision, *, strict: bool) -> list[_Row]:
    coefficients, constant = _linear(decision.expr)
    turned = {term: -c for term, c in coefficients.items()}, -constant
    if decision.kind == "==":
        return [(coefficients, constant, False), (*turned, False)]
    return [(coefficients, constant, True)] if decision.outcome else [(*turned, strict)]


def _linear(expr: Expr) -> tuple[dict[Expr, Fraction], Fraction]:
    """An expression as a linear combination of terms, which are taken for independent unknowns."""
    coefficients: dict[Expr, Fraction] = {}
    constant = Fraction(0)
    for part in sympy.Add.make_args(sympy.expand(expr)):
        number, term = part.as_independent(*part.free_symbols) if part.free_symbols else (part, sympy.Integer(1))
        exact = number if number.is_Rational else sympy.Rational(str(number.evalf(40)))
        value = Fraction(int(exact.p), int(exact.q))
        if term == 1:
            constant += value
        else:
            coefficients[term] = coefficients.get(term, Fraction(0)) + value
    return {term: c for term, c in coefficients.items() if c}, constant


def _never_negative(term: Expr) -> bool:
    """Whether a product of powers is never negative for real arguments."""
    return all(_root_or_square(factor) for factor in sympy.Mul.make_args(term))


def _root_or_square(factor: Expr) -> bool:
    if isinstance(factor, (sympy.exp, sympy.cosh)):
        return True
    if not factor.is_Pow:
        return False
    base, exponent = factor.args
    return bool(exponent.is_Rational and (exponent.q % 2 == 0 or exponent.p % 2 == 0)) or isinstance(base, sympy.exp)


def _feasible(rows: list[_Row]) -> bool:
    """Fourier and Motzkin's elimination: False only if the inequalities have no solution."""
    while True:
        if any(not coefficients and (constant < 0 or (constant == 0 and strict)) for coefficients, constant, strict in rows):
            return False
        terms = {term for coefficients, _, _ in rows for term in coefficients}
        if not terms:
            return True
        term = min(sorted(terms, key=str), key=lambda t: _pairs(rows, t))
        if _pairs(rows, term) > MOST_ROWS:
            return True
        rows = _eliminated(rows, term)


def _pairs(rows: list[_Row], term: Expr) -> float:
    positive = sum(1 for coefficients, _, _ in rows if coefficients.get(term, 0) > 0)
    negative = sum(1 for coefficients, _, _ in rows if coefficients.get(term, 0) < 0)
    return math.prod((positive, negative))


def _eliminated(rows: list[_Row], term: Expr) -> list[_Row]:
    """The inequalities that follow and do not speak of the term."""
    above = [row for row in rows if row[0].get(term, 0) > 0]
    below = [row for row in rows if row[0].get(term, 0) < 0]
    rest = [row for row in rows if term not in row[0]]
    return rest + [_combined(a, b, term) for a in above for b in below]


def _combined(a: _Row, b: _Row, term: Expr) -> _Row:
    left, right = 1 / a[0][term], -1 / b[0][term]
    terms = [t for t in {**a[0], **b[0]} if t != term]
    coefficients = {t: a[0].get(t, Fraction(0)) * left + b[0].get(t, Fraction(0)) * right for t in terms}
    return {t: c for t, c in coefficients.items() if c}, a[1] * left + b[1] * right, a[2] or b[2]
