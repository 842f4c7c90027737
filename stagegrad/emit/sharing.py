"""Which arrays of a function may share memory in its text, and which are still read when one of them is written to.

In the IR arrays are values; in the text a value is a reference to memory, and ``b = store(a, i, v)`` writes into that of ``a``. `Sharing`
gives each array a set of memories that it may lie in, as the bits of an int: two arrays may share memory where their sets meet. Where
ways join, at a loop's beginning and behind a branch, the values that come out get new memories of their own: what counts there is only
which of them came in together, on one of the ways, and which share with a value from before that is still read. So two buffers that a
loop swaps stay apart, although each has been where the other was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from stagegrad.analysis import Rows
from stagegrad.emit.overlap import reads_first
from stagegrad.ir import (
    Atom,
    Block,
    Call,
    For,
    Function,
    If,
    Raise,
    Remark,
    Stage,
    Stmt,
    Var,
    While,
    binds,
    blocks,
    bound,
    inner_binds,
    uses,
    variables,
    walk,
)  # fmt: skip
from stagegrad.names import count_reads
from stagegrad.ops import find

#: Operations that write into the memory of their first operand.
WRITES = frozenset({"store", "accumulate"})
#: Arithmetic that can be written into the memory of its first operand: ``x += y``.
ARITHMETIC = frozenset({"add", "sub", "mul", "div"})
#: The attribute of such arithmetic where it is: the operand is nobody else's, is not read again, and keeps its shape.
IN_PLACE = ("in_place", True)
#: Which operand of an operation it takes only the shape of, so that it does not matter what was written there meanwhile.
SHAPE_ONLY = {
    **dict.fromkeys(("zeros_like", "ones_like", "empty_like", "full_like", "size", "extent", "count"), 0),
    **dict.fromkeys(("unbroadcast", "broadcast_like", "reshape_like"), 1),
}
#: Views that hold each element once, so that they can be written to; others (a broadcast array) only look as if they did.
_WRITABLE_VIEWS = frozenset({"copy", "reserve", "expand_dims", "squeeze", "transpose", "reshape", "reshape_like", "ravel", "unbroadcast"})


def arrays(atoms: Iterable[Atom]) -> Iterator[Var]:
    """The arrays among some atoms."""
    return (atom for atom in variables(atoms) if atom.type.rank)


def elements(stmt: Stmt) -> Iterator[Var]:
    """The arrays whose elements a statement reads, not only their shape."""
    only_shape = SHAPE_ONLY.get(stmt.op) if isinstance(stmt, Stage) else None
    return arrays(atom for position, atom in enumerate(uses(stmt)) if position != only_shape)


def _outside(block: Block) -> set[Var]:
    """The arrays from outside a block whose elements it reads."""
    found = set(arrays(block.results))
    for stmt in walk(block):
        found.update(elements(stmt))
        for inner in blocks(stmt):
            found.update(arrays(inner.results))
    return found - bound(block)


def is_view(stage: Stage) -> bool:
    """May the result of a stage share memory with its first operand, without having written to it?"""
    if not stage.out.type.rank:
        return False
    return not dict(stage.attrs).get("gather") if stage.op == "load" else find(stage.op).view


@dataclass(frozen=True)
class Cut:
    """A place where a copy keeps a value out of another's memory: `kind` says on which way, `var` is the value that comes out there.

    "made": behind the statement that makes it; "written": before it is written into the memory of an operand; "enters": before a loop
    begins with it; "trip": at the end of a trip; "then" and "orelse": at the end of an arm; "answer": what a function returns.
    """

    kind: str
    var: Var
    position: int = 0


@dataclass(frozen=True)
class Write:
    """A statement that writes `out` into the memory of the array `into`, one of its operands."""

    out: Var
    into: Atom
    stmt: Stage | Call


class Lives:
    """The arrays that are still read behind each statement that may write or join arrays (for a loop: all through it, too)."""

    def __init__(self, function: Function) -> None:
        self.reads = count_reads(function.body)
        self._behind: dict[int, frozenset[Var]] = {}
        self._block(function.body, set(arrays(function.body.results)))

    def behind(self, stmt: Stmt) -> frozenset[Var]:
        """The arrays from before a statement (or from around a loop) that are read later."""
        return self._behind[id(stmt)]

    def _block(self, block: Block, live: set[Var]) -> None:
        """`live` is what is read at the end of the block and later, and becomes what is read from its beginning on."""
        for stmt in reversed(block.stmts):
            match stmt:
                case Stage():
                    live.discard(stmt.out)
                    if stmt.op in WRITES or stmt.op in ARITHMETIC:
                        self._behind[id(stmt)] = frozenset(live)
                case If():
                    self._branch(stmt, live)
                case For() | While():
                    self._loop(stmt, live)
                case Call() | Raise() | Remark():
                    live.difference_update(binds(stmt))
                    if isinstance(stmt, Call) and stmt.onto:
                        self._behind[id(stmt)] = frozenset(live)
                case _:
                    raise TypeError(f"not a statement: {stmt!r}")
            live.update(elements(stmt))

    def _branch(self, stmt: If, live: set[Var]) -> None:
        wanted = [out in live for out in stmt.outs]
        live.difference_update(stmt.outs)
        self._behind[id(stmt)] = frozenset(live)
        other = set(live)
        for arm, into in ((stmt.then, live), (stmt.orelse, other)):
            into.update(arrays(result for result, kept in zip(arm.results, wanted, strict=True) if kept))
            self._block(arm, into)
        live |= other

    def _loop(self, loop: For | While, live: set[Var]) -> None:
        leaving = {carry.var for carry in loop.carries if carry.out in live}
        live.difference_update(binds(loop))
        for block in blocks(loop):
            live.update(_outside(block).difference(inner_binds(loop)))
        self._behind[id(loop)] = frozenset(live)
        carried = [r for c, r in zip(loop.carries, loop.body.results, strict=True) if self.reads[c.var] or self.reads[c.out]]
        inside = live | set(arrays(carried))
        self._block(loop.body, inside)
        if isinstance(loop, While):
            inside |= live | leaving
            self._block(loop.test, inside)


class Sharing:
    """The memories that each array of a function may lie in, as bits; `foreign` are those that nobody may write to.

    `apart` names the functions whose results lie in memory of their own, apart from their arguments and from one another.
    """

    def __init__(self, function: Function, apart: Container[str] = ()) -> None:
        self.function, self.apart = function, apart
        self.lives = Lives(function)
        self._makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.foreign = 0
        self._writes: dict[Var, Write] = {}
        self._masks: dict[Var, int] = {}
        self._bits: dict[Hashable, int] = {}
        self.origins: dict[Place, list[_Way]] = {}
        given = {function.params[position] for position in function.given}
        for param in arrays(function.params):
            self._masks[param] = self._bit(param)
            self.foreign |= 0 if param in given else self._masks[param]
        self._block(function.body)

    def of(self, atom: Atom) -> int:
        """The memories that a value may lie in; none for a scalar and for what is undefined."""
        return self._masks.get(atom, 0) if isinstance(atom, Var) else 0

    @property
    def writes(self) -> Iterable[Write]:
        """What is written to arrays, in the order of the text."""
        return self._writes.values()

    def victims(self, write: Write, settled: Container[Var] = ()) -> list[Var]:
        """The arrays still read, save those `settled`, that would change with a write."""
        mask = self.of(write.into)
        found = [
            var for var in self._read_with(write) if var not in settled and self.of(var) & mask and not self._in_another_row(write, var)
        ]
        return sorted(found, key=lambda var: (var.name, var.version))

    def _in_another_row(self, write: Write, victim: Var) -> bool:
        """Is an array a row, and what is written another row, of one array?"""
        return isinstance(write.stmt, Stage) and self._rows.are_apart(write.stmt, victim)

    @cached_property
    def _rows(self) -> Rows:
        """Made only where something is written to what is still read."""
        return Rows(self.function)

    def _read_with(self, write: Write) -> Iterable[Var]:
        stage, behind = write.stmt, self.lives.behind(write.stmt)
        if isinstance(stage, Call):
            return behind.union(arrays(arg for arg in stage.args if arg != write.into))
        # Numba adds element by element, and NumPy gathers so; what it assigns it reads first, save between some vectors.
        one_by_one = stage.op == "accumulate" or dict(stage.attrs).get("gather") or not reads_first(stage, self._makers)
        return behind.union(arrays(stage.args[1:])) if one_by_one else behind

    def _bit(self, key: Hashable) -> int:
        return self._bits.setdefault(key, 1 << len(self._bits))

    def _block(self, block: Block) -> None:
        for stmt in block.stmts:
            match stmt:
                case Stage():
                    if stmt.out.type.rank:
                        self._stage(stmt)
                case Call():
                    self._call(stmt)
                case If():
                    self._block(stmt.then)
                    self._block(stmt.orelse)
                    ends = {"then": stmt.then.results, "orelse": stmt.orelse.results}
                    self._join(stmt.outs, ends, self._kept(stmt))
                case For() | While():
                    self._loop(stmt)
                case Raise() | Remark():
                    pass
                case _:
                    raise TypeError(f"not a statement: {stmt!r}")

    def _stage(self, stage: Stage) -> None:
        if stage.op in WRITES:
            self._writes[stage.out] = Write(stage.out, stage.args[0], stage)
        if stage.op in WRITES or stage.op == "grow":
            self._masks[stage.out] = self.of(stage.args[0])
        elif is_view(stage):
            self._masks[stage.out] = self.of(stage.args[0])
            if stage.op != "load" and stage.op not in _WRITABLE_VIEWS:
                self._forbid(stage)
        else:
            self._masks[stage.out] = self._bit(stage.out)

    def _forbid(self, stage: Stage) -> None:
        """Nothing may be written to what a stage makes: it is as if it lay in a memory of somebody else's, too."""
        bit = self._bit(stage.out)
        self._masks[stage.out] |= bit
        self.foreign |= bit
        for source in arrays(stage.args[:1]):
            self.origins[stage.out, bit] = [(Cut("made", stage.out), (source, bit))]

    def _call(self, call: Call) -> None:
        for out in arrays(call.outs):
            self._masks[out] = self._bit(out)
            if call.fn not in self.apart:
                self._masks[out] = self._bit(call.outs[0])
                for arg in shared_arguments(call, out):
                    self._masks[out] |= self.of(arg)
        for result, argument in call.onto:
            out, into = call.outs[result], call.args[argument]
            self._masks[out] |= self.of(into)
            self._writes[out] = Write(out, into, call)

    def _kept(self, stmt: Stmt) -> int:
        """The memories that keep their identity where ways join: those of values from before that are still read."""
        kept = self.foreign
        for var in self.lives.behind(stmt):
            kept |= self.of(var)
        return kept

    def _loop(self, loop: For | While) -> None:
        vars, kept = [carry.var for carry in loop.carries], self._kept(loop)
        self._join(vars, {"enters": [carry.init for carry in loop.carries]}, kept)
        growing = True
        while growing:
            for block in blocks(loop):
                self._block(block)
            growing = self._join(vars, {"trip": loop.body.results}, kept)
        for carry in loop.carries:
            if carry.var.type.rank:
                self._masks[carry.out] = self._masks[carry.var]

    def _join(self, outs: Sequence[Var], ends: Mapping[str, Sequence[Atom]], kept: int) -> bool:
        """Adds ways (their kind and the values that come along) to values that join there; was anything new?"""
        grown = False
        for kind, results in ends.items():
            pairs = [(out, result) for out, result in zip(outs, results, strict=True) if out.type.rank]
            for out, result in pairs:
                self.origins.setdefault((out, self._bit(out)), [])
                grown |= self._grow(out, self._bit(out) | self.of(result) & kept)
            grown |= self._pair(kind, pairs, kept)
        return grown

    def _pair(self, kind: str, pairs: Sequence[tuple[Var, Atom]], kept: int) -> bool:
        """Gives those that come along one way in one memory a memory that they share."""
        grown, seen = False, 0
        for position, (out, result) in enumerate(pairs):
            mask = self.of(result) & ~kept
            for other, earlier in pairs[:position] if mask & seen else ():
                common = self.of(earlier) & mask
                if common:
                    bit = self._bit((other, out))
                    grown |= self._grow(out, bit) | self._grow(other, bit)
                    for var, source in ((out, result), (other, earlier)):
                        assert isinstance(source, Var)
                        way = Cut(kind, var), (source, lowest(common))
                        ways = self.origins.setdefault((var, bit), [])
                        ways += [way] if way not in ways else []
            seen |= mask
        return grown

    def _grow(self, var: Var, mask: int) -> bool:
        before = self._masks.get(var, 0)
        self._masks[var] = before | mask
        return self._masks[var] != before


def shared_arguments(call: Call, out: Var) -> Iterator[Var]:
    """The arguments whose memory a result of a call may lie in: those of its kind of numbers."""
    return (arg for arg in arrays(call.args) if (arg.type.kind, arg.type.bits) == (out.type.kind, out.type.bits))


def lowest(mask: int) -> int:
    """The lowest bit of a set."""
    return mask & -mask


# ---------------------------------------------------------------------------------------------- where memory comes from

#: A value, and one of the memories that it may lie in.
Place: TypeAlias = tuple[Var, int]
#: Where something comes from; None where no copy can stand on the way.
_Way: TypeAlias = "tuple[Cut | None, Place]"


class Routes:
    """The ways that arrays come on, with what a copy would cost on each.

    A copy of an array of rank r, d loops deep, costs d + r: about the power of the size that it takes in time.
    """

    def __init__(self, sharing: Sharing) -> None:
        self.sharing = sharing
        self._ways: dict[Var, list[tuple[Cut | None, Var]]] = {}
        self._costs: dict[Cut, float] = {}
        self._block(sharing.function.body, 0.0)

    def cost(self, cut: Cut) -> float:
        """What a copy costs; an answer is copied once, at the end."""
        return self._costs.get(cut, float(cut.var.type.rank))

    def apart(self, first: Place, second: Place) -> list[Cut]:
        """The cuts between two values that share memory and the value that both come from."""
        searches = _Search(first), _Search(second)
        if first == second:
            return []
        while any(search.queue for search in searches):
            for this, that in (searches, searches[::-1]):
                for place in this.step(self):
                    if place in that.came:
                        return this.cuts(place) + that.cuts(place)
        return []

    def back(self, place: Place, settled: Container[Var]) -> list[Cut]:
        """The cuts between a value and the one that its memory was made for; none where a settled value is on the way."""
        search = _Search(place)
        last = place
        while search.queue:
            last = search.queue[0]
            found = search.step(self)
            if any(var in settled for var, _ in found):
                return []
            if not found and not list(self.sources(last)):
                break
        return search.cuts(last)

    def sources(self, place: Place) -> Iterator[_Way]:
        """Where a value has a memory from; nowhere, if the memory was made for it."""
        var, bit = place
        origins = self.sharing.origins.get(place)
        if origins is not None:
            yield from origins
            return
        for cut, source in self._ways.get(var, ()):
            if self.sharing.of(source) & bit:
                yield cut, (source, bit)

    def _add(self, kind: str, var: Var, source: Atom, cost: float) -> None:
        if var.type.rank and isinstance(source, Var):
            cut = Cut(kind, var)
            # Of equals, the copy that takes a new name reads best: ``b = a.copy()`` rather than ``b = a`` and ``a = a.copy()``.
            self._costs[cut] = cost + (0.01 if var.name == source.name else 0.0)
            self._ways.setdefault(var, []).append((cut, source))

    def _block(self, block: Block, depth: float) -> None:
        for stmt in block.stmts:
            match stmt:
                case Stage():
                    self._stage(stmt, depth)
                case Call():
                    onto = {stmt.outs[result]: stmt.args[argument] for result, argument in stmt.onto}
                    for out in arrays(stmt.outs):
                        for arg in shared_arguments(stmt, out):
                            self._add("written" if arg == onto.get(out) else "made", out, arg, depth + out.type.rank)
                case If():
                    # What runs on some ways only counts a little less.
                    for kind, arm in (("then", stmt.then), ("orelse", stmt.orelse)):
                        self._block(arm, depth - 0.05)
                        for out, result in zip(stmt.outs, arm.results, strict=True):
                            self._add(kind, out, result, depth - 0.05 + out.type.rank)
                case For() | While():
                    self._loop(stmt, depth)
                case Raise() | Remark():
                    pass
                case _:
                    raise TypeError(f"not a statement: {stmt!r}")

    def _stage(self, stage: Stage, depth: float) -> None:
        cost = depth + stage.out.type.rank
        if stage.op in WRITES:
            self._add("written", stage.out, stage.args[0], cost)
        elif stage.op == "grow":
            self._ways[stage.out] = [(None, source) for source in arrays(stage.args[:1])]
        elif is_view(stage):
            self._add("made", stage.out, stage.args[0], cost - (0.5 if stage.op == "load" else 0.0))

    def _loop(self, loop: For | While, depth: float) -> None:
        for carry, result in zip(loop.carries, loop.body.results, strict=True):
            self._add("enters", carry.var, carry.init, depth + carry.var.type.rank)
            self._add("trip", carry.var, result, depth + 1.0 + carry.var.type.rank)
            if carry.out.type.rank:
                self._ways[carry.out] = [(None, carry.var)]
        for block in blocks(loop):
            self._block(block, depth + 1.0)


class _Search:
    """A search backwards from a place, the nearest first."""

    def __init__(self, start: Place) -> None:
        self.came: dict[Place, tuple[Cut | None, Place] | None] = {start: None}
        self.queue = deque([start])

    def step(self, routes: Routes) -> list[Place]:
        """Follows the ways of one more place; returns what is new."""
        if not self.queue:
            return []
        here = self.queue.popleft()
        found = [(cut, source) for cut, source in routes.sources(here) if source not in self.came]
        for cut, source in found:
            self.came[source] = cut, here
            self.queue.append(source)
        return [source for _, source in found]

    def cuts(self, place: Place) -> list[Cut]:
        """The cuts between the start and a place that was reached."""
        found: list[Cut] = []
        came = self.came[place]
        while came is not None:
            cut, place = came
            found += [cut] if cut else []
            came = self.came[place]
        return found
