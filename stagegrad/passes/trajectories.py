"""A trajectory that is written row by row -> a state that the loop carries; the rows that nobody else reads are not written.

    u = zeros((steps + 1, n))                   v = start
    u[0] = start                                for k in range(steps):
    for k in range(steps):                          w = v.copy()
        u[k + 1] = u[k]                             for i in range(1, n - 1):
        for i in range(1, n - 1):        ->             w[i] = f(v[i - 1], v[i], v[i + 1])
            u[k + 1, i] = f(u[k, i - 1], ...)       v = w
    return g(u[steps])                          return g(v)

`as_states` is ``Module -> Module`` and runs before a function is differentiated: the gradient of a state is an array of its own, in
which cells gather from their neighbours, and not a row among rows. Loops that write single numbers to their rows stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stagegrad.analysis import needed
from stagegrad.ir import (
    BOOL,
    INT,
    Atom,
    Attr,
    Block,
    Carry,
    For,
    Fresh,
    Function,
    Lit,
    Module,
    Raise,
    Stage,
    Stmt,
    Var,
    blocks,
    literal_is,
    rename,
    substitute,
    uses,
    variables,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.names import Words, count_reads, reserved
from stagegrad.ops import literal
from stagegrad.passes.versions import are_apart, versions
from stagegrad.shapes import Dimensions, dimensions

_SIZES = frozenset({"size", "extent", "count"})
_ZEROS = frozenset({"zeros", "zeros_of"})
_WRITES = ("store", "accumulate")


def as_states(module: Module) -> Module:
    """The module whose main function carries states where it wrote them to the rows of an array."""
    main = module.main
    if not any(isinstance(stmt, Stage) and stmt.op in _ZEROS and stmt.out.type.rank > 1 for stmt in walk(main.body)):
        return module
    body = _Trajectories(main).body()
    return module if body == main.body else Module((replace(main, body=needed(body, keep_effects=True)), *module.functions[1:]))


@dataclass(frozen=True)
class _Trajectory:
    """An array of rows that a loop carries, by the position of its carry: `made` makes it, `first` writes its row 0."""

    position: int
    found: set[Atom]  # its versions in a trip
    made: Stage
    first: Stage


class _Trajectories:
    """One walk through the statements of a function's body."""

    def __init__(self, function: Function) -> None:
        self.of, self.fresh, self.words = function, Fresh(function), Words(reserved(function))
        self.dims: Dimensions = dimensions(function, apart=True)  # what is not written any more would have raised
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.reads = count_reads(function.body)

    def body(self) -> Block:
        """The function's body with its loops changed."""
        stmts = list[Stmt]()
        last: dict[Var, tuple[For, Var]] = {}  # what a loop leaves of a trajectory, with its last row
        made: dict[Var, tuple[For, _Trajectory]] = {}
        for stmt in self.of.body.stmts:
            one = self.trajectory(stmt) if isinstance(stmt, For) else None
            if one is None or not isinstance(stmt, For):
                stmts.append(stmt)
                continue
            before, loop, row = self.rewritten(stmt, one)
            stmts += [*before, loop]
            out = stmt.carries[one.position].out
            last[out], made[out] = (stmt, row), (stmt, one)
        block = self.at_end(replace(self.of.body, stmts=tuple(stmts)), last)
        reads = count_reads(block)
        for out, (loop, one) in made.items():
            block = block if reads[out] else self.without(block, loop, one)
        return block

    # ------------------------------------------------------------------------------------------ which loops

    def trajectory(self, loop: For) -> _Trajectory | None:
        """The array whose rows a loop writes one after the other; None where there is none, or several."""
        counts = literal_is(loop.start, 0) and literal_is(loop.step, 1) and loop.until is None and not loop.parallel
        every = (self.rows(loop, k) for k in range(len(loop.carries))) if counts else ()
        found = [one for one in every if one is not None]
        return found[0] if len(found) == 1 else None

    def rows(self, loop: For, position: int) -> _Trajectory | None:
        """A carry of a loop as an array of rows, each of which a trip makes from the one before."""
        carry = loop.carries[position]
        first = self.makers.get(carry.init) if isinstance(carry.init, Var) else None
        if carry.var.type.rank < 2 or carry.var.type.kind != "float" or first is None or first.op != "store":
            return None
        made = self.makers.get(first.args[0]) if isinstance(first.args[0], Var) else None
        is_first = len(first.args) == 3 and literal_is(first.args[1], 0) and dict(first.attrs).get("at") == "[{0}]"
        if made is None or made.op not in _ZEROS or not is_first or not self.is_row(first.args[2], carry.var):
            return None
        found = versions(loop, carry)
        others = [result for k, result in enumerate(loop.body.results) if k != position]
        apart = loop.body.results[position] in found and found.isdisjoint(others) and are_apart(loop, found)
        alone = self.is_one_more(made.args[0], loop.stop) and self.readers(made.out) == self.readers(first.out) == 1
        if not apart or not alone or not all(self.is_access(stmt, found, loop) for stmt in walk(loop.body)):
            return None
        return _Trajectory(position, found, made, first) if any(self.is_long(stmt, found) for stmt in loop.body.stmts) else None

    def is_row(self, value: Atom, array: Atom) -> bool:
        """Has a value certainly the shape of a row?"""
        row, own = self.dims.shape(array)[1:], self.dims.shape(value) if value.type.rank else ()
        alike = len(row) == len(own) and all(self.dims.equal(one) == self.dims.equal(two) for one, two in zip(row, own, strict=True))
        return alike and value.type.bits == array.type.bits and value.type.kind == "float"

    def readers(self, array: Var) -> int:
        """How often an array is read, its size apart."""
        asked = sum(stmt.op in _SIZES and stmt.args[0] == array for stmt in walk(self.of.body) if isinstance(stmt, Stage))
        return self.reads[array] - asked

    def is_one_more(self, rows: Atom, trips: Atom) -> bool:
        """Has an array a row more than a loop has trips?"""
        return self.apart(rows) == (self.apart(trips)[0], self.apart(trips)[1] + 1)

    def apart(self, atom: Atom) -> tuple[Atom, int]:
        """A number as another one and so many more."""
        by = 0
        while isinstance(atom, Var):
            match self.makers.get(atom):
                case Stage(op="add" | "sub" as op, args=(Var() as before, Lit(int() as number))):
                    atom, by = before, by + (number if op == "add" else -number)
                case _:
                    break
        return atom, by

    def is_access(self, stmt: Stmt, found: set[Atom], loop: For) -> bool:
        """Does a statement, if it is about the array, read this trip's row, or read and write the next?"""
        if not isinstance(stmt, Stage):
            named = set(variables(uses(stmt))) & found
            return not named or any(True for _ in blocks(stmt))
        if found.isdisjoint(stmt.args) or stmt.op in _SIZES:
            return True
        at = str(dict(stmt.attrs).get("at", "[{0}]"))
        plain = bool(re.match(r"\[\{0\}[\],]", at)) and "][" not in at and "..." not in at and not dict(stmt.attrs).get("gather")
        if stmt.op not in ("load", *_WRITES) or not plain or not found.isdisjoint(stmt.args[1:]):
            return False
        ahead = self.apart(stmt.args[1])
        return ahead == (loop.index, 1) or (ahead == (loop.index, 0) and stmt.op == "load")

    def is_long(self, stmt: Stmt, found: set[Atom]) -> bool:
        """Does a statement of a trip write to a whole row or a section of it, or does a loop in it write to one?"""
        written = (one for one in walk(Block((stmt,))) if isinstance(one, Stage) and one.op in _WRITES and one.args[0] in found)
        return any(isinstance(stmt, For) or bool(dict(one.attrs).get("rank")) for one in written)

    # ------------------------------------------------------------------------------------------ rewriting

    def rewritten(self, loop: For, one: _Trajectory) -> tuple[list[Stmt], For, Var]:
        """What stands before the loop, the loop with one more carry, and what it leaves of that."""
        carry = loop.carries[one.position]
        type_ = replace(carry.var.type, rank=carry.var.type.rank - 1)
        word = self.words.fresh(f"{carry.var.name or 'row'}_now")
        start, now, out = (self.fresh.var(word, type_) for _ in range(3))
        begin = Stage(start, "duplicate", (one.first.args[2],))
        body = self.trip(loop, one, now)
        carries = (*loop.carries, Carry(now, start, out))
        return [begin], replace(loop, carries=carries, body=body), out

    def trip(self, loop: For, one: _Trajectory, now: Var) -> Block:
        """A trip that makes the next row of the one that it finds, and writes it at its end."""
        carry = loop.carries[one.position]
        word = self.words.fresh(f"{carry.var.name or 'row'}_next")
        rows: dict[Var, Var] = {var: self.fresh.var(word, now.type) for var in sorted(variables(one.found), key=lambda var: var.version)}
        instead: dict[Var, Atom] = {}
        block = rename(loop.body, rows)
        shifted = _Rows(self, {*rows.values()}, loop.index, now, carry.init, instead).block(block)
        shifted = substitute(shifted, instead)
        next_row = shifted.results[one.position]
        empty = Stage(rows[carry.var], "zeros_like", (now,))
        ahead = Stage(self.fresh.var("", INT), "add", (loop.index, literal(1)))
        written = replace(one.first, out=self.fresh.like(carry.var), args=(carry.var, ahead.out, next_row), note="")
        results = tuple(written.out if k == one.position else result for k, result in enumerate(shifted.results))
        return Block((empty, *shifted.stmts, ahead, written), (*results, next_row))

    def without(self, block: Block, loop: For, one: _Trajectory) -> Block:
        """The block that does not need the array, whose sizes it asks of what the array would be made of."""
        sizes: dict[Var, Atom] = {}
        for stmt in walk(block):
            if isinstance(stmt, Stage) and stmt.op in ("extent", "size") and stmt.args[0] in (one.made.out, one.first.out):
                axis = dict(stmt.attrs).get("axis", 0)
                sizes[stmt.out] = one.made.args[axis if isinstance(axis, int) else 0]
        makes = (isinstance(stmt, Stage) and stmt.out == one.made.out for stmt in block.stmts)
        stmts = (
            new
            for stmt, is_made in zip(block.stmts, makes, strict=True)
            for new in (stmt, *(self.asked(one.made.args[0], loop) if is_made else ()))
        )
        return substitute(replace(block, stmts=tuple(stmts)), sizes)

    def asked(self, rows: Atom, loop: For) -> list[Stmt]:
        """What making the array, and writing to its first row, has asked of the number of rows."""
        stmts = list[Stmt]()
        negative = "ValueError", "negative dimensions are not allowed"
        empty = "IndexError", "index 0 is out of bounds for axis 0 with size 0"
        for least, (error, reason) in ((0, negative), (1, empty)):
            test = Stage(self.fresh.var("", BOOL), "lt", (rows, literal(least)))
            stmts += [test, Raise(test.out, error, (reason,), span=loop.span)]
        return stmts

    def at_end(self, block: Block, last: dict[Var, tuple[For, Var]]) -> Block:
        """The block that takes the last row from where the loop leaves it."""
        instead: dict[Var, Atom] = {}

        def changed(inner: Block) -> Block:
            stmts = list[Stmt]()
            for stmt in inner.stmts:
                new = self.of_last(stmt, last) if isinstance(stmt, Stage) and stmt.op == "load" else None
                if isinstance(new, Var) and isinstance(stmt, Stage):
                    instead[stmt.out] = new
                else:
                    stmts.append(new if isinstance(new, Stage) else with_blocks(stmt, changed))
            return replace(inner, stmts=tuple(stmts))

        return substitute(changed(block), instead)

    def of_last(self, stage: Stage, last: dict[Var, tuple[For, Var]]) -> Stage | Var | None:
        """A reading of the last row, or of a part of it, as one of the row alone."""
        array = stage.args[0]
        if not isinstance(array, Var) or array not in last or not re.match(r"\[(\{0\}|-1)[\],]", str(dict(stage.attrs).get("at", "[{0}]"))):
            return None
        loop, row = last[array]
        at = str(dict(stage.attrs).get("at", "[{0}]"))
        if "][" in at or "..." in at or dict(stage.attrs).get("gather"):
            return None
        fixed = at.startswith("[-1")
        is_last = fixed or stage.args[1] == loop.stop or literal_is(stage.args[1], -1)
        return of_row(stage, row, counted=not fixed) if is_last else None


@dataclass
class _Rows:
    """The body of a trip on its way: `rows` are the next row as the trip's writes leave it, `now` is this trip's."""

    of: _Trajectories
    rows: set[Var]
    index: Var
    now: Var
    array: Atom
    instead: dict[Var, Atom]

    def block(self, block: Block) -> Block:
        return replace(block, stmts=tuple(new for stmt in block.stmts for new in self.stmt(stmt)))

    def stmt(self, stmt: Stmt) -> Iterator[Stmt]:
        if not isinstance(stmt, Stage):
            yield with_blocks(stmt, self.block)
        elif self.rows.isdisjoint(stmt.args):
            yield stmt
        elif stmt.op in _SIZES:
            yield replace(stmt, args=(self.array, *stmt.args[1:]))
        else:
            array = self.now if self.of.apart(stmt.args[1]) == (self.index, 0) else stmt.args[0]
            assert isinstance(array, Var)
            changed = of_row(stmt, array, counted=True)
            if not isinstance(changed, Stage):
                self.instead[stmt.out] = changed
            elif changed.op == "store" and len(changed.args) == 2 and self.of.is_row(changed.args[1], self.array):
                yield replace(changed, op="duplicate", args=changed.args[1:], attrs=())
            else:
                yield changed


def of_row(stage: Stage, row: Var, *, counted: bool) -> Stage | Var:
    """A stage that reads or writes a part of a row of an array, as one that does so to the row; the row itself where all of it is read.

    It is `counted` where the row's number is an operand, and not part of the text.
    """
    attrs = dict(stage.attrs)
    rest = str(attrs.get("at", "[{0}]"))[1:-1].split(",")[1:]
    args = stage.args[2:] if counted else stage.args[1:]
    if not rest and stage.op == "load":
        return row
    if not rest:
        return replace(stage, args=(row, *args), attrs=(("at", "[...]"), ("rank", row.type.rank)))
    parts = (re.sub(r"\{(\d+)\}", lambda found: f"{{{int(found[1]) - counted}}}", part.strip()) for part in rest)
    attrs["at"] = f"[{', '.join(parts)}]"
    new: tuple[tuple[str, Attr], ...] = tuple(attrs.items())
    return replace(stage, args=(row, *args), attrs=new)
