"""Facts about a function that several passes ask for; nothing here changes a function.

`active` says which values a gradient passes through; `needed` says which part of a block its results depend on; `memory_of` says
where arrays lie that are written in place, and `Rows` which of their rows lie apart; `unbound` which values a path may leave undefined;
`reachable` which functions of a module are called at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from stagegrad.ir import (
    INT,
    Atom,
    Block,
    Call,
    For,
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
    inner_binds,
    uses,
    variables,
    walk,
)  # fmt: skip
from stagegrad.ops import find

_CUT = {
    "to_int", "size", "extent", "count", "zeros", "zeros_like", "tape_float", "tape_int", "tape_bool", "is_true", "trip_count", "to_float",
}  # fmt: skip


def passes_gradient(stage: Stage) -> bool:
    """Does a gradient flow from the result of this stage to its operands?"""
    return stage.out.type.kind == "float" and find(stage.op).kind != "flat" and stage.op not in _CUT


def active(function: Function, wrt: Iterable[Var]) -> set[Var]:
    """The float values that depend on `wrt` and that the function's results depend on."""
    return varied(function.body, set(wrt)) & useful(function.body, set(variables(function.body.results)))


def varied(block: Block, seeds: set[Var]) -> set[Var]:
    """The values of a block, and of the blocks inside it, that depend on `seeds` through slopes."""
    found = set(seeds)
    _vary(block, found)
    return found


def _vary(block: Block, found: set[Var]) -> None:
    for stmt in block.stmts:
        match stmt:
            case Stage():
                if passes_gradient(stmt) and not found.isdisjoint(variables(stmt.args)):
                    found.add(stmt.out)
            case Call():
                if any(a in found for a in variables(stmt.args)):
                    found.update(out for out in stmt.outs if out.type.kind == "float")
            case If():
                _vary(stmt.then, found)
                _vary(stmt.orelse, found)
                for out, a, b in zip(stmt.outs, stmt.then.results, stmt.orelse.results, strict=True):
                    if a in found or b in found:
                        found.add(out)
            case For() | While():
                _vary_loop(stmt, found)
            case Raise() | Remark():
                pass
            case _:
                raise TypeError(f"not a statement: {stmt!r}")


def _vary_loop(loop: For | While, found: set[Var]) -> None:
    size = -1
    found.update(c.var for c in loop.carries if c.init in found)
    while size != len(found):
        size = len(found)
        _vary(loop.body, found)
        found.update(c.var for c, result in zip(loop.carries, loop.body.results, strict=True) if result in found)
    found.update(c.out for c in loop.carries if c.var in found)


def useful(block: Block, seeds: set[Var]) -> set[Var]:
    """The float values of a block, and of the blocks inside it, that `seeds` depend on through slopes."""
    found = {seed for seed in seeds if seed.type.kind == "float"}
    _use(block, found)
    return found


def _use(block: Block, found: set[Var]) -> None:
    for stmt in reversed(block.stmts):
        match stmt:
            case Stage():
                if stmt.out in found and passes_gradient(stmt):
                    found.update(a for a in variables(stmt.args) if a.type.kind == "float")
            case Call():
                if not found.isdisjoint(stmt.outs):
                    found.update(a for a in variables(stmt.args) if a.type.kind == "float")
            case If():
                for arm in (stmt.then, stmt.orelse):
                    found.update(variables(r for out, r in zip(stmt.outs, arm.results, strict=True) if out in found))
                    _use(arm, found)
            case For() | While():
                _use_loop(stmt, found)
            case Raise() | Remark():
                pass
            case _:
                raise TypeError(f"not a statement: {stmt!r}")


def _use_loop(loop: For | While, found: set[Var]) -> None:
    size = -1
    found.update(c.var for c in loop.carries if c.out in found)  # after the last trip, they are one value
    while size != len(found):
        size = len(found)
        found.update(variables(r for c, r in zip(loop.carries, loop.body.results, strict=True) if c.var in found))
        _use(loop.body, found)
    found.update(variables(c.init for c in loop.carries if c.var in found))


def needed(block: Block, keep_effects: bool = False) -> Block:
    """The part of a block that its results depend on: ``a = 1; b = a; c = a -> yield b`` loses ``c``.

    With `keep_effects`, what raises is kept, and calls too (they may raise).
    """
    return _Pruner(keep_effects).block(block)[0]


class _Pruner:
    """Walks a block backwards with the values still to be read; each method also returns what its result reads from outside."""

    def __init__(self, effects: bool) -> None:
        self.effects = effects

    def block(self, block: Block, live: Iterable[Var] = ()) -> tuple[Block, set[Var]]:
        reading = {*variables(block.results), *live}
        kept: list[Stmt] = []
        for stmt in reversed(block.stmts):
            narrowed, inside = self.stmt(stmt, reading)
            if narrowed is None:
                continue
            reading.difference_update(binds(narrowed))
            reading |= inside
            reading.update(variables(uses(narrowed)))
            kept.append(narrowed)
        return Block(tuple(reversed(kept)), block.results), reading

    def stmt(self, stmt: Stmt, reading: set[Var]) -> tuple[Stmt | None, set[Var]]:
        """The statement without the outs that nobody reads; None where nothing is left of it."""
        match stmt:
            case Stage():
                return (stmt if stmt.out in reading else None), set()
            case Call():
                return (stmt if self.effects or not reading.isdisjoint(stmt.outs) else None), set()
            case If():
                return self.branch(stmt, reading)
            case For() | While():
                return self.loop(stmt, reading)
            case Raise():
                return (stmt if self.effects else None), set()
            case Remark():
                return stmt, set()
            case _:
                raise TypeError(f"not a statement: {stmt!r}")

    def branch(self, stmt: If, reading: set[Var]) -> tuple[If | None, set[Var]]:
        kept = [k for k, out in enumerate(stmt.outs) if out in reading]
        then, of_then = self.block(Block(stmt.then.stmts, tuple(stmt.then.results[k] for k in kept)))
        orelse, of_orelse = self.block(Block(stmt.orelse.stmts, tuple(stmt.orelse.results[k] for k in kept)))
        if not (kept or _computes(then) or _computes(orelse)):
            return None, set()
        return If(stmt.test, then, orelse, tuple(stmt.outs[k] for k in kept), stmt.note, stmt.span), of_then | of_orelse

    def loop(self, loop: For | While, reading: set[Var]) -> tuple[For | While | None, set[Var]]:
        kept = {k for k, c in enumerate(loop.carries) if c.out in reading or c.var == loop.until}
        test, of_test = self.block(loop.test) if isinstance(loop, While) else (None, set())
        while True:
            body, inside = self.block(Block(loop.body.stmts, tuple(loop.body.results[k] for k in sorted(kept))))
            inside |= of_test
            more = kept | {k for k, c in enumerate(loop.carries) if c.var in inside}
            if more == kept:
                break
            kept = more
        carries = tuple(loop.carries[k] for k in sorted(kept))
        wanted = any(c.out in reading for c in carries)
        if not wanted and not (self.effects and (_computes(body) or isinstance(loop, While))):
            return None, set()
        inside.difference_update(inner_binds(loop))
        if isinstance(loop, While):
            assert test is not None
            return While(carries, test, body, loop.until, loop.span), inside
        return replace(loop, carries=carries, body=body), inside


def _computes(block: Block) -> bool:
    return any(not isinstance(stmt, Remark) for stmt in block.stmts)


def memory_of(body: Block) -> Callable[[Atom], Atom]:
    """Says of an array where its memory comes from: back through writes, branches and loops that hand their buffer on, to what made it.

    Whatever it is not certain of stands for itself.
    """
    makers = {var: stmt for stmt in walk(body) for var in binds(stmt)}
    known = dict[Atom, Atom]()

    def home(atom: Atom) -> Atom:
        way = list[Atom]()
        while atom not in known:
            before = back(atom, makers[atom]) if isinstance(atom, Var) and atom in makers else atom
            way.append(atom)
            if before == atom:
                known[atom] = atom
            atom = before
        known.update(dict.fromkeys(way, known[atom]))
        return known[atom]

    def back(out: Var, stmt: Stmt) -> Atom:
        match stmt:
            case Stage(op="store" | "accumulate", args=args):
                return args[0]
            case Call(outs=outs, args=args, onto=onto):
                return next((args[argument] for result, argument in onto if outs[result] == out), out)
            case For(carries=carries) | While(carries=carries):
                place = next(k for k, carry in enumerate(carries) if carry.out == out)
                return carries[place].init if home(stmt.body.results[place]) == carries[place].var else out
            case If():
                first, second = (home(arm.results[stmt.outs.index(out)]) for arm in (stmt.then, stmt.orelse))
                return first if first == second else out
            case _:
                return out

    return home


#: The index of a loop, and whether how many trips came before is meant: ``k - start``.
Counted: TypeAlias = tuple[Var, bool]


class Rows:
    """Which rows of one array are certainly different ones, so that what is written to the one is not seen in the other.

    A trip that reads ``u = tape[k]`` and writes ``tape[k + 1, i, j] = ...`` needs no copy of u. That is certain where both are counted
    from one loop's index, and neither can be negative, which would count from the end.
    """

    def __init__(self, function: Function) -> None:
        self.home, self._arrays = memory_of(function.body), dict[Atom, Atom]()
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        loops = [stmt for stmt in walk(function.body) if isinstance(stmt, (For, While))]
        self.loops = {loop.index: loop for loop in loops if isinstance(loop, For)}
        carries = [pair for loop in loops for pair in zip(loop.carries, loop.body.results, strict=True)]
        self.carried = {carry.var: (carry.init, result) for carry, result in carries}

    def are_apart(self, written: Stage, view: Var) -> bool:
        """Is a view a row, or part of one, of the array that a stage writes to, and not of the row that it writes?"""
        made = self.makers.get(view)
        one = self.row(made, made.args[1:]) if made is not None and made.op == "load" else None
        other = self.row(written, written.args[1:-1]) if one is not None else None
        if made is None or one is None or other is None or one[0] != other[0] or one[1] == other[1]:
            return False
        return self.array(made.args[0]) == self.array(written.args[0])

    def array(self, atom: Atom) -> Atom:
        """What an array was before all writes, and before the loops that only wrote to it."""
        if atom not in self._arrays:
            before = self.home(atom)
            if isinstance(before, Var) and before in self.carried:
                init, result = self.carried[before]
                before = init if self.home(result) == before else before
            self._arrays[atom] = atom if before == atom else self.array(before)
        return self._arrays[atom]

    def row(self, stage: Stage, indices: tuple[Atom, ...]) -> tuple[Counted, int] | None:
        """The row that a stage reads or writes: what it is counted from, and how far it is; None where it may count from the end."""
        attrs = dict(stage.attrs)
        first = str(attrs.get("at", "[{0}]")).strip("[]").split(",")[0]
        if first != "{0}" or attrs.get("gather") or not indices or indices[0].type != INT:
            return None
        index, ahead = indices[0], 0
        while isinstance(index, Var):
            made = self.makers.get(index)
            if index in self.loops:
                return ((index, False), ahead) if self.begins_at(index, ahead) else None
            match made:
                case Stage(op="add", args=(before, Lit(int() as number))):
                    index, ahead = before, ahead + number
                case Stage(op="sub", args=(Var() as before, start)) if before in self.loops and start == self.loops[before].start:
                    return ((before, True), ahead) if self.counts_up(before) and ahead >= 0 else None
                case _:
                    return None
        return None

    def begins_at(self, index: Var, ahead: int) -> bool:
        """Is a loop's index, and so many more, never negative?"""
        start = self.loops[index].start
        return self.counts_up(index) and isinstance(start, Lit) and isinstance(start.value, int) and start.value + ahead >= 0

    def counts_up(self, index: Var) -> bool:
        """Does a loop begin with the least of its indices?"""
        step = self.loops[index].step
        return isinstance(step, Lit) and isinstance(step.value, int) and step.value > 0


def unbound(function: Function) -> set[Var]:
    """The values that are undefined on some path."""
    becomes = list(flows(function))
    undefined = (target for source, target in becomes if isinstance(source, Lit) and source.value is None)
    return {*variables(reached(undefined, becomes))}


def reached(starts: Iterable[Atom], flows: Iterable[tuple[Atom, Var]]) -> set[Atom]:
    """The values that these become, themselves included, by way of pairs (a value, what it becomes)."""
    becomes: dict[Atom, list[Var]] = {}
    for source, to in flows:
        becomes.setdefault(source, []).append(to)
    found = set(starts)
    pending = list(found)
    while pending:
        for to in becomes.get(pending.pop(), ()):
            if to not in found:
                found.add(to)
                pending.append(to)
    return found


def flows(function: Function) -> Iterator[tuple[Atom, Var]]:
    """Every (value, the value that it becomes) of the function: at the ends of arms and trips, and where loops begin."""
    for stmt in walk(function.body):
        if isinstance(stmt, If):
            for arm in (stmt.then, stmt.orelse):
                yield from zip(arm.results, stmt.outs, strict=True)
        elif isinstance(stmt, (For, While)):
            for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                yield from ((carry.init, carry.var), (result, carry.var), (carry.var, carry.out))


def reachable(module: Module) -> Module:
    """The module without the functions that the main one does not call, directly or through others."""
    from_main = {module.main.name}
    pending = [module.main]
    while pending:
        for name in {stmt.fn for stmt in walk(pending.pop().body) if isinstance(stmt, Call)}:
            if name not in from_main:
                from_main.add(name)
                pending.append(module[name])
    return Module(tuple(function for function in module.functions if function.name in from_main))
