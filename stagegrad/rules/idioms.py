"""Recognises what a function computes at the level of stages that was asked for.

    "user"   the user's own arithmetic, to the last bit: only the idioms whose value stays the same and whose gradient is
             then stable, and the operations on ints that Numba would get wrong without a word
    "gates"  named gates (sigmoid, tanh, square, softplus, logaddexp); a division is a product with a reciprocal
    "fine"   down to + * exp 1/x, and the functions that have no such form

`restage` maps a module to a module, ``1/(1 + exp(-x))`` -> ``sigmoid(x)``. An intermediate value disappears only if
nothing else reads it, and if it was made in the same straight line: no work moves into a loop or past a check.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from stagegrad.ir import (
    Atom,
    Attr,
    Block,
    Fresh,
    Function,
    Lit,
    Module,
    Stage,
    Stmt,
    Var,
    blocks,
    uses,
    variables,
    walk,
    with_blocks,
)
from stagegrad.ops import find, literal
from stagegrad.rules.power import HALVES, whole

#: A recogniser looks at one stage, and at what made its operands; it answers with other stages that end in the same value.
Recogniser: TypeAlias = "Callable[[_Restaging, Stage], list[Stage] | None]"

#: A whole power up to this is written as products at the level "fine".
_LARGEST_PRODUCT = 16


def restage(module: Module, level: str) -> Module:
    """The module at a level, "user", "gates" or "fine": ``1/(1 + exp(-x))`` -> ``sigmoid(x)``."""
    if level not in _LEVELS:
        raise ValueError(f"stages={level!r}: choose from {', '.join(map(repr, _LEVELS))}")
    return Module(tuple(_Restaging(function, _LEVELS[level]).run() for function in module.functions))


class _Restaging:
    """One function on its way: what made each value, how often each is read, and which values were seen through."""

    def __init__(self, function: Function, recognisers: Sequence[Recogniser]) -> None:
        self.function, self.recognisers = function, recognisers
        self.fresh = Fresh(function)
        self.made: dict[Var, Stage] = {}
        self.readings: Counter[Var] = Counter(variables(function.body.results))
        for stmt in walk(function.body):
            self.readings.update(_read_directly(stmt))
        self.seen_through: dict[Var, Stage] = {}

    def run(self) -> Function:
        body = self.block(self.function.body)
        return replace(self.function, body=self.prune(body))

    def block(self, block: Block) -> Block:
        """A block with its stages recognised; what was made before any other statement is not seen through after it."""
        found: list[Stmt] = []
        self.made = {}
        for stmt in block.stmts:
            if isinstance(stmt, Stage):
                found += self.stage(stmt)
            else:
                found.append(with_blocks(stmt, self.block))
                self.made = {}
        return replace(block, stmts=tuple(found))

    def stage(self, stage: Stage) -> list[Stage]:
        """The stages that stand for one; those that a recogniser made are looked at again."""
        for recognise in self.recognisers:
            better = recognise(self, stage)
            if better is not None:
                for new in better:
                    self.readings.update(variables(new.args))
                self.release(stage)
                return [last for new in better for last in self.stage(new)]
        self.made[stage.out] = stage
        return [stage]

    def maker_of(self, atom: Atom) -> Stage | None:
        """The stage that made a value in this straight line."""
        return self.made.get(atom) if isinstance(atom, Var) else None

    def maker(self, atom: Atom, *ops: str) -> Stage | None:
        """The stage that made a value which nothing else reads, if it is one of these operations."""
        stage = self.maker_of(atom)
        return stage if stage is not None and stage.op in ops and self.readings[stage.out] == 1 else None

    def through(self, *stages: Stage) -> None:
        """Marks stages as seen through: they go, once nothing reads them."""
        self.seen_through.update((stage.out, stage) for stage in stages)

    def release(self, stage: Stage) -> None:
        """A stage reads its operands no more; what was seen through and has lost its last reader reads no more either."""
        pending = [stage]
        while pending:
            for var in variables(pending.pop().args):
                self.readings[var] -= 1
                if self.readings[var] == 0 and var in self.seen_through:
                    pending.append(self.seen_through[var])

    def new(self, like: Stage, op: str, *args: Atom, **attrs: Attr) -> Stage:
        """A further stage, at the place of another."""
        out = self.fresh.var("", find(op).type_of([arg.type for arg in args], attrs))
        return Stage(out, op, args, tuple(attrs.items()), span=like.span)

    def prune(self, block: Block) -> Block:
        """Drops the stages that were seen through and that nothing reads any more."""
        kept: list[Stmt] = []
        for stmt in block.stmts:
            if not isinstance(stmt, Stage):
                kept.append(with_blocks(stmt, self.prune))
            elif stmt.out not in self.seen_through or self.readings[stmt.out] > 0:
                kept.append(stmt)
        return replace(block, stmts=tuple(kept))


def _read_directly(stmt: Stmt) -> list[Var]:
    """What a statement reads itself, and what its blocks yield (their statements are walked on their own)."""
    found = list(variables(uses(stmt)))
    for block in blocks(stmt):
        found += variables(block.results)
    return found


def _is(atom: Atom, number: float) -> bool:
    """Is the atom this number, written as an int or as a float?"""
    return isinstance(atom, Lit) and not isinstance(atom.value, bool) and atom.value == number


def _number(atom: Atom) -> float | int | bool | None:
    return atom.value if isinstance(atom, Lit) else None


def _becomes(stage: Stage, op: str, *args: Atom, **attrs: Attr) -> Stage:
    """The same value, made by another operation."""
    return replace(stage, op=op, args=args, attrs=tuple(attrs.items()))


def _lib(stage: Stage) -> dict[str, Attr]:
    return {key: value for key, value in stage.attrs if key == "lib"}


def _discrete(*atoms: Atom) -> bool:
    return all(atom.type.kind in ("int", "bool") for atom in atoms)


# ---------------------------------------------------------------------------------------------- at every level


def _checked_division(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``i // j`` and ``i % j`` between ints -> the same, checked for j = 0 where j is not a constant."""
    if stage.op not in ("floordiv", "mod") or not _discrete(*stage.args) or _number(stage.args[1]):
        return None
    return [_becomes(stage, f"{stage.op}_int", *stage.args)]


_PRODUCTS = {2: "square", 3: "cube", 4: "quartic"}


def _whole_power(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``i**j`` between ints, ``x**3``, ``x**1.5``, ``x**n`` with an int n, ``2.0**x``: powers with a better form than `pow`."""
    if stage.op != "pow":
        return None
    base, exponent = stage.args
    if _discrete(base, exponent):
        return [_becomes(stage, "pow_int", base, exponent)]
    if _lib(stage) and not stage.out.type.rank:  # np.power of numbers answers inf and nan where Python raises
        return None
    number = _number(exponent)
    if base.type.kind == "float" and (count := whole(number)) in _PRODUCTS:
        return [_becomes(stage, _PRODUCTS[count], base)]
    if number in HALVES:
        return [_becomes(stage, "pow_halves", base, exponent)]
    if _discrete(exponent) or whole(number) is not None:
        return [_becomes(stage, "powi", base, exponent)]
    return [_becomes(stage, "pow_positive", base, exponent)] if (_number(base) or 0.0) > 0.0 else None


def _one_plus_exp(self: _Restaging, den: Atom) -> tuple[Stage, Stage] | None:
    """The sum and the exponential of ``1 + exp(u)``."""
    total = self.maker(den, "add")
    if total is None:
        return None
    one, other = total.args if _is(total.args[0], 1) else (total.args[1], total.args[0])
    exponential = self.maker(other, "exp")
    return (total, exponential) if _is(one, 1) and exponential is not None else None


def _logistic(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``1/(1 + exp(-x))`` -> ``sigmoid(x)``, ``1/(1 + exp(x))`` -> ``cosigmoid(x)``, ``a/(1 + exp(x))`` -> ``growth(a, x)``.

    Each is spelled with the same arithmetic; what changes is the gradient, which no longer overflows with the exponential.
    """
    if stage.op not in ("div", "reciprocal"):
        return None
    num, den = stage.args if stage.op == "div" else (literal(1.0), stage.args[0])
    parts = _one_plus_exp(self, den)
    if parts is None:
        return None
    total, exponential = parts
    self.through(total, exponential)
    exponent, lib = exponential.args[0], _lib(exponential)
    if not _is(num, 1):
        return [_becomes(stage, "growth", num, exponent, **lib)]
    negated = self.maker(exponent, "neg")
    if negated is None:
        return [_becomes(stage, "cosigmoid", exponent, **lib)]
    self.through(negated)
    return [_becomes(stage, "sigmoid", negated.args[0], **lib)]


# ---------------------------------------------------------------------------------------------- gates


def _softplus(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``log(1 + exp(x))`` or ``log1p(exp(x))`` -> ``softplus(x)``."""
    if stage.op not in ("log", "log1p"):
        return None
    parts = _one_plus_exp(self, stage.args[0]) if stage.op == "log" else None
    exponential = parts[1] if parts is not None else self.maker(stage.args[0], "exp") if stage.op == "log1p" else None
    if exponential is None:
        return None
    self.through(*(parts or (exponential,)))
    return [_becomes(stage, "softplus", exponential.args[0])]


def _log_of_sum(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``log(exp(a) + exp(b) + exp(c))`` -> ``logaddexp(logaddexp(a, b), c)``; a positive constant is exp of its logarithm."""
    if stage.op != "log":
        return None
    exponents: list[Atom] = []
    seen: list[Stage] = []
    pending = [stage.args[0]]
    while pending:
        term = pending.pop()
        constant = _number(term)
        if constant is not None and constant > 0 and seen:
            exponents.append(literal(math.log(constant)))
            continue
        made = self.maker(term, "add", "exp")
        if made is None:
            return None
        seen.append(made)
        if made.op == "exp":
            exponents.append(made.args[0])
        else:
            pending += reversed(made.args)
    if len(exponents) < 2:
        return None
    self.through(*seen)
    found: list[Stage] = []
    total = exponents[0]
    for exponent in exponents[1:-1]:
        found.append(self.new(stage, "logaddexp", total, exponent))
        total = found[-1].out
    return [*found, _becomes(stage, "logaddexp", total, exponents[-1])]


def _exp_over_one_plus_exp(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``exp(x)/(1 + exp(x))`` -> ``sigmoid(x)``, whether the exponential was written once or twice."""
    if stage.op != "div":
        return None
    above = self.maker_of(stage.args[0])
    total = self.maker(stage.args[1], "add")
    if above is None or above.op != "exp" or total is None:
        return None
    one, other = total.args if _is(total.args[0], 1) else (total.args[1], total.args[0])
    below = self.maker_of(other)
    if not _is(one, 1) or below is None or below.op != "exp" or below.args != above.args:
        return None
    allowed = 2 if below is above else 1
    if self.readings[above.out] > allowed or self.readings[below.out] > allowed:
        return None
    self.through(total, above, below)
    return [_becomes(stage, "sigmoid", above.args[0])]


def _tanh(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))`` -> ``tanh(x)``."""
    if stage.op != "div":
        return None
    above, below = self.maker(stage.args[0], "sub"), self.maker(stage.args[1], "add")
    if above is None or below is None:
        return None
    grown = [found for atom in (*above.args, *below.args) if (found := self.maker_of(atom)) is not None and found.op == "exp"]
    if len(grown) != 4 or grown[0].args != grown[2].args or any(self.readings[found.out] > 2 for found in grown):
        return None
    mirrored = [self.maker_of(grown[k].args[0]) for k in (1, 3)]
    turned = [found for found in mirrored if found is not None and found.op == "neg" and found.args == grown[0].args]
    if len(turned) != 2:
        return None
    self.through(above, below, *grown, *turned)
    return [_becomes(stage, "tanh", grown[0].args[0])]


def _square(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``x * x`` -> ``x**2``."""
    if stage.op != "mul" or stage.args[0] != stage.args[1] or isinstance(stage.args[0], Lit):
        return None
    return [_becomes(stage, "square", stage.args[0])]


def _reciprocal(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``n / d`` -> ``n * (1/d)``, where d is not a constant; ``x**-1`` -> ``1/x``; ``a/(1 + exp(x))`` by its gate."""
    match stage.op, stage.args:
        case "powi", (x, n) if _is(n, -1):
            return [_becomes(stage, "reciprocal", x)]
        case "growth", (num, exponent):
            gate = self.new(stage, "cosigmoid", exponent, **_lib(stage))
            return [gate, _becomes(stage, "mul", num, gate.out)]
        case "div", (num, den) if not isinstance(den, Lit) and not _discrete(num, den):
            if _is(num, 1):
                return [_becomes(stage, "reciprocal", den)]
            inverse = self.new(stage, "reciprocal", den)
            return [inverse, _becomes(stage, "mul", num, inverse.out)]
        case _:
            return None


def _turned_sigmoid(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``cosigmoid(-x)``, which is what is left of ``a/(1 + exp(-x))``, -> ``sigmoid(x)``."""
    negated = self.maker(stage.args[0], "neg") if stage.op == "cosigmoid" else None
    if negated is None:
        return None
    self.through(negated)
    return [_becomes(stage, "sigmoid", negated.args[0], **_lib(stage))]


# ---------------------------------------------------------------------------------------------- fine


def _opened(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """A gate -> the sums, products, exponentials and reciprocals that it is made of."""
    opener = _OPENERS.get(stage.op)
    return opener(self, stage) if opener is not None and stage.out.type.kind == "float" else None


def _open_difference(self: _Restaging, stage: Stage) -> list[Stage]:
    x, y = stage.args
    number = _number(y)
    if number is not None:
        return [_becomes(stage, "add", x, literal(-number))]
    turned = self.new(stage, "mul", literal(-1.0), y)
    return [turned, _becomes(stage, "add", x, turned.out)]


def _open_negation(self: _Restaging, stage: Stage) -> list[Stage]:
    return [_becomes(stage, "mul", literal(-1.0), stage.args[0])]


def _open_division(self: _Restaging, stage: Stage) -> list[Stage] | None:
    num, den = stage.args
    number = _number(den)
    if number:
        return [_becomes(stage, "mul", num, literal(1.0 / number))]
    return _reciprocal(self, stage)


def _open_sigmoid(self: _Restaging, stage: Stage) -> list[Stage]:
    """The sigmoid's circuit: times -1, exp, plus 1, 1/x."""
    found: list[Stage] = []
    exponent = stage.args[-1]
    if stage.op == "sigmoid":
        found.append(self.new(stage, "mul", literal(-1.0), exponent))
        exponent = found[-1].out
    grown = self.new(stage, "exp", exponent, **_lib(stage))
    total = self.new(stage, "add", literal(1.0), grown.out)
    found += [grown, total]
    if stage.op != "growth":
        return [*found, _becomes(stage, "reciprocal", total.out)]
    inverse = self.new(stage, "reciprocal", total.out)
    return [*found, inverse, _becomes(stage, "mul", stage.args[0], inverse.out)]


def _open_power(self: _Restaging, stage: Stage) -> list[Stage] | None:
    """``x**n`` -> products, by repeated squaring; a negative power is the reciprocal of the positive one."""
    named = {op: n for n, op in _PRODUCTS.items()}
    n = named.get(stage.op) or whole(_number(stage.args[-1]))
    if n is None or n == 0 or abs(n) > _LARGEST_PRODUCT:
        return None
    found: list[Stage] = []
    power = stage.args[0]
    for bit in bin(abs(n))[3:]:
        found.append(self.new(stage, "mul", power, power))
        if bit == "1":
            found.append(self.new(stage, "mul", found[-1].out, stage.args[0]))
        power = found[-1].out
    if n < 0:
        return [*found, _becomes(stage, "reciprocal", power)]
    return [*found[:-1], replace(found[-1], out=stage.out)] if found else [_becomes(stage, "copy", power)]


_OPENERS: dict[str, Recogniser] = {
    "sub": _open_difference, "neg": _open_negation, "div": _open_division,
    "sigmoid": _open_sigmoid, "cosigmoid": _open_sigmoid, "growth": _open_sigmoid,
    "square": _open_power, "cube": _open_power, "quartic": _open_power, "powi": _open_power,
}  # fmt: skip

_EVERY = (_checked_division, _whole_power)
_LEVELS: dict[str, tuple[Recogniser, ...]] = {
    "user": (*_EVERY, _logistic),
    "gates": (*_EVERY, _exp_over_one_plus_exp, _logistic, _softplus, _log_of_sum, _tanh, _turned_sigmoid, _square, _reciprocal),
    "fine": (*_EVERY, _opened),
}
