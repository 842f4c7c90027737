"""What happens where some stages of a function round otherwise than Python does? Takes a function and those stages.

A sum whose terms are added in another order, or whose products are not rounded before they are added, is as good a sum, and yet it does
harm where its terms cancel: ``b*b - 4.0*a*c`` is exactly zero in Python wherever both terms round to the same number; with only one
of them rounded it may be below zero, and its root nan. So `harmless` follows what changes:

- what is *rounded* otherwise has the sign that it would have, and is zero where it would be: a sum of terms that are never negative;
- what is *shifted* otherwise may be zero, above it or below it where it would not.

Neither may come to an operation that jumps (a comparison, `floor`), so that branches and counts of trips stay what they are in
Python; what is shifted may not come to one that has an end, a pole or a kink either (a root, a divisor, `max`), unless it stays away
from that place however it is rounded, as ``dx*dx + dy*dy + 0.01`` does from zero. What is not known to be smooth counts as jumping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property

from stagegrad.analysis import reached
from stagegrad.emit.sharing import SHAPE_ONLY
from stagegrad.ir import FLOAT, Atom, Call, For, Function, If, Lit, Stage, Var, While, variables, walk
from stagegrad.names import count_reads

#: What becomes of a value: it is the same to the last bit, or rounded otherwise, or shifted.
SAME, ROUNDED, SHIFTED = range(3)

#: Operations that add.
SUMS = frozenset({"add", "sub", "plus", "minus", "accumulate", "sum", "mean", "trace", "cumsum", "cumsum_back", "diff"})
_PRODUCTS = frozenset({"mul", "square", "cube", "quartic", "scaled", "degrees", "radians"})
_POWERS = frozenset({"pow", "powi", "pow_positive", "pow_halves"})
_QUOTIENTS = frozenset({"div", "divided", "quotient"})
#: They move values and do not look at them.
_MOVES = frozenset(
    {"positive", "copy", "duplicate", "reserve", "ravel", "flatten", "reshape", "reshape_like", "transpose", "expand_dims", "squeeze",
     "broadcast_to", "broadcast_like", "flip", "roll", "tile", "repeat", "stack", "concatenate", "array_of", "load", "store", "diagonal",
     "diag_matrix", "where"}
)  # fmt: skip
#: They hand the relative error of an operand on, but end or have a kink where it is zero.
_AT_ZERO = _POWERS | {"sqrt", "cbrt", "abs", "relu", "reciprocal", "hypot", "norm"}
#: Those of them whose end, or pole, is nowhere else.
_ENDS_AT_ZERO = {"sqrt", "reciprocal", "pow_halves"}
#: They have an end or a kink somewhere else, and make a plain error of a relative one.
_ELSEWHERE = frozenset({"log", "log2", "log10", "log1p", "max", "min", "maximum", "minimum", "clip"})
#: Smooth everywhere, and above zero: a small change of an operand is a small relative change of the result.
_ABOVE_ZERO = frozenset({"exp", "exp2", "cosh", "sigmoid", "cosigmoid", "softplus", "erfc", "gauss", "ndtr", "softmax"})
#: Smooth everywhere.
_SMOOTH = frozenset({"expm1", "sin", "cos", "sinh", "tanh", "asinh", "atan", "erf", "logaddexp", "logsumexp", "log_softmax", "matmul",
                     "outer", "kron", "unbroadcast"})  # fmt: skip
_NEVER_NEGATIVE = _ABOVE_ZERO | {"square", "quartic", "abs", "sqrt", "hypot", "norm", "relu", "size", "extent", "count", "zeros",
                                 "zeros_like", "ones_like", "empty_like", "tape_float"}  # fmt: skip
#: Never negative where none of the numbers is that they are given.
_KEEP_SIGN = _PRODUCTS | _POWERS | _QUOTIENTS | _MOVES | {"add", "plus", "sum", "mean", "accumulate", "to_float", "min", "minimum"}
#: What results are not below, where the operands are not below these numbers.
_LEAST: dict[str, Callable[[Sequence[float]], float]] = {
    "mul": math.prod,
    "square": lambda parts: parts[0] * parts[0],
    "sqrt": lambda parts: math.sqrt(parts[0]),
    "copy": lambda parts: parts[0],
    "max": max,
    "maximum": max,
    "cosh": lambda _: 1.0,
}
#: So far from zero a value must stay lest a shift of its parts bring it there: a root of it, or its reciprocal, is smooth then.
_AWAY = 1e-20
#: How many terms of a sum are looked at together for one that is taken away again.
_MOST_TERMS = 12


class Roundings:
    """A function's values: the stages that make them, and for those of branches and loops what they may be."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.stages = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.calls = [stmt for stmt in walk(function.body) if isinstance(stmt, Call)]
        self.sources: dict[Var, tuple[Atom, ...]] = {}
        self.guards = set(_guards(function, self.stages))
        for stmt in walk(function.body):
            if isinstance(stmt, If):
                self.sources |= dict(zip(stmt.outs, zip(stmt.then.results, stmt.orelse.results, strict=True), strict=True))
            elif isinstance(stmt, (For, While)):
                for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                    self.sources[carry.var] = self.sources[carry.out] = (carry.init, result)

    # ------------------------------------------------------------------------------------------ what changes

    def harmless(self, changed: Set[Var]) -> bool:
        """Do no more than the roundings of results change, where the sums, quotients and functions in `changed` round otherwise?"""
        fates = {out: SHIFTED for call in self.calls for out in call.outs}
        total = -1
        while total != (total := sum(fates.values())):
            for out, stage in self.stages.items():
                fate = self._fate(stage, [fates.get(arg, SAME) if isinstance(arg, Var) else SAME for arg in stage.args], out in changed)
                if fate is None:
                    return False
                fates[out] = max(fate, fates.get(out, SAME), ROUNDED if out in changed else SAME)
            for out, sources in self.sources.items():
                fates[out] = max(fates.get(source, SAME) for source in variables((out, *sources)))
        return not any(fates.get(arg, SAME) for call in self.calls for arg in variables(call.args))

    def least(self, atom: Atom) -> float:
        """What a value is certainly not below, however it is rounded, if it is not nan; 0.0 where that is as good as zero."""
        found = _least(atom, self._bounds)
        return found if found >= _AWAY else 0.0

    def _fate(self, stage: Stage, given: Sequence[int], changed: bool) -> int | None:
        """What becomes of the result of a stage whose operands have these fates; None where that does harm."""
        worst = max((fate for k, fate in enumerate(given) if k != SHAPE_ONLY.get(stage.op)), default=SAME)
        if stage.op in SUMS and (changed or worst):
            return ROUNDED if worst < SHIFTED and stage.out in self._positive else SHIFTED
        if stage.out in self.guards:
            return SAME
        if worst == SAME or stage.op in _MOVES or stage.op in _PRODUCTS or stage.op == "neg":
            return worst
        if stage.op in _QUOTIENTS:
            return None if given[1] == SHIFTED and not self.least(stage.args[1]) else worst
        if worst == SHIFTED and stage.op in _ENDS_AT_ZERO and self.least(stage.args[0]):
            return SHIFTED
        if stage.op in _AT_ZERO or stage.op in _ELSEWHERE:
            return None if worst == SHIFTED else ROUNDED if stage.op in _AT_ZERO else SHIFTED
        return ROUNDED if stage.op in _ABOVE_ZERO else SHIFTED if stage.op in _SMOOTH else None

    @cached_property
    def _positive(self) -> Set[Var]:
        """The values that are never below zero: all, less those of which it cannot be said, until nothing changes."""
        found = {*self.stages, *self.sources}
        readers: dict[Atom, list[Var]] = {}
        for out, stage in self.stages.items():
            for arg in stage.args:
                readers.setdefault(arg, []).append(out)
        for out, sources in self.sources.items():
            for source in sources:
                readers.setdefault(source, []).append(out)
        pending = [*found]
        while pending:
            out = pending.pop()
            if out in found and not self._is_positive(out, found):
                found.remove(out)
                pending += readers.get(out, ())
        return found

    def _is_positive(self, out: Var, positive: Set[Var]) -> bool:
        """Is a value never below zero, if these are not?"""
        made = _makes_positive(self.stages[out], positive) if out in self.stages else True
        return made and _are_positive(self.sources.get(out, ()), positive)

    @cached_property
    def _bounds(self) -> Mapping[Var, float]:
        """`least` of what stages make; of what comes through a branch or a loop nothing is known."""
        found: dict[Var, float] = {}
        for out, stage in self.stages.items():
            parts = [_least(arg, found) for arg in stage.args]
            if stage.op in ("add", "plus"):
                found[out] = sum(parts) if _are_positive(stage.args, self._positive) else 0.0
            elif stage.op in _LEAST:
                found[out] = _LEAST[stage.op](parts)
        return found

    # ------------------------------------------------------------------------------------------ what can be taken together

    def of_products(self, *, alone: bool) -> set[Var]:
        """The sums that can take in a product without rounding it; the function's parameters may be products where it is not `alone`."""
        products: set[Atom] = set() if alone else {param for param in self.function.params if param.type.kind == "float"}
        products |= {out for call in self.calls for out in call.outs}
        products |= {out for out, stage in self.stages.items() if stage.out.type.kind == "float" and _is_product(stage)}
        moved = (stage for stage in self.stages.values() if stage.op in _MOVES or stage.op in ("neg", "accumulate"))
        flows = [(arg, stage.out) for stage in moved for arg in stage.args]
        products = reached(products, [*flows, *((source, out) for out, sources in self.sources.items() for source in sources)])
        return {out for out, stage in self.stages.items() if stage.op in SUMS and not products.isdisjoint(stage.args)}

    @cached_property
    def compensates(self) -> bool:
        """Is a term added and taken away again, in ``(t - s) - y`` with ``t = s + y``, to find what a rounding has lost?"""
        signed: dict[Var, tuple[frozenset[Var], frozenset[Var]]] = {}
        for out, stage in self.stages.items():
            if stage.op not in ("add", "sub", "neg") or out.type.kind != "float":
                continue
            parts = [signed.get(arg, (frozenset({arg}), frozenset())) for arg in stage.args if isinstance(arg, Var)]
            if stage.op != "add" and isinstance(stage.args[-1], Var):
                parts[-1] = parts[-1][::-1]
            added, taken = (frozenset().union(*(part[k] for part in parts)) for k in range(2))
            if not added.isdisjoint(taken):
                return True
            if len(added) + len(taken) <= _MOST_TERMS:
                signed[out] = (added, taken)
        return False


def _guards(function: Function, stages: Mapping[Var, Stage]) -> Iterator[Var]:
    """The tests that only keep a zero from being added to an element, ``if dx != 0.0: da[i] += dx``: a number near zero may be added."""
    reads = count_reads(function.body)
    for stmt in walk(function.body):
        made = stages.get(stmt.test) if isinstance(stmt, If) and isinstance(stmt.test, Var) else None
        if isinstance(stmt, If) and made is not None and (made.op, made.args[1:]) == ("ne", (Lit(0.0, FLOAT),)) and reads[made.out] == 1:
            match stmt.then.stmts, stmt.orelse.stmts:
                case (Stage(op="accumulate", args=args),), () if args[-1] == made.args[0]:
                    yield made.out


def _is_product(stage: Stage) -> bool:
    """Is a stage a product that is rounded? One with a power of two is exact."""
    exact = stage.op in ("mul", "scaled") and any(isinstance(arg, Lit) and _is_power_of_two(arg.value) for arg in stage.args)
    return (stage.op in _PRODUCTS and not exact) or stage.op in _POWERS


def _is_power_of_two(value: float | int | bool | None) -> bool:
    return value is not None and abs(value) in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def _makes_positive(stage: Stage, positive: Set[Var]) -> bool:
    if stage.op in _NEVER_NEGATIVE or (stage.op == "mul" and stage.args[0] == stage.args[1]):
        return True
    if stage.op in ("max", "maximum"):
        return any(_are_positive([arg], positive) for arg in stage.args)
    numbers = [arg for arg in stage.args if arg.type.kind == "float" or stage.op == "to_float"]
    return stage.op in _KEEP_SIGN and _are_positive(numbers, positive)


def _are_positive(atoms: Iterable[Atom], positive: Set[Var]) -> bool:
    """Is each of these never below zero? What is undefined is never read."""
    return all(atom.value is None or atom.value >= 0 if isinstance(atom, Lit) else atom in positive for atom in atoms)


def _least(atom: Atom, bounds: Mapping[Var, float]) -> float:
    if isinstance(atom, Var):
        return bounds.get(atom, 0.0)
    return float(atom.value) if isinstance(atom.value, (int, float)) and atom.value > 0 else 0.0
