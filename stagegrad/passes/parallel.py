"""Loops of a function that run on several threads: IR -> IR for the target "numba".

    for i in range(n):                parts = max(1, min(256, n // 1000))
        loss += f(x[i])               loss_parts = zeros(parts)
        dx[i] = ...            ->     for part in prange(parts):          # a loop whose trips run at once
                                          loss = 0.0
                                          for i in range(n * part // parts, n * (part + 1) // parts):
                                              loss += f(x[i])
                                              dx[i] = ...
                                          loss_parts[part] = loss
                                      for part in range(parts):
                                          loss += loss_parts[part]

Each part has sums of its own, which are added in the order of the parts: the result depends neither on the number of threads nor on
which of them was faster. A loop can be cut so where its trips do nothing together but add to numbers, and where each writes to elements
of arrays that no other trip touches. `in_parallel` refuses a function that has loops none of which can: where a gradient adds to elements
that several trips share, for one, two threads would overwrite each other's sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stagegrad.errors import Problem, UnsupportedError
from stagegrad.ir import (
    BOOL,
    FLOAT,
    INT,
    Atom,
    Block,
    Carry,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Module,
    Raise,
    Stage,
    Stmt,
    Type,
    Var,
    While,
    walk,
)  # fmt: skip
from stagegrad.ops import find, literal
from stagegrad.reverse.one_pass import only_sums

#: What a part must have to do, in nanoseconds, to be worth a thread.
_WORTH = 20_000
#: How many trips an inner loop is taken to have.
_TRIPS = 10
_SIZES = frozenset({"size", "extent", "count", "zeros_like"})
_ADVICE = "the same, compiled without parallel=True"


def in_parallel(module: Module) -> Module:
    """The module with the loops of its main function on several threads."""
    main = module.main
    found = _Threads(main)
    body = replace(main.body, stmts=tuple(found.statements()))
    if found.problems and not found.cut:
        raise UnsupportedError(found.problems)
    return Module((replace(main, body=body), *module.functions[1:]))


class _Threads:
    """The statements of a function's body, with loops cut into parts."""

    def __init__(self, main: Function) -> None:
        self.main, self.fresh = main, Fresh(main)
        self.problems: list[Problem] = []
        self.cut = 0

    def statements(self) -> Iterator[Stmt]:
        for stmt in self.main.body.stmts:
            if not isinstance(stmt, For):
                yield stmt
                continue
            obstacle = _obstacle(stmt)
            if obstacle is None:
                self.cut += 1
                yield from _Cut(stmt, self.fresh).statements()
                continue
            self.problems.append(Problem(f"this loop cannot run in parallel: {obstacle}", stmt.span, _ADVICE))
            yield stmt


@dataclass(frozen=True)
class _Sum:
    """A number that all parts add to: what it is before the loop and after, and the array with a place for each part's sum."""

    init: Atom
    out: Var
    parts: Carry


class _Cut:
    """One loop, cut into parts."""

    def __init__(self, loop: For, fresh: Fresh) -> None:
        self.loop, self.fresh = loop, fresh
        self.stmts: list[Stmt] = []

    def statements(self) -> list[Stmt]:
        """What stands in the loop's place."""
        loop = self.loop
        simple = loop.start == literal(0) and loop.step == literal(1)
        trips = loop.stop if simple else self.emit("trip_count", loop.start, loop.stop, loop.step, name="trips")
        parts = self.emit("parts", trips, name="parts", least=_least(loop.body))
        part, done = self.fresh.var("part", INT), self.fresh.var("done", FLOAT)
        sums = [self.sum(carry.out, carry.init, parts) for carry in loop.carries if not carry.var.type.rank]
        # What a part raises is lost in its thread; that it did not come to its end is seen.
        sums.append(self.sum(done, literal(0.0), parts))
        arrays = {c: Carry(self.fresh.like(c.var), c.init, c.out) for c in loop.carries if c.var.type.rank}
        body = self.part(part, trips, parts, arrays, [one.parts.var for one in sums])
        carries = (*arrays.values(), *(one.parts for one in sums))
        self.stmts.append(For(part, literal(0), parts, literal(1), carries, body, span=loop.span, parallel=True))
        self.total(parts, sums)
        self.stmts.append(Raise(self.emit("lt", done, parts, type=BOOL), "RuntimeError", ("a part of a loop raised an error",)))
        return self.stmts

    def emit(self, op: str, *args: Atom, name: str = "", type: Type = INT, **attrs: int) -> Var:
        out = self.fresh.var(name, type)
        self.stmts.append(Stage(out, op, args, tuple(attrs.items())))
        return out

    def sum(self, out: Var, init: Atom, parts: Var) -> _Sum:
        """A sum with room for those of the parts."""
        type_, name = replace(out.type, rank=1), f"{out.name or 'sum'}_parts"
        attrs = {"bits": 32} if type_.bits == 32 else {}
        room = self.emit("zeros", parts, name=name, type=type_, **attrs)
        return _Sum(init, out, Carry(self.fresh.like(room), room, self.fresh.like(room)))

    def part(self, part: Var, trips: Atom, parts: Var, arrays: dict[Carry, Carry], rooms: Sequence[Var]) -> Block:
        """One part of the loop: the trips from ``trips * part // parts`` on."""
        outer, self.stmts = self.stmts, []
        loop = self.loop
        start = self.place(part, trips, parts)
        stop = self.place(self.emit("add", part, literal(1)), trips, parts)
        inits = [arrays[c].var if c in arrays else Lit(0.0, c.var.type) for c in loop.carries]
        carries = tuple(Carry(c.var, init, self.fresh.like(c.out)) for c, init in zip(loop.carries, inits, strict=True))
        self.stmts.append(replace(loop, start=start, stop=stop, carries=carries))
        found: list[Atom] = [*(carry.out for carry in carries if not carry.var.type.rank), literal(1.0)]
        filled = [self.emit("store", room, part, value, name=room.name, type=room.type) for room, value in zip(rooms, found, strict=True)]
        stmts, self.stmts = self.stmts, outer
        return Block(tuple(stmts), (*(carry.out for carry in carries if carry.var.type.rank), *filled))

    def place(self, part: Atom, trips: Atom, parts: Var) -> Var:
        """Where a part begins: ``start + step * (trips * part // parts)``."""
        loop = self.loop
        trip = self.emit("floordiv", self.emit("mul", trips, part), parts)
        if loop.step != literal(1):
            trip = self.emit("mul", loop.step, trip)
        return trip if loop.start == literal(0) else self.emit("add", loop.start, trip)

    def total(self, parts: Var, sums: Sequence[_Sum]) -> None:
        """Adds the sums of the parts, in their order."""
        part = self.fresh.var("part", INT)
        carries = tuple(Carry(self.fresh.like(one.out), one.init, one.out) for one in sums)
        found = [self.fresh.var("", one.out.type) for one in sums]
        totals = [self.fresh.like(one.out) for one in sums]
        loads = [Stage(value, "load", (one.parts.out, part)) for value, one in zip(found, sums, strict=True)]
        adds = [Stage(total, "add", (carry.var, value)) for total, carry, value in zip(totals, carries, found, strict=True)]
        body = Block((*loads, *adds), tuple(totals))
        self.stmts.append(For(part, literal(0), parts, literal(1), carries, body, span=self.loop.span))


def _least(body: Block) -> int:
    """How many trips are worth a thread, by what one of them takes."""
    return max(1, round(_WORTH / max(1.0, _cost(body))))


def _cost(body: Block) -> float:
    """About the nanoseconds that a block takes."""
    found = 0.0
    for stmt in body.stmts:
        match stmt:
            case Stage():
                found += find(stmt.op).cost
            case For() | While():
                found += _TRIPS * _cost(stmt.body)
            case If():
                found += max(_cost(stmt.then), _cost(stmt.orelse))
    return found


# ---------------------------------------------------------------------------------------------- can a loop be cut?


def _obstacle(loop: For) -> str | None:
    """Why the trips of a loop cannot run at once; None where they can."""
    if loop.until is not None:
        return "it may end before its range does"
    if any(isinstance(stmt, Raise) for stmt in walk(loop.body)):
        return "it raises an error"  # Numba then leaves it to one thread
    for carry in loop.carries:
        name = carry.var.name or "a value"
        if carry.var.type.rank:
            if not _has_elements_of_its_own(loop, carry):
                return f"several trips read or write the same elements of `{name}`"
        elif carry.var.type.kind != "float" or not only_sums(loop, [carry]):
            return f"a trip needs `{name}` from the trip before it"
    return None


def _has_elements_of_its_own(loop: For, carry: Carry) -> bool:
    """Does each trip read and write only those elements of an array, or rows of it, that its own number chooses?"""
    versions = _versions(loop, carry)
    if loop.body.results[loop.carries.index(carry)] not in versions:
        return False
    for stmt in walk(loop.body):
        if isinstance(stmt, Stage) and not versions.isdisjoint(stmt.args) and stmt.op not in _SIZES:
            attrs = dict(stmt.attrs)
            first = str(attrs.get("at", "[{0}]")).startswith("[{0}") and not attrs.get("gather")
            is_access = stmt.op in ("load", "store", "accumulate") and stmt.args[0] in versions and versions.isdisjoint(stmt.args[1:])
            if not (is_access and first and stmt.args[1] == loop.index):
                return False
    return all(versions.issuperset(sources) or versions.isdisjoint(sources) for sources in _joins(loop.body).values())


def _versions(loop: For, carry: Carry) -> set[Atom]:
    """An array as it enters a trip, and all that the trip's writes make of it."""
    found: set[Atom] = {carry.var}
    joins = _joins(loop.body)
    writes = [stmt for stmt in walk(loop.body) if isinstance(stmt, Stage) and stmt.op in ("store", "accumulate")]
    size = 0
    while size != (size := len(found)):
        found |= {stage.out for stage in writes if stage.args[0] in found}
        found |= {out for out, sources in joins.items() if not found.isdisjoint(sources)}
    return found


def _joins(body: Block) -> dict[Var, tuple[Atom, ...]]:
    """What the values of branches and inner loops may be."""
    found: dict[Var, tuple[Atom, ...]] = {}
    for stmt in walk(body):
        if isinstance(stmt, If):
            found |= dict(zip(stmt.outs, zip(stmt.then.results, stmt.orelse.results, strict=True), strict=True))
        elif isinstance(stmt, (For, While)):
            for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                found[carry.var] = found[carry.out] = (carry.init, result)
    return found
