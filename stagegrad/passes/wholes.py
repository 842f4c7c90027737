"""A loop that replaces all of an array but its border, in place -> one that makes the array anew, and records it whole.

    for k in range(n):                              for k in range(n):
        old_tape[k] = u[1:-1]                           u_tape[k] = u
        u[1:-1] = f(u)                     ->           v = u.copy(); v[1:-1] = f(u); u = v
    ...                                             ...
    for k in range(n - 1, -1, -1):                  for k in range(n - 1, -1, -1):
        u[1:-1] = old_tape[k]                           u = u_tape[k]

The backward loop then has nothing to restore, and the forward loop nothing to put aside until all of u has been read: what is recorded
whole lies in the rows of its tape (`states`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from stagegrad.ir import INT, Atom, Block, For, Fresh, Function, Module, Stage, Stmt, Var, bound, rename_function, walk
from stagegrad.names import count_reads
from stagegrad.ops import literal
from stagegrad.shapes import left_of, section, shapes


def recorded_whole(module: Module) -> Module:
    """The module whose loops make anew what they replace but for a border, and record all of it."""
    return Module(tuple(map(_changed, module.functions)))


def _changed(function: Function) -> Function:
    stores = any(isinstance(stmt, Stage) and stmt.op == "store" for stmt in walk(function.body))
    return _Wholes(function).function() if stores else function


@dataclass(frozen=True)
class _Update:
    """What a trip of a loop replaces of an array, and where it recorded what was there; and where this is put back."""

    forward: For
    array: int  # positions of carries
    tape: int
    write: Stage
    record: Stage
    taken: Stage  # what reads the section that is recorded
    room: Stage
    backward: For
    back: int
    restore: Stage
    found: Stage  # what reads the tape


class _Wholes:
    """One walk through a function, of which the body's own loops are looked at."""

    def __init__(self, function: Function) -> None:
        self.of, self.fresh, self.reads = function, Fresh(function), count_reads(function.body)
        self.dims = shapes(function, certain=True)
        self.makers = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.loops = [stmt for stmt in function.body.stmts if isinstance(stmt, For)]

    def function(self) -> Function:
        """The function with its updates changed, one after the other."""
        places = ((loop, k) for loop in self.loops for k in range(len(loop.carries)))
        found = next((update for loop, k in places if (update := self.update(loop, k)) is not None), None)
        if found is None:
            return self.of
        return _Wholes(self.rewritten(found)).function()

    # ------------------------------------------------------------------------------------------ what is one

    def update(self, loop: For, position: int) -> _Update | None:
        """What a loop does to an array that it carries, if it is that."""
        carry, result = loop.carries[position], loop.body.results[position]
        write = self.makers.get(result) if isinstance(result, Var) and carry.var.type.rank else None
        if write is None or write.op != "store" or write.args[0] != carry.var or not self.is_all_but_border(write) or loop.until:
            return None
        for at, tape in enumerate(loop.carries):
            record = self.made(loop.body.results[at])
            taken = self.made(record.args[-1]) if record is not None and record.op == "store" and record.args[0] == tape.var else None
            if record is None or taken is None or taken.op != "load" or taken.args[0] != carry.var or not _same_section(taken, write):
                continue
            room = self.made(tape.init)
            back = self.restoring(carry.out, tape.out, write)
            if room is None or any(self.reads[var] != 1 for var in (room.out, tape.var, taken.out, record.out)):
                continue
            if room.op != "tape_float" or room not in self.of.body.stmts or back is None:
                continue
            if len(record.args) == 3 and _is_row(record) and self.is_position(loop, record.args[1]):
                return _Update(loop, position, at, write, record, taken, room, *back)
        return None

    def is_position(self, loop: For, place: Atom) -> bool:
        """Is a number how many trips came before this one, and known at its beginning?"""
        made = self.made(place)
        return place == loop.index or (made is not None and made.op == "sub" and made.args == (loop.index, loop.start))

    def is_at_first(self, loop: For, place: Atom) -> bool:
        """Is a number known at the beginning of a trip, or at once from what is?"""
        made = self.made(place)
        inside = bound(loop.body)
        return place == loop.index or made is None or made not in loop.body.stmts or inside.isdisjoint(made.args)

    def made(self, atom: Atom) -> Stage | None:
        return self.makers.get(atom) if isinstance(atom, Var) else None

    def is_all_but_border(self, write: Stage) -> bool:
        """Is what is written to an array all of it but for a fixed number of elements at the ends of its axes?"""
        part, whole = section(write, self.dims), self.dims.get(write.out, ())
        if part is None or len(part) != len(whole) or dict(write.attrs).get("gather"):
            return False
        pairs = zip(part, whole, strict=True)
        return all(isinstance(left, str) and "@" not in left and left_of(left)[0] == left_of(dim)[0] for left, dim in pairs)

    def restoring(self, array: Var, tape: Var, write: Stage) -> tuple[For, int, Stage, Stage] | None:
        """The loop, which carry of it, and the stages that put back what is on the tape; None where anything else reads that."""
        for loop in self.loops:
            for k, carry in enumerate(loop.carries):
                restore = self.made(loop.body.results[k])
                if carry.init != array or restore is None or restore.op != "store" or restore not in loop.body.stmts:
                    continue
                found = self.made(restore.args[-1])
                if found is None or found.op != "load" or found.args[0] != tape or len(found.args) != 2 or not _is_row(found):
                    continue
                alone = (
                    self.reads[tape] == self.reads[found.out] == 1 and not self.reads[carry.out] and self.is_at_first(loop, found.args[1])
                )
                if alone and restore.args[0] == carry.var and _same_section(restore, write) and found in loop.body.stmts:
                    return loop, k, restore, found
        return None

    # ------------------------------------------------------------------------------------------ rewriting

    def rewritten(self, update: _Update) -> Function:
        """The function that records the array whole."""
        carry, tape = update.forward.carries[update.array], update.forward.carries[update.tape]
        sizes = [Stage(self.fresh.var("", INT), "extent", (carry.init,), (("axis", axis),)) for axis in range(carry.var.type.rank)]
        room = replace(update.room, args=(update.room.args[0], *(size.out for size in sizes)))
        forward, backward = self.forward(update), self.backward(update)
        changed: dict[int, list[Stmt]] = {id(update.room): [*sizes, room], id(update.forward): [forward], id(update.backward): [backward]}
        stmts = [new for stmt in self.of.body.stmts for new in changed.get(id(stmt), [stmt])]
        function = replace(self.of, body=replace(self.of.body, stmts=tuple(stmts)))
        word = f"{carry.var.name}_tape" if carry.var.name else tape.var.name
        tapes = (room.out, tape.var, tape.out, update.record.out)
        return rename_function(function, {var: self.fresh.var(word, var.type) for var in tapes})

    def forward(self, update: _Update) -> For:
        """The loop, each trip of which records the array and then makes a new one."""
        loop, array = update.forward, update.forward.carries[update.array].var
        record = replace(update.record, args=(*update.record.args[:-1], array), attrs=())
        place = self.made(record.args[1])
        stmts: list[Stmt] = [*([place] if place is not None else []), record]
        for stmt in loop.body.stmts:
            if stmt is update.write:
                fresh = Stage(self.fresh.like(array), "duplicate", (array,))
                stmts += [fresh, replace(update.write, args=(fresh.out, *update.write.args[1:]))]
            elif stmt is not update.taken and stmt is not update.record and stmt is not place:
                stmts.append(stmt)
        return replace(loop, body=replace(loop.body, stmts=tuple(stmts)))

    def backward(self, update: _Update) -> For:
        """The loop, each trip of which finds the array on the tape: as it was before the trip that it undoes, and as that left it."""
        loop, (tape, place) = update.backward, update.found.args
        left = loop.carries[update.back].var
        made = self.made(place)
        stmts: list[Stmt] = [made] if made is not None and made in loop.body.stmts else []
        if self.reads[left] > 1:
            behind = Stage(self.fresh.var("", INT), "add", (place, literal(1)))
            stmts += [behind, Stage(left, "load", (tape, behind.out))]
        whole = Stage(update.restore.out, "load", (tape, place))
        stmts += [whole if stmt is update.restore else stmt for stmt in loop.body.stmts if stmt is not update.found and stmt is not made]
        kept = [k for k in range(len(loop.carries)) if k != update.back]
        body = Block(tuple(stmts), tuple(loop.body.results[k] for k in kept))
        return replace(loop, carries=tuple(loop.carries[k] for k in kept), body=body)


def _same_section(read: Stage, written: Stage) -> bool:
    """Do two stages mean the same section of an array with as many axes?"""
    at = [dict(stage.attrs).get("at") for stage in (read, written)]
    indices = read.args[1:-1] if read.op == "store" else read.args[1:]
    return at[0] == at[1] and indices == written.args[1:-1]


def _is_row(stage: Stage) -> bool:
    """Does a stage read or write one row of a tape?"""
    return dict(stage.attrs).get("at", "[{0}]") == "[{0}]" and stage.args[1].type == INT
