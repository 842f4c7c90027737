"""One loop, cut into parts that run at once, or that one thread runs where there is too little work for two."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from stagegrad.ir import (
    BOOL,
    FLOAT,
    INT,
    Atom,
    Attr,
    Block,
    Call,
    Carry,
    For,
    Fresh,
    Function,
    If,
    Lit,
    Raise,
    Shape,
    Stage,
    Stmt,
    Type,
    Var,
    bound,
    free,
    substitute,
    variables,
)  # fmt: skip
from stagegrad.ops import literal
from stagegrad.passes.parallel.independent import has_elements_of_its_own, is_scratch
from stagegrad.passes.parallel.steady import Steady, constants, needed_constants
from stagegrad.passes.parallel.work import least_trips

#: Into how many parts a loop is cut at most: enough for many threads to share them; fewer where each has arrays of its own.
_MOST, _MOST_WITH_ARRAYS = 256, 32

_ZERO, _ONE = literal(0), literal(1)


@dataclass(frozen=True)
class _Sum:
    """A number or an array that all parts add to, and the array with a place for each part's sum."""

    carry: Carry
    room: Var


class Cut:
    """`function` runs one part of a loop, `statements` what stands in the loop's place."""

    def __init__(self, loop: For, main: Function, fresh: Fresh, name: str, later: Container[Var]) -> None:
        self.main, self.fresh, self.name = main, fresh, name
        self.stmts: list[Stmt] = []
        self.original, self.loop = loop, self.upward(loop)
        self.own = [c for c in loop.carries if c.var.type.rank and has_elements_of_its_own(loop, c)]
        self.scratch = [c for c in loop.carries if c not in self.own and is_scratch(loop, c, later)]
        self.added = [c for c in loop.carries if c.var.type.rank and c not in (*self.own, *self.scratch)]
        self.numbers = [c for c in loop.carries if not c.var.type.rank]
        simple = self.loop.start == _ZERO and self.loop.step == _ONE
        self.trips = self.loop.stop if simple else self.emit("trip_count", self.loop.start, self.loop.stop, self.loop.step, name="trips")
        # What has no name in the function gets one as a parameter.
        self.params = {var: self.named(var, "trips" if var == self.trips else "given") for var in self._taken()}
        self.function = self._function()

    def emit(self, op: str, *args: Atom, name: str = "", type: Type = INT, attrs: tuple[tuple[str, Attr], ...] = ()) -> Var:
        out = self.fresh.var(name, type)
        self.stmts.append(Stage(out, op, args, attrs))
        return out

    def named(self, var: Var, name: str) -> Var:
        """A value that can be a parameter: this one, if it has a name."""
        return var if var.name else self.fresh.var(name, var.type)

    def array(self, carry: Carry) -> Var:
        """An array that parts write to, by one name wherever it is: a thread that gave it another would be in the way of the others."""
        names = (var.name for var in (carry.var, carry.out, carry.init) if isinstance(var, Var) and var.name)
        return self.fresh.var(next(names, "written"), carry.var.type)

    def upward(self, loop: For) -> For:
        """``range(n - 1, -1, -1)`` -> ``range(n)``: the order of the trips is nobody's, and LLVM sees that no index is negative."""
        if (loop.stop, loop.step) != (literal(-1), literal(-1)):
            return loop
        return replace(loop, start=_ZERO, stop=self.emit("add", loop.start, _ONE, name="trips"), step=_ONE)

    # ------------------------------------------------------------------------------------------ one part

    def _taken(self) -> list[Var]:
        """What a part takes from around the loop, in the order in which it is there; arrays that it writes to come last."""
        loop = self.loop
        order = [*self.main.params, *(var for stmt in self.main.body.stmts for var in _outs(stmt)), *(_outs_of(self.stmts))]
        wanted = free(loop.body) - {loop.index, *(carry.var for carry in loop.carries)}
        wanted |= set(variables((self.trips, loop.start, loop.step, *(carry.init for carry in (*self.added, *self.scratch)))))
        self.constants = needed_constants(wanted, constants(self.main.body.stmts))
        made = {stage.out for stage in self.constants}
        place = {var: k for k, var in enumerate(order)}
        return sorted(wanted - made, key=lambda var: (place.get(var, len(place)), var.name, var.version))

    def _function(self) -> Function:
        loop, outer, self.stmts = self.loop, self.stmts, [*self.constants]
        part, parts = self.fresh.var("part", INT), self.fresh.var("parts", INT)
        start = self.place(part, parts)
        stop = self.place(self.emit("add", part, _ONE), parts)
        given = {carry: self.array(carry) for carry in self.own}
        inits: dict[Carry, Atom] = {**given, **{carry: Lit(0.0, carry.var.type) for carry in self.numbers}}
        inits |= {carry: self.cleared(carry) for carry in (*self.added, *self.scratch)}
        outs = {carry: self.array(carry) if carry in self.own else self.fresh.like(carry.out) for carry in loop.carries}
        carries = tuple(Carry(carry.var, inits[carry], outs[carry]) for carry in loop.carries)
        self.stmts.append(replace(loop, start=start, stop=stop, carries=carries))
        found: list[Atom] = [outs[carry] for carry in (*self.numbers, *self.added)] or [literal(1.0)]
        shape: Shape = 0 if len(found) == 1 else tuple(range(len(found)))
        params = (part, parts, *self.params.values(), *given.values())
        first = len(params) - len(given)
        stmts, self.stmts = self.stmts, outer
        body = substitute(Block(tuple(stmts), (*found, *(outs[carry] for carry in self.own))), self.params)
        marks = dict(zip(self.main.params, self.main.axes, strict=False))
        axes = ("", "", *(marks.get(var, "") for var in self.params), *("" for _ in given)) if self.main.axes else ()
        places = tuple(range(first, len(params)))
        return Function(self.name, params, body, shape, origin=self.main.origin, span=loop.span, axes=axes, given=places)

    def cleared(self, carry: Carry) -> Var:
        """A part's own array."""
        return self.emit("zeros_like", carry.init, name=carry.var.name, type=carry.var.type)

    def place(self, part: Atom, parts: Var) -> Var:
        """Where a part begins: ``start + step * (trips * part // parts)``."""
        loop, trip = self.loop, self.emit("cut", self.trips, part, parts)
        if loop.step != _ONE:
            trip = self.emit("mul", loop.step, trip)
        return trip if loop.start == _ZERO else self.emit("add", loop.start, trip)

    def call(self, part: Atom, parts: Atom, arrays: Sequence[Atom]) -> Call:
        """The call that runs a part: its sums come out, and the arrays that it has written to."""
        results = self.function.body.results
        names = ((result.name if isinstance(result, Var) else "") or "found" for result in results)
        outs = tuple(self.fresh.var(name, result.type) for name, result in zip(names, results, strict=True))
        args = (part, parts, *self.params, *arrays)
        first, sums = len(args) - len(arrays), len(results) - len(arrays)
        return Call(outs, self.name, args, span=self.loop.span, onto=tuple((sums + k, first + k) for k in range(len(arrays))))

    # ------------------------------------------------------------------------------------------ all parts

    def statements(self) -> list[Stmt]:
        """What stands in the loop's place."""
        parts = self.parts()
        several = self.emit("gt", parts, _ONE, type=BOOL)
        least = self.least_index()
        if self.own and not (isinstance(least, Lit) and isinstance(least.value, int) and least.value >= 0):
            # Below zero elements are counted from the end: two trips may have the same one.
            several = self.emit("and", several, self.emit("ge", least, _ZERO, type=BOOL), type=BOOL)
        then, orelse = self.at_once(parts), self.alone()
        self.stmts.append(If(several, then, orelse, tuple(carry.out for carry in self.original.carries), span=self.loop.span))
        return self.stmts

    def least_index(self) -> Atom:
        """What no index of the loop is below."""
        start, stop, step = self.loop.start, self.loop.stop, self.loop.step
        if isinstance(step, Lit) and isinstance(step.value, int) and step.value > 0:
            return start
        if isinstance(stop, Lit) and isinstance(stop.value, int):
            last: Atom = literal(stop.value + 1)
        else:
            last = self.emit("add", stop, _ONE)
        return last if isinstance(step, Lit) else self.emit("min", start, last)

    def parts(self) -> Var:
        """Into how many parts the loop is cut."""
        steady = Steady(self.loop, self.fresh)
        steady.stmts = self.stmts
        least = least_trips(self.loop, steady, self.emit)
        for carry in self.added:
            least = self.emit("add", least, self.emit("count", carry.init), name="least")
        most = _MOST_WITH_ARRAYS if self.added else _MOST
        return self.emit("parts", self.trips, least, name="parts", attrs=(("most", most),))

    def at_once(self, parts: Var) -> Block:
        """The parts on several threads, and behind them the sums of what they have found."""
        outer, self.stmts = self.stmts, []
        sums = [_Sum(carry, self.room(carry, parts)) for carry in (*self.numbers, *self.added)]
        # What a part raises is lost in its thread; that it did not come to its end is seen.
        done = self.emit("zeros", parts, name="done_parts", type=replace(FLOAT, rank=1))
        part = self.fresh.var("part", INT)
        rooms = [*(one.room for one in sums), done]
        carries = tuple(Carry(self.array(carry), carry.init, self.array(carry)) for carry in self.own)
        carries += tuple(Carry(self.fresh.like(room), room, self.fresh.like(room)) for room in rooms)
        count = len(self.own)
        call = self.call(part, parts, [carry.var for carry in carries[:count]])
        found: list[Atom] = [*call.outs[: len(sums)], literal(1.0)]
        stores = [self.stored(carry.var, part, value) for carry, value in zip(carries[count:], found, strict=True)]
        written = call.outs[len(call.outs) - count :]
        body = Block((call, *stores), (*written, *(store.out for store in stores)))
        self.stmts.append(For(part, _ZERO, parts, _ONE, carries, body, span=self.loop.span, parallel=True))
        totals = self.totals(parts, sums, [carry.out for carry in carries[count:]])
        results = {carry: at_end.out for carry, at_end in zip(self.own, carries, strict=False)} | totals | self.unread()
        stmts, self.stmts = self.stmts, outer
        return Block(tuple(stmts), tuple(results[carry] for carry in self.original.carries))

    def room(self, carry: Carry, parts: Var) -> Var:
        """An array with a place for each part's sum."""
        type_ = replace(carry.out.type, rank=carry.out.type.rank + 1)
        sizes = [self.emit("extent", carry.init, attrs=(("axis", axis),)) for axis in range(carry.out.type.rank)]
        attrs = (("bits", 32),) if type_.bits == 32 else ()
        return self.emit("zeros", parts, *sizes, name=f"{carry.out.name or 'sum'}_parts", type=type_, attrs=attrs)

    def stored(self, room: Var, part: Var, value: Atom) -> Stage:
        attrs = (("at", "[{0}, ...]"), ("rank", value.type.rank)) if value.type.rank else ()
        return Stage(self.fresh.like(room), "store", (room, part, value), attrs)

    def totals(self, parts: Var, sums: Sequence[_Sum], rooms: Sequence[Var]) -> dict[Carry, Atom]:
        """Adds the sums of the parts, in their order; a part that is not done has raised an error."""
        part, done = self.fresh.var("part", INT), self.fresh.var("done", FLOAT)
        inits = [*(one.carry.init for one in sums), literal(0.0)]
        outs = [*(self.fresh.like(one.carry.out) for one in sums), done]
        carries = tuple(Carry(self.fresh.like(out), init, out) for init, out in zip(inits, outs, strict=True))
        stages: list[Stage] = []
        for carry, room in zip(carries, rooms, strict=True):
            rank = carry.out.type.rank
            attrs: tuple[tuple[str, Attr], ...] = (("at", "[{0}, ...]"), ("rank", rank)) if rank else ()
            value = Stage(self.fresh.var("", carry.out.type), "load", (room, part), attrs)
            stages += [value, Stage(self.fresh.like(carry.out), "add", (carry.var, value.out))]
        body = Block(tuple(stages), tuple(stage.out for stage in stages[1::2]))
        self.stmts.append(For(part, _ZERO, parts, _ONE, carries, body, span=self.loop.span))
        self.stmts.append(Raise(self.emit("lt", done, parts, type=BOOL), "RuntimeError", ("a part of a loop raised an error",)))
        return dict(zip((one.carry for one in sums), outs, strict=False))

    def unread(self) -> dict[Carry, Atom]:
        """What stands for the arrays that each part has its own of, and that nobody reads behind the loop."""
        return {carry: carry.init for carry in self.scratch}

    def alone(self) -> Block:
        """The whole loop on one thread; where parts have arrays of their own, as it was."""
        if self.added:
            outs = {carry: self.fresh.like(carry.out) for carry in self.original.carries}
            carries = tuple(replace(carry, out=outs[carry]) for carry in self.original.carries)
            return Block((replace(self.original, carries=carries),), tuple(outs[carry] for carry in self.original.carries))
        call = self.call(_ZERO, _ONE, [carry.init for carry in self.own])
        found: dict[Carry, Atom] = self.unread() | dict(zip(self.own, call.outs[len(call.outs) - len(self.own) :], strict=True))
        found |= dict(zip(self.numbers, call.outs, strict=False))
        adds = [Stage(self.fresh.like(c.out), "add", (c.init, found[c])) for c in self.numbers if c.init != Lit(0.0, c.out.type)]
        found |= dict(zip((c for c in self.numbers if c.init != Lit(0.0, c.out.type)), (add.out for add in adds), strict=True))
        return Block((call, *adds), tuple(found[carry] for carry in self.original.carries))


def _outs(stmt: Stmt) -> list[Var]:
    return sorted(bound(Block((stmt,))), key=lambda var: (var.name, var.version))


def _outs_of(stmts: Sequence[Stmt]) -> list[Var]:
    return [var for stmt in stmts for var in _outs(stmt)]
