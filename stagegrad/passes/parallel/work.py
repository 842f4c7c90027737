"""How much work a trip of a loop is, and so how many trips are worth a thread."""

from __future__ import annotations

from collections.abc import Callable

from stagegrad.emit.lanes import are_independent
from stagegrad.ir import Atom, Block, Call, For, If, Lit, Remark, Stage, Stmt, Var, While, walk
from stagegrad.ops import find, literal
from stagegrad.passes.parallel.steady import Steady

#: What a part must have to do to be worth a thread, and the unit that it is counted in: 50 microseconds, in nanoseconds.
WORTH = 50_000
#: How many trips an inner loop is taken to have where that is not known before the outer one.
_TRIPS = 10
#: Vector instructions do the work of so many.
_LANES = 8
#: What is no more than reading, writing or counting, and what a call of another function is taken for.
_CHEAP = frozenset({"load", "store", "accumulate", "size", "extent", "count", "zeros", "trip_count", "to_float", "to_int", "copy"})
_CALL = 100.0

Emit = Callable[..., Var]


def least_trips(loop: For, steady: Steady, emit: Emit) -> Atom:
    """How many trips a part must have, a number or what tells it before the loop: `emit` makes stages there."""
    cost = _Cost(steady, emit).of(loop)
    if isinstance(cost, float):
        return literal(max(1, round(WORTH / max(cost, 0.01))))
    return emit("max", literal(1), emit("floordiv", literal(WORTH), emit("max", literal(1), cost), name="least"), name="least")


class _Cost:
    """What blocks cost, in nanoseconds: a number, or an int that is computed before the loop, by the trips of loops in it."""

    def __init__(self, steady: Steady, emit: Emit) -> None:
        self.steady, self.emit = steady, emit

    def of(self, loop: For) -> float | Var:
        """What a trip of a loop costs."""
        innermost = all(isinstance(stmt, (Stage, If, Remark)) for stmt in walk(loop.body))
        if innermost and loop.until is None and are_independent(loop):
            return _static(loop.body) / _LANES
        known, counted = 0.0, list[Atom]()
        for stmt in loop.body.stmts:
            trips = self.trips(stmt) if isinstance(stmt, For) else None
            if trips is None or not isinstance(stmt, For):
                known += _static(Block((stmt,)))
                continue
            inner = self.of(stmt)
            if isinstance(trips, Lit) and isinstance(trips.value, int) and isinstance(inner, float):
                known += trips.value * inner
            elif isinstance(inner, float) and inner < 1.0:  # several trips for a nanosecond
                counted.append(self.emit("floordiv", trips, literal(max(1, round(1 / max(inner, 0.01))))))
            else:
                each = literal(round(inner)) if isinstance(inner, float) else inner
                counted.append(trips if each == literal(1) else self.emit("mul", each, trips))
        if not counted:
            return known
        total: Atom = literal(max(1, round(known)))
        for part in counted:
            total = self.emit("add", total, part)
        assert isinstance(total, Var)
        return total

    def trips(self, loop: For) -> Atom | None:
        """How many trips an inner loop has, where that is the same in every trip of the outer one."""
        bounds = [self.steady.atom(bound) for bound in (loop.start, loop.stop)]
        start, stop = bounds
        if start is None or stop is None or not isinstance(loop.step, Lit):
            return None
        if isinstance(start, Lit) and isinstance(stop, Lit) and all(isinstance(bound.value, int) for bound in (start, stop, loop.step)):
            return literal(len(range(start.value, stop.value, loop.step.value)))  # type: ignore[arg-type]  # they are ints
        if (start, loop.step) == (literal(0), literal(1)):
            return stop
        return self.emit("trip_count", start, stop, loop.step)


def _static(block: Block) -> float:
    """About the nanoseconds that a block takes, if its loops have few trips."""
    return sum(map(_of_one, block.stmts))


def _of_one(stmt: Stmt) -> float:
    match stmt:
        case Stage():
            return 1.0 if stmt.op in _CHEAP and not stmt.out.type.rank * (stmt.op == "zeros") else find(stmt.op).cost
        case For() | While():
            return _TRIPS * _static(stmt.body)
        case If():
            return max(_static(stmt.then), _static(stmt.orelse))
        case Call():
            return _CALL
        case _:
            return 0.0
