"""Record or compute again: the cheapest way for a backward trip to have every value of the forward trip that it reads.

A value is computed again from what it was made of, which must be there too, or it is read from a tape. Each way has a price in
nanoseconds; the choice of least total price is a minimum cut of the graph below, in which a value or a step on the side of the
source is one that must be there, or must run again:

    source -> wanted value        (no price: it must be there)
    value  -> the step that makes it    the price of a record, paid where the value is there and the step does not run again
    step   -> what it reads       (no price: it must be there too)
    step   -> sink                the work of running it again
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from stagegrad.ir import BOOL, Atom, Block, Call, For, If, Raise, Remark, Stage, Stmt, Var, While, blocks
from stagegrad.ops import Builder, find, literal
from stagegrad.shapes import Shape

#: More than any price: what cannot be done at all.
NEVER = 10**9
#: A record of one number: eight bytes that are written, and read when they have left the cache. In hundredths of a nanosecond.
RECORD = 450
#: What a record of a bool takes longer: compiled code has it as a flag, and no number of it.
_ANSWER = 100
#: An operation of this cost or less is arithmetic. It runs beside others, so it takes a quarter of its time.
_CHEAP = 3.0
#: How many elements an array has, and how many trips an inner loop makes, where only a guess can be made.
_MANY = 64
_TRIPS = 16


@dataclass(frozen=True)
class Step:
    """A statement of a trip as the choice sees it: what it makes, what it reads, and the work of running it again."""

    outs: tuple[Var, ...]
    reads: tuple[Var, ...]
    work: int


def work(block: Block | Stmt) -> int:
    """The work of running a statement, or a block, once more: an estimate, in hundredths of a nanosecond."""
    match block:
        case Block():
            return sum(map(work, block.stmts))
        case Stage():
            return _stage_work(block)
        case Call():
            return 50 * 100
        case If():
            return sum(map(work, blocks(block))) // 2 + 25
        case For() | While():
            return _TRIPS * sum(map(work, blocks(block)))
        case Raise() | Remark():
            return 0
        case _:
            raise TypeError(f"not a statement: {block!r}")


def _stage_work(stage: Stage) -> int:
    op = find(stage.op)
    if op.view or op.kind == "structural":
        return 0 if op.view else 25
    cost = op.cost / 4 if op.cost <= _CHEAP else op.cost
    ranks = [stage.out.type.rank, *(arg.type.rank for arg in stage.args)]
    return int(cost * 100) * (_MANY if any(ranks) else 1)


def price_of_record(var: Var) -> int:
    """The price of a record of this value on every trip; a number and the question again are quicker than the answer."""
    return (RECORD + (_ANSWER if var.type == BOOL else 0)) * (_MANY if var.type.rank else 1)


def to_record(steps: Sequence[Step], wanted: Iterable[Var], price: Callable[[Var], int]) -> set[Var]:
    """The values made by the steps that are best recorded, so that all that is wanted is there.

    `price` is that of a record of a value, of one that no step makes too: that of knowing it at the start of the trip, 0 where it is known.
    """
    makers = {out: k for k, step in enumerate(steps) for out in step.outs}
    graph = _Graph()
    for k, step in enumerate(steps):
        graph.join(("step", k), "sink", step.work)
        for var in step.reads:
            graph.join(("step", k), var, NEVER)
    for var in {var: None for step in steps for var in (*step.outs, *step.reads)}:
        graph.join(var, ("step", makers[var]) if var in makers else "sink", price(var))
    for var in wanted:
        graph.join("source", var, NEVER)
    there = graph.cut("source", "sink")
    return {var for var, k in makers.items() if var in there and ("step", k) not in there}


_Edge = tuple[object, object]


class _Graph:
    """A graph with capacities, and its minimum cut by Dinic's algorithm."""

    def __init__(self) -> None:
        self.left: dict[object, dict[object, int]] = {}

    def join(self, tail: object, head: object, capacity: int) -> None:
        """Adds an edge; a node is there once it has one."""
        there = self.left.setdefault(tail, {})
        there[head] = there.get(head, 0) + capacity
        self.left.setdefault(head, {}).setdefault(tail, 0)

    def cut(self, source: object, sink: object) -> set[object]:
        """The nodes on the side of the source, as few as possible."""
        while sink in (levels := self._levels(source)):
            untried = {node: list(edges) for node, edges in self.left.items()}
            while path := self._path(source, sink, levels, untried):
                flow = min(self.left[a][b] for a, b in path)
                for a, b in path:
                    self.left[a][b] -= flow
                    self.left[b][a] += flow
        return set(levels)

    def _levels(self, source: object) -> dict[object, int]:
        """How many edges with capacity left lie between the source and each node that they reach."""
        levels = {source: 0}
        reached = [source]
        for node in reached:
            for head, capacity in self.left.get(node, {}).items():
                if capacity and head not in levels:
                    levels[head] = levels[node] + 1
                    reached.append(head)
        return levels

    def _path(self, source: object, sink: object, levels: dict[object, int], untried: dict[object, list[object]]) -> list[_Edge]:
        """A shortest way to the sink along edges with capacity left; edges that lead nowhere leave `untried`."""
        path: list[_Edge] = []
        node = source
        while node != sink:
            heads = untried[node]
            while heads and not (self.left[node][heads[-1]] and levels.get(heads[-1]) == levels[node] + 1):
                heads.pop()
            if heads:
                path.append((node, heads[-1]))
                node = heads[-1]
            elif path:
                node = path.pop()[0]
                untried[node].pop()
            else:
                break
        return path


# ---------------------------------------------------------------------------------------------- records of arrays


def sizes_before(array: Var, shapes: Mapping[Var, Shape], outside: Iterable[Var], before: Builder) -> list[Atom] | None:
    """The sizes of an array that a trip makes, from arrays that are there before the loop; None where they may change from trip to trip."""
    known = {dim: (var, axis) for var in outside for axis, dim in enumerate(shapes.get(var, ()))}
    found: list[Atom] = []
    for dim in shapes.get(array, ()):
        whole, _, less = str(dim).partition("-")
        if isinstance(dim, int):
            found.append(literal(dim))
        elif dim in known or (whole in known and "@" not in str(dim)):
            var, axis = known[dim if dim in known else whole]
            size = before.emit("extent", var, axis=axis)
            if dim not in known:  # a slice, or a slice of one ("n-1-2"): shorter, but never less than empty
                shorter = before.emit("sub", size, literal(sum(map(int, less.split("-")))))
                size = before.emit("max", shorter, literal(0))
            found.append(size)
    return found if found and len(found) == array.type.rank else None
