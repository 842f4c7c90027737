"""How many records a nest of loops makes: what is known before it begins, so that its tapes are made as long as that at once.

for i in range(n):                    n * m records
    for j in range(m): ...

for i in range(n):                    records = 0
    for j in range(i): ...    ->      for i in range(n):
                                          records += len(range(i))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stagegrad.ir import INT, Atom, Block, Carry, For, Lit, Var, read, substitute
from stagegrad.ops import Builder, literal

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Sweep
    from stagegrad.reverse.threads import Nest

_COUNTS = frozenset({"add", "sub", "mul", "neg", "copy", "extent", "size", "floordiv", "max", "min"})


def room_for(sweep: Sweep, nest: Nest) -> Atom | None:
    """How often the body of the loop that is undone runs in the whole nest, at most; None where that is not known before the nest."""
    return _room(sweep, nest, len(nest.loops))


def _room(sweep: Sweep, nest: Nest, depth: int) -> Atom | None:
    if depth == 0:
        return literal(1)
    loop = nest.loops[depth - 1]
    if id(loop) not in nest.rooms:
        nest.rooms[id(loop)] = _found(sweep, nest, depth)
    return nest.rooms[id(loop)]


def _found(sweep: Sweep, nest: Nest, depth: int) -> Atom | None:
    loops = [loop for loop in nest.loops[:depth] if isinstance(loop, For) and loop.until is None]
    around = _room(sweep, nest, depth - 1)
    if len(loops) < depth or around is None:
        return None
    bounds = [hoisted(sweep, nest, atom) for atom in (loops[-1].start, loops[-1].stop, loops[-1].step)]
    known = [atom for atom in bounds if atom is not None]
    if len(known) < 3:
        return _Counting(sweep, nest).of(loops)
    trips = nest.before.emit("trip_count", *known)
    return trips if around == literal(1) else nest.before.emit("mul", around, trips)


def hoisted(sweep: Sweep, nest: Nest, atom: Atom) -> Atom | None:
    """An int of a trip, computed before the nest if it is the same in every trip."""
    if isinstance(atom, Lit) or atom in nest.outside or atom in nest.hoisted:
        return nest.hoisted.get(atom, atom) if isinstance(atom, Var) else atom
    made = sweep.made.get(atom)
    if made is None or made.op not in _COUNTS or (made.op == "floordiv" and not isinstance(made.args[1], Lit)):
        return None  # a division by zero must not be asked before the loop that asks it
    if made.op in ("extent", "size"):
        array = made.args[0]
        shape = sweep.certain.get(array) if isinstance(array, Var) else None
        alike = (var for var in sweep.scopes if var in nest.outside and shape is not None and sweep.certain.get(var) == shape)
        args: list[Atom | None] = [array if array in nest.outside else next(alike, None)]
    else:
        args = [hoisted(sweep, nest, arg) for arg in made.args]
    known = [arg for arg in args if arg is not None]
    if len(known) < len(args):
        return None
    nest.hoisted[atom] = nest.before.stage(made.op, known, dict(made.attrs))
    return nest.hoisted[atom]


class _Counting:
    """Loops of their own that count the trips of loops whose ranges depend on the loops around them."""

    def __init__(self, sweep: Sweep, nest: Nest) -> None:
        self.sweep, self.nest, self.fresh = sweep, nest, sweep.fresh

    def of(self, loops: Sequence[For]) -> Atom | None:
        """How often the body of the last of these loops runs, one inside another; None where a range depends on more than indices."""
        counting = Builder(self.fresh)
        self.word = self.sweep.words.fresh("records")
        count = self.counted(loops, {}, literal(0), counting)
        self.nest.before.stmts += counting.stmts if count is not None else []
        return count

    def counted(self, loops: Sequence[For], known: Mapping[Var, Atom], total: Atom, builder: Builder) -> Atom | None:
        """The total, and what the loops add to it; `known` are the indices of the loops around them."""
        loop, *inner = loops
        start, stop, step = (self.bound(loop.start, known, builder), self.bound(loop.stop, known, builder), loop.step)
        if start is None or stop is None or not isinstance(step, Lit):
            return None
        if not inner:
            return builder.emit("add", total, builder.emit("trip_count", start, stop, step), name=self.word)
        index, inside = self.fresh.like(loop.index), Builder(self.fresh)
        carry = Carry(self.fresh.var(self.word, INT), total, self.fresh.var(self.word, INT))
        more = self.counted(inner, {**known, loop.index: index}, carry.var, inside)
        if more is None:
            return None
        body = Block(tuple(inside.stmts), (more,))
        if index in read(body):
            builder.stmts.append(For(index, start, stop, step, (carry,), body))
            return carry.out
        once = substitute(body, {carry.var: literal(0)})  # every trip adds as much
        builder.stmts += once.stmts
        each = builder.emit("mul", builder.emit("trip_count", start, stop, step), once.results[0])
        return builder.emit("add", total, each, name=self.word)

    def bound(self, atom: Atom, known: Mapping[Var, Atom], builder: Builder) -> Atom | None:
        """An end of a range, computed again from what is there before the nest and from the indices."""
        if isinstance(atom, Var) and atom in known:
            return known[atom]
        found = hoisted(self.sweep, self.nest, atom)
        made = self.sweep.made.get(atom) if isinstance(atom, Var) else None
        if found is not None or made is None or made.op not in ("add", "sub", "mul", "neg", "copy", "max", "min"):
            return found
        args = [self.bound(arg, known, builder) for arg in made.args]
        given = [arg for arg in args if arg is not None]
        return builder.stage(made.op, given, dict(made.attrs)) if len(given) == len(args) else None
