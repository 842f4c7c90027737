"""What passes through a nest of loops that is undone: tapes and counts of records, and what was read again of restored arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stagegrad.analysis import needed
from stagegrad.ir import (
    Atom,
    Block,
    For,
    Stage,
    Stmt,
    Type,
    Var,
    While,
    free,
    substitute,
)  # fmt: skip
from stagegrad.ops import Builder
from stagegrad.reverse.carried import in_order
from stagegrad.reverse.lineages import SHAPE_ONLY, WRITES

if TYPE_CHECKING:
    from stagegrad.reverse.sweep import Sweep


@dataclass
class Thread:
    """A tape, or a count of the records on one: made before the outermost loop, carried through all of them, read by the backward pass.

    `start` makes it, `final` is its value after the nest. A count runs back through the backward loops (`returns`).
    """

    word: str
    type: Type
    start: Callable[[Builder], Atom]
    final: Var
    returns: bool = False


@dataclass(frozen=True)
class Use:
    """Where a thread enters and leaves a statement, in the forward pass and, where it returns, in the backward pass."""

    thread: Thread
    enters: Var
    leaves: Var
    back_enters: Var | None = None
    back_leaves: Var | None = None


@dataclass
class Level:
    """A trip that is being undone, or an arm in one: what made each of its values, and what was read again so far."""

    makers: dict[Var, Stage]
    changed: set[Var]  # the lineages that the loop writes to
    again: dict[Var, Atom] = field(default_factory=dict)

    def inside(self, block: Block) -> Level:
        """The level of an arm: it sees what is outside it, and what it learns is forgotten after it."""
        return Level(self.makers | makers_of(block), self.changed, dict(self.again))


def makers_of(block: Block) -> dict[Var, Stage]:
    return {stmt.out: stmt for stmt in block.stmts if isinstance(stmt, Stage)}


@dataclass
class Nest:
    """A nest on its way: what was there before it, what its outermost loop must prepare, and the threads of the block in work."""

    outside: set[Var]  # what is certainly bound before the nest
    before: Builder
    uses: list[Use] = field(default_factory=list)
    loops: list[For | While] = field(default_factory=list)  # those that are being undone, outermost first
    rooms: dict[int, Atom | None] = field(default_factory=dict)  # how often a loop's body runs in all; loops by their identity
    hoisted: dict[Var, Atom] = field(default_factory=dict)


def needed_with(stmts: Iterable[Stmt], results: Iterable[Atom], uses: Iterable[Use]) -> Block:
    """The part of a backward block that its results and the threads through it depend on."""
    results, threads = tuple(results), tuple(use.back_leaves for use in uses if use.back_leaves is not None)
    return Block(needed(Block(tuple(stmts), (*results, *threads))).stmts, results)


# ---------------------------------------------------------------------------------------------- reading again


class Stuck(Exception):
    """A value cannot be read again here: an array that it came from has been written to since."""


def read_again(sweep: Sweep, level: Level, stmts: list[Stmt], state: dict[Var, Atom], builder: Builder) -> list[Stmt]:
    """Statements of the backward pass, with the arrays as they are restored in `state`, and what was read from them read again."""
    mapping: dict[Var, Atom] = {}
    for var in in_order(free(Block(tuple(stmts)))):
        if sweep.lineages.changing(var):
            if var in state:
                mapping[var] = state[var]
            continue
        try:
            found = _again(sweep, level, var, state, builder)
        except Stuck:
            continue
        if found != var:
            mapping[var] = found
    return [*builder.stmts, *substitute(Block(tuple(stmts)), mapping).stmts]


def _again(sweep: Sweep, level: Level, atom: Atom, state: dict[Var, Atom], builder: Builder) -> Atom:
    """The atom itself, if no array that changes is behind it; else a copy of how it was made, from arrays as they are now."""
    if not isinstance(atom, Var) or atom not in level.makers:
        return atom
    if atom in level.again:
        return level.again[atom]
    made = level.makers[atom]
    if made.op in (*WRITES, "grow"):
        raise Stuck
    asked = SHAPE_ONLY.get(made.op, ())
    args: list[Atom] = []
    for k, arg in enumerate(made.args):
        if isinstance(arg, Var) and sweep.lineages.root.get(arg) in level.changed:
            if arg not in state and k not in asked:
                raise Stuck
            args.append(state.get(arg, arg))
        else:
            args.append(_again(sweep, level, arg, state, builder))
    if tuple(args) == made.args:
        return atom
    out = sweep.fresh.like(atom)
    same_facts(sweep, {atom: out})
    builder.stmts.append(replace(made, out=out, args=tuple(args), note="", span=made.span))
    level.again[atom] = out
    return out


def same_facts(sweep: Sweep, copies: dict[Var, Var]) -> None:
    """What is known of a value is true of its copy."""
    for facts in (sweep.active, sweep.conditional, sweep.reshaped, sweep.unbounded):
        facts |= {new for old, new in copies.items() if old in facts}
    for known in (sweep.shapes, sweep.certain):
        known.update({new: known[old] for old, new in copies.items() if old in known})
    sweep.made.update({new: replace(sweep.made[old], out=new) for old, new in copies.items() if old in sweep.made})
