"""IR -> IR whose backward loops hand gradients on by the slope of a whole trip, so that no long chain leads from one trip to the next.

    for trip in range(n - 1, -1, -1):        for trip in range(n - 1, -1, -1):
        rx = r * x_tape[trip]                    rx = r * x_tape[trip]
        onemx = 1.0 - x_tape[trip]               onemx = 1.0 - x_tape[trip]
        drx = onemx * dx                 ->      dr = dr + (x_tape[trip] * onemx) * dx
        donemx = rx * dx                         dx = (r * onemx - rx) * dx
        dr = dr + x_tape[trip] * drx
        dx = r * drx - donemx

All that a trip does with gradients is linear in those that it is given, and its slopes are made of what was recorded: a processor
works at the slopes of several trips at once, and waits for one product a trip. Of gradients that are mixed the slopes would be several
times the work: a value that is made of two is one of its own. What jumps is never made of what is changed here: no last bit of it
decides anything. The user's own values, in the forward pass, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from stagegrad.analysis import needed, reached
from stagegrad.ir import (
    FLOAT,
    Atom,
    Block,
    Call,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Remark,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    uses,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.ops import Builder, find, literal

#: Where the part of a function begins that computes gradients.
_BACKWARD = Remark("backward pass")
#: What they give depends on the shapes of arrays alone.
_SHAPES = frozenset({"extent", "size", "count"})
_ONE, _MINUS = literal(1.0), literal(-1.0)
#: What a trip takes, in cycles: until a result is there, and of the time in which nothing else of its kind can run.
_LATENCY = {"add": 4.0, "sub": 4.0, "mul": 4.0, "neg": 1.0, "copy": 0.0, "div": 14.0, "divided": 14.0, "sqrt": 18.0}
_BUSY = {"copy": 0.0, "div": 4.0, "divided": 4.0, "sqrt": 6.0, "load": 0.5, "store": 1.0, "accumulate": 1.5}


def trip_slopes(module: Module) -> Module:
    """The module with the slopes of the trips of its backward loops, where a trip is shorter for it."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    if _BACKWARD not in function.body.stmts:
        return function
    behind = function.body.stmts.index(_BACKWARD)
    if not any(isinstance(stmt, For) for stmt in function.body.stmts[behind:]):
        return function
    walker = _Loops(function)
    stmts = (*function.body.stmts[:behind], *map(walker.stmt, function.body.stmts[behind:]))
    return replace(function, body=replace(function.body, stmts=stmts))


class _Loops:
    """One walk through the backward pass of a function."""

    def __init__(self, function: Function) -> None:
        self.fresh, self.decide = Fresh(function), _decisive(function)

    def stmt(self, stmt: Stmt) -> Stmt:
        """A statement with the loops in it changed that have none inside."""
        if not isinstance(stmt, For) or any(isinstance(inner, (For, While)) for inner in walk(stmt.body)):
            return with_blocks(stmt, lambda block: replace(block, stmts=tuple(map(self.stmt, block.stmts))))
        hubs = _handed_on(stmt)
        if not hubs or not self.decide.isdisjoint(hubs) or any(isinstance(inner, (Call, Raise)) for inner in walk(stmt.body)):
            return stmt
        changed = replace(stmt, body=needed(_Trip(self.fresh, stmt, hubs).body()))
        return changed if _cycles(changed, hubs) < _cycles(stmt, hubs) else stmt


def _decisive(function: Function) -> set[Atom]:
    """The values that something is made of which jumps, or which another function is given: they stay as they are to the last bit."""
    roots, flows = set[Atom](), list[tuple[Atom, Atom]]()
    for stmt in walk(function.body):
        match stmt:
            case Stage(op=op) if stmt.out.type.kind == "float" and find(op).kind != "flat":
                flows += [(stmt.out, arg) for arg in stmt.args]
            case If():
                flows += [pair for arm in (stmt.then, stmt.orelse) for pair in zip(stmt.outs, arm.results, strict=True)]
            case For() | While():
                for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                    flows += [(carry.out, carry.var), (carry.var, carry.init), (carry.var, result)]
            case Stage(op=op) if op in _SHAPES:
                pass
            case _:
                roots.update(uses(stmt))
    return reached(roots, ((source, to) for source, to in flows if isinstance(to, Var)))


def _handed_on(loop: For) -> list[Var]:
    """The numbers that a trip is given by the one before, and makes the next ones of; what it yields of others is known without it."""
    hubs = {carry.var for carry in loop.carries if carry.var.type == FLOAT}
    while True:
        made = _made_of(loop.body, {*hubs, *(carry.var for carry in loop.carries if carry.var.type.rank)})
        ends = zip(loop.carries, loop.body.results, strict=True)
        kept = {carry.var for carry, result in ends if carry.var in hubs and result in made}
        if kept == hubs:
            return [carry.var for carry in loop.carries if carry.var in hubs]
        hubs = kept


def _made_of(block: Block, seeds: Iterable[Var]) -> set[Atom]:
    """The values in a block that depend on these."""
    flows: list[tuple[Atom, Var]] = []
    for stmt in walk(block):
        flows += [(atom, out) for atom in uses(stmt) for out in binds(stmt)]
        if isinstance(stmt, If):
            flows += [pair for arm in (stmt.then, stmt.orelse) for pair in zip(arm.results, stmt.outs, strict=True)]
    return reached(seeds, flows)


# ---------------------------------------------------------------------------------------------- one trip


@dataclass(frozen=True)
class _Sum:
    """``known + slope * gradient + ...``: a number that is linear in the gradients that a trip was given, or has made of them."""

    slopes: Mapping[Var, Atom]
    known: Atom | None = None


class _Trip:
    """The body of a loop, written anew: what is linear in gradients is a `_Sum` until it is asked for as a number."""

    def __init__(self, fresh: Fresh, loop: For, hubs: list[Var]) -> None:
        self.fresh, self.loop, self.hubs = fresh, loop, hubs
        arrays = (carry.var for carry in loop.carries if carry.var.type.rank)
        self.made = _made_of(loop.body, {*hubs, *arrays})

    def body(self) -> Block:
        """The body; what it does with arrays and in which order it stays the same."""
        return self.block(self.loop.body, {hub: _Sum({hub: _ONE}) for hub in self.hubs})

    def block(self, block: Block, outside: Mapping[Var, _Sum]) -> Block:
        """A block, with the sums that are known outside of it."""
        sums, builder = dict(outside), Builder(self.fresh)
        for stmt in block.stmts:
            match stmt:
                case Stage():
                    self.stage(stmt, sums, builder)
                case If():
                    arms = (self.block(arm, sums) for arm in (stmt.then, stmt.orelse))
                    builder.stmts.append(replace(stmt, then=next(arms), orelse=next(arms)))
                    sums |= {out: _Sum({out: _ONE}) for out in stmt.outs if out in self.made and out.type == FLOAT}
                case _:
                    builder.stmts.append(stmt)
        # What the trips after this one wait for is computed last: until then its word means what this one was given.
        order = sorted(range(len(block.results)), key=lambda k: self.is_successor(block.results[k], sums))
        results = {k: self.number(block.results[k], sums, builder) for k in order}
        return Block(tuple(builder.stmts), tuple(results[k] for k in range(len(block.results))))

    def is_successor(self, result: Atom, sums: Mapping[Var, _Sum]) -> bool:
        """Does a result overwrite, under the same word, a gradient that it is more than a sum with?"""
        if not isinstance(result, Var) or result not in sums:
            return False
        return any(hub.name == result.name and slope != _ONE for hub, slope in sums[result].slopes.items())

    def stage(self, stage: Stage, sums: dict[Var, _Sum], builder: Builder) -> None:
        """A stage: a sum, where it is linear in gradients; a number that begins sums of its own, where it is anything else of them."""
        if stage.out not in self.made:
            builder.stmts.append(stage)
            return
        found = self.linear(stage, sums, builder) if stage.out.type == FLOAT else None
        if found is not None and sum(slope not in (_ONE, _MINUS) for slope in found.slopes.values()) <= 1:
            sums[stage.out] = found  # with more, the slopes would be the work of so many trips
            return
        builder.stmts.append(replace(stage, args=tuple(self.number(arg, sums, builder) for arg in stage.args)))
        if stage.out.type == FLOAT:
            sums[stage.out] = _Sum({stage.out: _ONE})

    def linear(self, stage: Stage, sums: Mapping[Var, _Sum], builder: Builder) -> _Sum | None:
        """The sum that a stage makes of sums; None where it makes something else."""
        parts = [sums.get(arg) if isinstance(arg, Var) else None for arg in stage.args]
        match stage.op, parts:
            case "copy", [_Sum() as only]:
                return only
            case "neg", [_Sum() as only]:
                return self.each(only, "neg", None, builder)
            case "mul", [_Sum() as one, None]:
                return self.each(one, "mul", stage.args[1], builder)
            case "mul", [None, _Sum() as other]:
                return self.each(other, "mul", stage.args[0], builder)
            case "div" | "divided", [_Sum() as above, None]:
                return self.each(above, stage.op, stage.args[1], builder)
            case "add" | "sub", [_, _]:
                one, other = (_Sum({}, arg) if part is None else part for arg, part in zip(stage.args, parts, strict=True))
                return self.together(one, other if stage.op == "add" else self.each(other, "neg", None, builder), builder)
            case _:
                return None

    def each(self, terms: _Sum, op: str, by: Atom | None, builder: Builder) -> _Sum:
        """A sum each of whose terms is negated, multiplied or divided."""

        def changed(slope: Atom) -> Atom:
            if by is None:
                return _opposite(slope, builder)
            return _opposite(by, builder) if slope == _MINUS and op == "mul" else builder.emit(op, slope, by)

        return _Sum({hub: changed(slope) for hub, slope in terms.slopes.items()}, None if terms.known is None else changed(terms.known))

    def together(self, one: _Sum, other: _Sum, builder: Builder) -> _Sum:
        """The sum of two sums."""
        slopes = dict(one.slopes)
        for hub, slope in other.slopes.items():
            slopes[hub] = _plus(slopes[hub], slope, builder) if hub in slopes else slope
        if one.known is None or other.known is None:
            return _Sum(slopes, other.known if one.known is None else one.known)
        return _Sum(slopes, _plus(one.known, other.known, builder))

    def number(self, atom: Atom, sums: dict[Var, _Sum], builder: Builder) -> Atom:
        """A sum as a number, under the word of the value that it is; anything else as it is."""
        found = sums.get(atom) if isinstance(atom, Var) else None
        if found is None or not isinstance(atom, Var) or found.slopes == {atom: _ONE}:
            return atom
        # What has come this far in a chain of its own comes first, products of slopes are added to it.
        terms = sorted(found.slopes.items(), key=lambda term: term[1] != _ONE)
        total = found.known
        for hub, slope in terms:
            product = _product(slope, hub, builder)
            total = product if total is None else _plus(total, product, builder)
        assert total is not None
        last = builder.stmts[-1] if builder.stmts else None
        if isinstance(last, Stage) and last.out == total and not last.out.name:
            named = self.fresh.like(atom)
            builder.stmts[-1], total = replace(last, out=named), named
        if isinstance(total, Var):
            sums[atom] = sums[total] = _Sum({total: _ONE})
        return total


def _opposite(atom: Atom, builder: Builder) -> Atom:
    made = builder.definition(atom)
    return made.args[0] if made is not None and made.op == "neg" else builder.emit("neg", atom)


def _product(slope: Atom, hub: Var, builder: Builder) -> Atom:
    return _opposite(hub, builder) if slope == _MINUS else hub if slope == _ONE else builder.emit("mul", slope, hub)


def _plus(one: Atom, other: Atom, builder: Builder) -> Atom:
    """``one + other``, by a subtraction where either is negated."""
    if isinstance(one, Lit) and isinstance(other, Lit) and one.value is not None and other.value is not None:
        return literal(float(one.value + other.value))
    for first, second in ((one, other), (other, one)):
        made = builder.definition(second)
        if made is not None and made.op == "neg":
            return builder.emit("sub", first, made.args[0])
    return builder.emit("add", one, other)


# ---------------------------------------------------------------------------------------------- what a trip takes


def _cycles(loop: For, hubs: list[Var]) -> float:
    """About how long a trip takes, in cycles: how long the trip after it has to wait, and what its operations take side by side."""
    ends = {carry.var: result for carry, result in zip(loop.carries, loop.body.results, strict=True)}
    ways: dict[tuple[Var, Var], float] = {}
    for hub in hubs:
        there = {hub: 0.0}
        _wait(loop.body, there)
        ways |= {(hub, to): there[end] for to in hubs if isinstance(end := ends[to], Var) and end in there}
    chains = [(way + ways[to, hub]) / 2 for (hub, to), way in ways.items() if (to, hub) in ways]
    return max(chains, default=0.0) + _busy(loop.body)


def _wait(block: Block, there: dict[Var, float]) -> None:
    """When the values of a block are there that wait for others; `there` holds when those are, and receives them."""
    for stmt in block.stmts:
        if isinstance(stmt, If):
            for arm in (stmt.then, stmt.orelse):
                _wait(arm, there)
                for out, result in zip(stmt.outs, arm.results, strict=True):
                    if isinstance(result, Var) and result in there:
                        there[out] = max(there[result], there.get(out, 0.0))
        elif isinstance(stmt, Stage):
            before = [there[arg] for arg in variables(stmt.args) if arg in there]
            if before:
                there[stmt.out] = max(before) + _LATENCY.get(stmt.op, 4.0 * find(stmt.op).cost)


def _busy(block: Block) -> float:
    """For how long a processor is busy with a block, if it never has to wait."""
    total = 0.0
    for stmt in block.stmts:
        if isinstance(stmt, If):
            total += 1.0 + (_busy(stmt.then) + _busy(stmt.orelse)) / 2
        elif isinstance(stmt, Stage):
            total += _BUSY.get(stmt.op, 0.5 * find(stmt.op).cost)
    return total
