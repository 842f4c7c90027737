"""What is the same in every trip of a loop, and can be computed before it: sizes, and what is asked of them.

    for i in range(n):                             m = a.shape[1]
        m = a.shape[1]                             if n > 0 and m > len(v): raise IndexError
        if m > len(v): raise IndexError     ->     if n > 0 and len(b) <= n - 1: raise IndexError
        if len(b) <= i: raise IndexError           for i in range(n):
        ...                                            ...

Whoever comes to the loop comes to the question in one of its trips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from stagegrad.ir import BOOL, Atom, Block, For, Fresh, Lit, Raise, Stage, Stmt, Var, bound, variables, walk, with_blocks
from stagegrad.names import count_reads
from stagegrad.ops import literal

#: What cannot fail and costs next to nothing.
_SIZES = frozenset({"size", "extent", "count"})
_PURE = _SIZES | {"add", "sub", "mul", "neg", "max", "min", "trip_count", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "copy"}


#: Comparisons that are true of greater numbers where they are true of one, and which operand that is.
_GROWS = {"lt": 1, "le": 1, "gt": 0, "ge": 0}


class Steady:
    """What of a loop's values is the same in every trip; `atom` has a value from inside computed by `stmts`, which go before it."""

    def __init__(self, loop: For, fresh: Fresh) -> None:
        self.fresh = fresh
        self.inside = bound(loop.body) | {loop.index, *(carry.var for carry in loop.carries)}
        self.makers = {stmt.out: stmt for stmt in _stages(loop.body)}
        self.entered: dict[Atom, Atom] = {}
        self.entering(loop)
        self.last: dict[Atom, Callable[[], Atom | None]] = {}
        self.known: dict[Var, Var] = {}
        self.stmts: list[Stmt] = []

    def entering(self, loop: For) -> None:
        """Arrays keep their sizes, whatever a trip writes to them."""
        self.entered |= {carry.var: carry.init for carry in loop.carries if carry.var.type.rank}

    def atom(self, atom: Atom) -> Atom | None:
        """The same value outside of the loop; None where it changes from trip to trip."""
        if isinstance(atom, Lit) or atom not in self.inside:
            return atom
        if atom in self.known:
            return self.known[atom]
        stage = self.makers.get(atom)
        if stage is None or stage.op not in _PURE or atom.type.rank or atom.type.kind == "float":
            return None
        args = [self.array(arg) if arg.type.rank and stage.op in _SIZES else self.atom(arg) for arg in stage.args]
        if stage.op in _GROWS and stage.args[_GROWS[stage.op]] in self.last:
            args[_GROWS[stage.op]] = self.last[stage.args[_GROWS[stage.op]]]()
        found = [arg for arg in args if arg is not None]
        if len(found) < len(args):
            return None
        self.known[atom] = self.emit(stage.op, *found, like=atom, attrs=stage.attrs)
        return self.known[atom]

    def array(self, array: Atom) -> Atom | None:
        """An array from before the loop that has the same size."""
        while array in self.inside:
            made = self.makers.get(array) if isinstance(array, Var) else None
            if array in self.entered:
                array = self.entered[array]
            elif made is not None and made.op in ("store", "accumulate"):
                array = made.args[0]
            else:
                return None
        return array

    def counting(self, loop: For) -> None:
        """What is asked of a loop's index, and holds for all greater ones, may as well be asked of the last."""

        def last() -> Atom | None:
            stop = self.atom(loop.stop)
            return None if stop is None else self.emit("sub", stop, literal(1), like=loop.index)

        if loop.step == literal(1):
            self.last[loop.index] = last

    def emit(self, op: str, *args: Atom, like: Var, attrs: tuple[tuple[str, object], ...] = ()) -> Var:
        out = self.fresh.like(like)
        self.stmts.append(Stage(out, op, args, attrs))  # type: ignore[arg-type]  # the attributes of another stage
        return out

    def both(self, first: Atom, second: Atom) -> Atom:
        return self.emit("and", first, second, like=self.fresh.var("", BOOL))

    def has_trips(self, loop: For) -> Atom | None:
        """Whether the range of a loop, which counts by a constant, has anything in it."""
        start, stop = self.atom(loop.start), self.atom(loop.stop)
        if start is None or stop is None or not isinstance(loop.step, Lit):
            return None
        op = "lt" if isinstance(loop.step.value, int) and loop.step.value > 0 else "gt"
        return self.emit(op, start, stop, like=self.fresh.var("", BOOL))


def lifted(loop: For, fresh: Fresh) -> tuple[list[Stmt], For]:
    """What every trip of a loop asks and raises, asked before it, and the loop that asks no more."""
    if not any(isinstance(stmt, Raise) for stmt in walk(loop.body)):
        return [], loop
    steady = Steady(loop, fresh)
    body = _without_questions(loop, steady, None)
    return steady.stmts, replace(loop, body=_needed(body))


def _without_questions(loop: For, steady: Steady, reached: Atom | None) -> Block:
    """The body of a loop without what can be asked before; `reached` is whether the loops around it have trips."""
    here = steady.has_trips(loop) if loop.until is None else None
    if here is None:
        return loop.body
    reached = here if reached is None else steady.both(reached, here)
    steady.counting(loop)
    stmts: list[Stmt] = []
    for stmt in loop.body.stmts:
        if isinstance(stmt, For):
            steady.entering(stmt)
            stmts.append(replace(stmt, body=_without_questions(stmt, steady, reached)))
            continue
        test = steady.atom(stmt.test) if isinstance(stmt, Raise) and not [*variables(_said(stmt))] else None
        if test is None or not isinstance(stmt, Raise):
            stmts.append(stmt)
            continue
        steady.stmts.append(replace(stmt, test=steady.both(reached, test)))
    return replace(loop.body, stmts=tuple(stmts))


def _said(stmt: Raise) -> list[Atom]:
    return [part for part in stmt.message or () if not isinstance(part, str)]


def _needed(body: Block) -> Block:
    """The block without questions whose answers nobody reads any more."""
    while True:
        reads = count_reads(body)
        found = _read(body, {stage.out for stage in _stages(body) if stage.op in _PURE and not reads[stage.out]})
        if found == body:
            return body
        body = found


def _read(block: Block, unread: set[Var]) -> Block:
    kept = (stmt for stmt in block.stmts if not (isinstance(stmt, Stage) and stmt.out in unread))
    return replace(block, stmts=tuple(with_blocks(stmt, lambda inner: _read(inner, unread)) for stmt in kept))


_ARITHMETIC = ("copy", "add", "sub", "mul", "neg")


def constants(stmts: Iterable[Stmt]) -> dict[Var, Stage]:
    """The numbers that are made of constants alone, which a part of a loop makes for itself: LLVM then knows them there."""
    found: dict[Var, Stage] = {}
    for stmt in stmts:
        if not isinstance(stmt, Stage) or stmt.op not in _ARITHMETIC or stmt.out.type.rank:
            continue
        if all(isinstance(arg, Lit) or arg in found for arg in stmt.args):
            found[stmt.out] = replace(stmt, note="")
    return found


def without_unread_constants(body: Block) -> Block:
    """The block without those that only parts of loops read."""
    known = constants(body.stmts)
    while unread := {var for var in known if not count_reads(body)[var]}:
        body = _read(body, unread)
        known = {var: stage for var, stage in known.items() if var not in unread}
    return body


def needed_constants(vars: set[Var], known: dict[Var, Stage]) -> list[Stage]:
    """The stages that make some of these, in their order."""
    wanted = set(vars)
    for var, stage in reversed(known.items()):
        if var in wanted:
            wanted.update(variables(stage.args))
    return [stage for var, stage in known.items() if var in wanted]


def _stages(block: Block) -> Iterator[Stage]:
    return (stmt for stmt in walk(block) if isinstance(stmt, Stage))
