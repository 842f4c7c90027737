"""Which arrays share memory: what must be known of a function that writes to arrays.

Every array that the function makes, or is given, is a *buffer*. What a buffer holds is a version, an atom, under a key of the
environment, so that branches merge it and loops carry it like a variable's value. Names hold `Ref`s: buffers, and sections of them.
Two names with one buffer always share memory; two with different buffers never do, unless the buffers are *entangled*: they may.
A write to one of these leaves the other without a known version, and a later reading of it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stagegrad.frontend.values import Key, Slot, Unfit, refs
from stagegrad.ir import Atom, Block, Call, For, Function, If, Span, Stage, Stmt, Var, While
from stagegrad.ops import find

#: Stands for the memory of arrays from outside the function, which are constants.
OUTSIDE = -1
#: Stands for the memory of what lists of computed length hold: nothing may be written there.
KEPT = -2
_WRITES = frozenset({"store", "accumulate", "grow"})


def key_of(buffer: int) -> Key:
    """Where the environment keeps a buffer's version."""
    return (0, f"@{buffer}")


@dataclass
class Memory:
    """The buffers of one function: what they are called, and which of them may share memory."""

    words: dict[int, str] = field(default_factory=dict)
    lies: dict[Atom, frozenset[int]] = field(default_factory=dict)  # the buffers that what an operation gave may lie in
    ordered: set[Atom] = field(default_factory=set)  # arrays that are certainly in C order
    contiguous: set[int] = field(default_factory=set)  # buffers that are
    held: list[int] = field(default_factory=list)  # by the caller, or by what a loop goes over: not by variables alone
    _entangled: dict[int, set[int]] = field(default_factory=dict)
    _count: int = 0

    def new(self, word: str, among: Iterable[int] = ()) -> int:
        """A new buffer; it may share memory with those that it lies among, and with those that may share memory with them."""
        self._count += 1
        self.words[self._count] = word
        for buffer in among:
            for other in (buffer, *self.entangled(buffer)):
                self.entangle(self._count, other)
        return self._count

    def entangled(self, buffer: int) -> frozenset[int]:
        """The buffers that may share memory with this one."""
        return frozenset(self._entangled.get(buffer, ()))

    def entangle(self, first: int, second: int) -> bool:
        """Notes that two buffers may share memory; was it news?"""
        if first == second or second in self._entangled.get(first, ()):
            return False
        self._entangled.setdefault(first, set()).add(second)
        self._entangled.setdefault(second, set()).add(first)
        return True

    def meet(self, first: int, second: int) -> bool:
        """Whether two buffers are the same, or may share memory."""
        return first == second or second in self._entangled.get(first, ())

    def keep(self, buffers: Iterable[int]) -> None:
        """Notes that a list of computed length holds arrays that lie in these buffers."""
        for buffer in buffers:
            for other in (buffer, *self.entangled(buffer)):
                self.entangle(other, KEPT)

    def join(self, ways: Sequence[tuple[int, Sequence[int]]]) -> bool:
        """Entangles the buffers (first of each pair) that on one of several ways are the same, or may share memory; was any of it news?"""
        news = False
        if ways:
            ways = [(OUTSIDE, (OUTSIDE,) * len(ways[0][1])), (KEPT, (KEPT,) * len(ways[0][1])), *ways]
        for position, (one, ends) in enumerate(ways):
            for other, others in ways[:position]:
                if one != other and any(self.meet(a, b) for a, b in zip(ends, others, strict=True)):
                    news |= self.entangle(one, other)
        return news


def buffers_in(env: Mapping[Key, Slot]) -> set[int]:
    """The buffers that an environment's variables hold."""
    return {ref.buffer for slot in env.values() for ref in refs(slot.value)}


def lost(word: str, span: Span | None) -> Unfit:
    """The version of a buffer after a write that may or may not have changed it."""
    where = f" on line {span.line}" if span else ""
    what = f"`{word}`" if word else "this array"
    return Unfit(f"whether the write{where} changes {what} cannot be told before it runs", "a copy, .copy(), where the two names part")


# ---------------------------------------------------------------------------------------------- results of calls


def shared(function: Function, known: Mapping[str, Sequence[frozenset[int]]]) -> tuple[frozenset[int], ...]:
    """For each result of a function, the positions of the parameters whose memory it may lie in; `known` says so of those it calls."""
    lies: dict[Atom, frozenset[int]] = {param: frozenset({k}) for k, param in enumerate(function.params) if param.type.rank}
    while True:
        before = dict(lies)
        _spread(function.body, lies, known)
        if lies == before:
            return tuple(lies.get(result, frozenset()) for result in function.body.results)


def _spread(block: Block, lies: dict[Atom, frozenset[int]], known: Mapping[str, Sequence[frozenset[int]]]) -> None:
    def of(*atoms: Atom) -> frozenset[int]:
        return frozenset().union(*(lies.get(atom, frozenset()) for atom in atoms))

    for stmt in block.stmts:
        for inner in _blocks(stmt):
            _spread(inner, lies, known)
        match stmt:
            case Stage(out, op, args) if out.type.rank:
                lies[out] = of(args[0]) if op in _WRITES else of(*args) if is_view(stmt) else frozenset()
            case If():
                lies |= {out: of(a, b) for out, a, b in zip(stmt.outs, stmt.then.results, stmt.orelse.results, strict=True)}
            case For() | While():
                for carry, result in zip(stmt.carries, stmt.body.results, strict=True):
                    lies[carry.var] = lies[carry.out] = of(carry.init, result, carry.var)
            case Call():
                through = known.get(stmt.fn)
                for k, out in enumerate(stmt.outs):
                    lies[out] = of(*stmt.args) if through is None else of(*(stmt.args[j] for j in through[k]))
            case _:
                pass


def _blocks(stmt: Stmt) -> tuple[Block, ...]:
    match stmt:
        case If():
            return stmt.then, stmt.orelse
        case For() | While():
            return (stmt.body,)
        case _:
            return ()


def is_view(stage: Stage) -> bool:
    """Whether what a stage gives may lie in the memory of its operands."""
    if stage.op == "load":
        return stage.out.type.rank > 0 and not dict(stage.attrs).get("gather")
    return find(stage.op).view


def arrays_of(atoms: Iterable[Atom]) -> list[Var]:
    """The arrays among atoms."""
    return [atom for atom in atoms if isinstance(atom, Var) and atom.type.rank]
