"""`check_grads` where arrays or containers go in: a gradient against the untouched function, element by element and along directions.

Slopes are those of complex steps where the function takes complex numbers and differences confirm that it means what it should
by them; else extrapolated differences. Arrays of 32 bits are handed over in 64, so that a difference can be told from rounding.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stagegrad.frontend.specs import Leaf, Spec, fill, flatten, leaves, paths, word_of
from stagegrad.verify import native
from stagegrad.verify.program import plain_function
from stagegrad.verify.report import Comparison, GradientCheck

SECONDS = 10.0
MOST = 100  # elements of one leaf
DIRECTIONS = 3
_STEP = 1e-30  # of a complex step: its square is lost beside any number


def check_arrays(staged: Any, args: Sequence[Any], named: dict[str, Any]) -> GradientCheck:
    """Compares value and gradient of a `Staged` at a point with the function itself; arguments are left as they are."""
    build = staged.build_for(*args, **named)
    positions, several = build.positions(build.options.wrt)
    point = _Point.of(staged, build, args, named)
    value, gradient = staged.value_and_grad(*point.arguments(), **point.named())
    parts = gradient if several else (gradient,)
    found: dict[int, Any] = {}
    for position, part in zip(positions, parts, strict=True):
        mine = [k for k, owner in enumerate(point.owners) if owner == position]
        spec = point.specs[position]
        found |= {k: g for k, g in zip(mine, flatten(spec, part), strict=True) if point.types[k].type.kind == "float"}
    judge = _Judge(point, found)
    gradients = {point.names[k]: judge.leaf(k) for k in found}
    worst = judge.directions()
    if worst is not None and not worst.ok:
        gradients["(all along a random direction)"] = worst
    notes = () if worst is None else (f"and along {DIRECTIONS} random directions",)
    return GradientCheck(point.shown(), judge.value(value), gradients, f"tested against {point.title}", notes)


@dataclass(frozen=True)
class _Point:
    """A function and a point: the leaves of its arguments by position, what they are called, and whose they are."""

    title: str
    function: Callable[..., Any]
    signature: Any
    specs: tuple[Spec, ...]
    leaves: tuple[Any, ...]
    types: tuple[Leaf, ...]
    names: tuple[str, ...]
    owners: tuple[int, ...]
    flat: bool  # whether the function takes the leaves themselves

    @classmethod
    def of(cls, staged: Any, build: Any, args: Sequence[Any], named: dict[str, Any]) -> _Point:
        signature, specs = build.program.signature, build.program.specs
        bound = signature.bind(*args, **named)
        bound.apply_defaults()
        values = [bound.arguments[name] for name in signature.parameters]
        own = plain_function(staged)
        source = build.source("value", "python")
        function = own or native.load(source.text, source.entry)
        title = f"your function {own.__name__}" if own is not None else f"the generated {source.entry} (not the original)"
        pairs = [(name, k, spec) for k, (name, spec) in enumerate(zip(signature.parameters, specs, strict=True))]
        return cls(
            title, function, signature, specs,
            tuple(_kept(leaf) for spec, value in zip(specs, values, strict=True) for leaf in flatten(spec, value)),
            tuple(leaf for _, _, spec in pairs for leaf in leaves(spec)),
            tuple(path for name, _, spec in pairs for path in paths(spec, name)),
            tuple(k for _, k, spec in pairs for _ in leaves(spec)),
            own is None,
        )  # fmt: skip

    def filled(self, found: Sequence[Any]) -> list[Any]:
        """Arguments in the user's structure, with these leaves, which the function may keep."""
        values = iter([_kept(leaf) for leaf in found])
        return [fill(spec, values) for spec in self.specs]

    def call(self, found: Sequence[Any]) -> Any:
        """The function itself, with these leaves."""
        if self.flat:
            return self.function(*map(_kept, found))
        arguments = dict(zip(self.signature.parameters, self.filled(found), strict=True))
        bound = self.signature.bind_partial()
        bound.arguments.update(arguments)
        return self.function(*bound.args, **bound.kwargs)

    def _bound(self) -> Any:
        bound = self.signature.bind_partial()
        bound.arguments.update(zip(self.signature.parameters, self.filled(self.leaves), strict=True))
        return bound

    def arguments(self) -> Any:
        """The positional arguments of a call at the point."""
        return self._bound().args

    def named(self) -> Any:
        """The keyword arguments of a call at the point."""
        return self._bound().kwargs

    def shown(self) -> dict[str, Any]:
        """The point in a word for each parameter: numbers as they are, arrays by type and shape."""
        return {
            name: f"{word_of(spec)} of shape {leaf.shape}" if spec.type.rank else np.asarray(leaf).item()
            for name, leaf, spec in zip(self.names, self.leaves, self.types, strict=True)
        }


def _kept(leaf: Any) -> Any:
    """A copy of an array, for a function that may write to it; a number as it is, since a float and a float64 are not the same to NumPy."""
    return np.array(leaf) if isinstance(leaf, np.ndarray) else leaf


Direction = dict[int, Any]  # for some leaves, how far each of their elements goes
_NOTHING = Comparison(math.nan, None, True, "nothing to compare with")


class _Judge:
    """Holds a gradient against slopes of the function."""

    def __init__(self, point: _Point, found: dict[int, Any]) -> None:
        self.point, self.found = point, found
        self.random = np.random.default_rng(0)
        self.narrow = any(leaf.type.bits == 32 for leaf in point.types)
        kinds = [leaf.type.kind for leaf in point.types]
        self.wide = [_wide(leaf) if kind == "float" else leaf for leaf, kind in zip(point.leaves, kinds, strict=True)]
        finite = [np.abs(np.asarray(g, np.float64))[np.isfinite(g)] for g in found.values()]
        self.scale = max((float(one.max()) for one in finite if one.size), default=0.0)
        start = time.monotonic()
        self.own = self._number(point.leaves)
        self.each = 40 * max(time.monotonic() - start, 1e-6) * max(len(found), 1)  # seconds that one slope of every leaf takes

    # ------------------------------------------------------------------------------------------ the value

    def value(self, found: Any) -> Comparison:
        """The value: compiled code may sum in another order, and its exp may differ in the last place."""
        tolerance = 1e-4 if self.narrow else 1e-9
        same = math.isclose(float(found), self.own, rel_tol=tolerance, abs_tol=1e-3 * tolerance)
        ok = same or (math.isnan(found) and math.isnan(self.own))
        return Comparison(float(found), self.own, ok, f"the function's own is {self.own!r}")

    def _number(self, found: Sequence[Any]) -> float:
        with native.quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return float(self.point.call(found))
            except (ArithmeticError, ValueError, TypeError, AssertionError):
                return math.nan

    # ------------------------------------------------------------------------------------------ slopes

    def leaf(self, k: int) -> Comparison:
        """The gradient of one leaf: the element that is worst, of all or of a sample."""
        gradient = np.asarray(self.found[k], np.float64)
        shape = np.shape(self.point.leaves[k])
        if gradient.shape != shape:
            return Comparison(math.nan, None, False, f"has shape {gradient.shape} for an argument of shape {shape}")
        worst, badness, seen, settled = _NOTHING, -1.0, 0, 0
        for index in self._elements(gradient):
            direction = np.zeros(gradient.shape)
            direction[index] = 1.0
            found, away = self._compared(float(gradient[index]), {k: direction}, 1.0)
            seen, settled = seen + 1, settled + (found.expected is not None)
            if away > badness:
                at = f"worst at [{', '.join(map(str, index))}]: " if index else ""
                worst, badness = replace(found, detail=at + found.detail), away
        if gradient.ndim == 0 or not seen:
            return worst
        counted = f"{seen} of {gradient.size} elements" if seen < gradient.size else f"{seen} elements"
        undecided = f", {seen - settled} of them undecided" if settled < seen else ""
        return replace(worst, detail=f"{counted}{undecided}; {worst.detail}")

    def _compared(self, found: float, direction: Direction, slack: float) -> tuple[Comparison, float]:
        """A slope that was found beside that of the function, and how far it is away, in tolerances."""
        slope, tolerance = self._slope(direction)
        if not math.isfinite(slope):
            detail = "differences do not settle: nothing to compare with"
            return Comparison(found, None, math.isfinite(found), detail), 0.0 if math.isfinite(found) else math.inf
        away = abs(found - slope) / (tolerance * slack)
        if away <= 1.0:
            return Comparison(found, slope, True, f"error {abs(found - slope):.1e}, the derivative is {slope!r}"), away
        low, high = self._sides(direction)
        if high - low > 1e-3 * max(1.0, abs(slope), self.scale) and low - tolerance <= found <= high + tolerance:
            return Comparison(found, None, True, f"at a kink: the slopes on the two sides are {low!r} and {high!r}"), 0.0
        return Comparison(found, slope, False, f"the derivative is {slope!r}"), away if away > 1.0 else math.inf

    def _sides(self, direction: Direction) -> tuple[float, float]:
        """The slopes on the two sides, the lower first; differences of the second order."""
        step = 1e-5 * self._size(direction)
        slopes = []
        for sign in (1.0, -1.0):
            first, second = (self._number(self._moved(direction, sign * step * factor)) for factor in (1.0, 2.0))
            slopes.append(sign * (4.0 * first - second - 3.0 * self._number(self.wide)) / (2.0 * step))
        return min(slopes), max(slopes)

    def _elements(self, gradient: Any) -> Iterator[tuple[int, ...]]:
        count = max(4, min(MOST, int(SECONDS / self.each)))
        chosen = range(gradient.size) if gradient.size <= count else sorted(self.random.choice(gradient.size, count, replace=False))
        for flat in chosen:
            yield tuple(int(one) for one in np.unravel_index(flat, gradient.shape))

    def directions(self) -> Comparison | None:
        """All leaves at once, along random directions: what a sample of elements may have missed. The worst; None for numbers alone."""
        shapes = {k: np.shape(self.point.leaves[k]) for k in self.found}
        if all(math.prod(shape) <= 1 for shape in shapes.values()) or any(np.shape(self.found[k]) != shape for k, shape in shapes.items()):
            return None
        worst, badness = _NOTHING, -1.0
        for _ in range(DIRECTIONS):
            direction = {k: self.random.normal(size=shape) for k, shape in shapes.items()}
            mine = sum(float(np.sum(np.asarray(self.found[k], np.float64) * d)) for k, d in direction.items())
            found, away = self._compared(mine, direction, math.sqrt(sum(d.size for d in direction.values())))
            if away > badness:
                worst, badness = found, away
        return worst

    def _slope(self, direction: Direction) -> tuple[float, float]:
        """The function's slope and how well it is known; (nan, inf) where differences do not settle."""
        size = self._size(direction)
        found = [native.ridders(lambda t: self._number(self._moved(direction, t)), step * size) for step in (0.02, 2e-4)]
        slope, error = min(found, key=lambda one: one[1] if not math.isnan(one[1]) else math.inf)
        if not error <= 1e-6 * max(1.0, abs(slope), self.scale):
            return math.nan, math.inf
        exact = self._complex_step(direction)
        if exact is not None and abs(exact - slope) <= 1e-5 * max(1.0, abs(slope)) + 10 * error:
            slope, tolerance = exact, 1e-8 * abs(exact) + 1e-10 * max(self.scale, 1e-2)
        else:
            tolerance = 1e-6 * max(1.0, abs(slope)) + 10 * error
        return slope, tolerance if not self.narrow else 1e-3 * abs(slope) + 1e-4 * max(self.scale, 1e-2)

    def _size(self, direction: Direction) -> float:
        """The largest number that a direction moves, at least 1."""
        return max(float(np.max(np.abs(self.wide[k]), initial=1.0, where=d != 0.0)) for k, d in direction.items())

    def _moved(self, direction: Direction, step: complex) -> list[Any]:
        return [leaf + step * direction[k] if k in direction else leaf for k, leaf in enumerate(self.wide)]

    def _complex_step(self, direction: Direction) -> float | None:
        """Im f(x + ihd) / h, exact to the last places where f is made of what complex numbers have; None where it is not."""
        with native.quiet(), warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                result = self.point.call(self._moved(direction, 1j * _STEP))
                number = complex(result)
            except Exception:  # a function may do anything with numbers that it was not written for
                return None
        alike = math.isclose(number.real, self.own, rel_tol=1e-4 if self.narrow else 1e-8, abs_tol=1e-12)
        return number.imag / _STEP if alike and math.isfinite(number.imag) else None


def _wide(leaf: Any) -> Any:
    return leaf.astype(np.float64) if isinstance(leaf, np.ndarray) else float(leaf)
