"""IR -> IR for compiled code: a matrix that is multiplied by a vector forward and, turned, by a vector backward is read once.

    u = x @ w                              rows = rows_at_once(x)
    for i in range(n):                     dw = zeros
        total += f(u[i])                   for first in range(0, n, rows):
        r[i] = df(u[i])            ->          last = min(first + rows, n)
    dw = x.T @ r                               x_rows = section(x, first, last)
                                               u = x_rows @ w
                                               for i in range(first, last):
                                                   total += f(u[i - first])
                                                   r[i - first] = df(u[i - first])
                                               more = x_rows.T @ r[:last - first]
                                               for column in range(m):
                                                   dw[column] += more[column]

A section of the matrix stays in the cache from the one product to the other, and the rest of the work is too little to be noticed: the
time is that of reading the matrix from memory, which then is done once and not twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

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
    Module,
    Raise,
    Stage,
    Stmt,
    Type,
    Var,
    walk,
    with_blocks,
)  # fmt: skip
from stagegrad.names import Words, count_reads, reserved
from stagegrad.ops import literal

#: What compiled code says where a matrix and a vector do not fit; NumPy then says it better.
UNEQUAL = "incompatible array sizes for np.dot(a, b) (matrix * vector)"


def by_sections(module: Module) -> Module:
    """The module with loops between two products of one matrix run section by section of the matrix."""
    return Module(tuple(map(_changed, module.functions)))


@dataclass(frozen=True)
class _Pass:
    """The stages of a block that belong together: ``forward`` is u = x @ w, `loop` makes `record` of u, ``back`` is dw = x.T @ record."""

    forward: Stage
    loop: For
    record: Stage
    carry: Carry
    back: Stage


def _changed(function: Function) -> Function:
    products = [stmt for stmt in walk(function.body) if isinstance(stmt, Stage) and stmt.op == "matmul"]
    if len(products) < 2:
        return function
    body = _Sections(function).block(function.body)
    return function if body == function.body else replace(function, body=needed(body, keep_effects=True))


class _Sections:
    """One walk through a function."""

    def __init__(self, function: Function) -> None:
        self.fresh, self.words = Fresh(function), Words(reserved(function))
        self.counts = count_reads(function.body)

    def block(self, block: Block) -> Block:
        """A block and those inside it, each matrix read once where that can be."""
        block = replace(block, stmts=tuple(with_blocks(stmt, self.block) for stmt in block.stmts))
        while (found := next(_passes(block, self.counts), None)) is not None:
            block = replace(block, stmts=tuple(self.rewritten(block, found)))
        return block

    def rewritten(self, block: Block, found: _Pass) -> Iterator[Stmt]:
        """The statements of a block with one loop over sections in the place of a loop and the products around it."""
        for stmt in block.stmts:
            if stmt is found.forward:
                yield from self.asked(found.forward)
            elif stmt is found.loop:
                yield from self.sections(found)
            elif stmt is not found.back and stmt is not found.record:
                yield stmt

    def asked(self, product: Stage) -> Iterator[Stmt]:
        """What the product itself would have asked, even of a matrix without rows."""
        columns, length = (self.stage("extent", (arg,), "", INT, (("axis", arg.type.rank - 1),)) for arg in product.args)
        test = self.stage("ne", (columns.out, length.out), "", BOOL)
        yield from (columns, length, test, Raise(test.out, "ValueError", (UNEQUAL,), span=product.span))

    def sections(self, found: _Pass) -> Iterator[Stmt]:
        """The loop over sections, behind the zeros that it adds to and the room for one section."""
        x, out, loop = found.forward.args[0], found.back.out, found.loop
        columns = self.stage("extent", (x,), "", INT, (("axis", 1),))
        zeros = self.stage("zeros_of", (columns.out,), out.name, out.type, (("kind", "float"), ("bits", out.type.bits)))
        rows = self.stage("rows_at_once", (x,), self.words.fresh("rows"), INT)
        most = self.stage("min", (rows.out, loop.stop), "", INT)
        yield from (columns, zeros, rows, most, replace(found.record, args=(most.out,)))
        first, total = self.fresh.var(self.words.fresh("first"), INT), self.fresh.like(out)
        outer = [Carry(self.fresh.like(carry.var), carry.init, carry.out) for carry in loop.carries]
        body = self.body(found, first, rows.out, columns.out, total, outer)
        yield For(first, loop.start, loop.stop, rows.out, (Carry(total, zeros.out, out), *outer), body, span=loop.span)

    def body(self, found: _Pass, first: Var, rows: Var, columns: Var, total: Var, outer: Sequence[Carry]) -> Block:
        """One section: a product, the loop over its rows, and the product that is added."""
        (x, w), loop = found.forward.args, found.loop
        ahead = self.stage("add", (first, rows), "", INT)
        last = self.stage("min", (ahead.out, loop.stop), self.words.fresh("last"), INT)
        name = x.name if isinstance(x, Var) and x.name else "it"
        part = self.stage("section", (x, first, last.out), self.words.fresh(f"{name}_rows"), x.type)
        forward = replace(found.forward, args=(part.out, w))
        inner = tuple(Carry(carry.var, around.var, self.fresh.like(carry.out)) for carry, around in zip(loop.carries, outer, strict=True))
        inside = replace(loop, start=first, stop=last.out, carries=inner, body=self.shifted(found, first))
        done = next(carry.out for carry in inner if carry.var == found.carry.var)
        count = self.stage("sub", (last.out, first), "", INT)
        filled = self.stage("load", (done, count.out), "", done.type, (("at", "[:{0}]"), ("rank", 1)))
        turned = self.stage("transpose", (part.out,), "", x.type)
        more = replace(found.back, out=self.fresh.var(self.words.fresh("more"), total.type), args=(turned.out, filled.out))
        added = self.added(total, more, columns)
        stmts = (ahead, last, part, forward, inside, count, filled, turned, more, added)
        return Block(stmts, (added.carries[0].out, *(carry.out for carry in inner)))

    def added(self, total: Var, more: Stage, columns: Var) -> For:
        """``total += more``, element by element: Numba would take half a second to compile it for whole arrays."""
        index, inside = self.fresh.var(self.words.fresh("column"), INT), self.fresh.like(total)
        at: tuple[tuple[str, Attr], ...] = (("at", "[{0}]"), ("rank", 0))
        element = self.stage("load", (more.out, index), "", replace(total.type, rank=0), at)
        summed = replace(more, out=self.fresh.like(total), op="accumulate", args=(inside, index, element.out), attrs=at, note="")
        carry = Carry(inside, total, self.fresh.like(total))
        return For(index, literal(0), columns, literal(1), (carry,), Block((element, summed), (summed.out,)))

    def shifted(self, found: _Pass, first: Var) -> Block:
        """The body of the loop over rows, with a row's place in its section."""
        place = self.stage("sub", (found.loop.index, first), self.words.fresh("row"), INT)

        def moved(stmt: Stmt) -> Stmt:
            if not isinstance(stmt, Stage):
                return with_blocks(stmt, lambda block: replace(block, stmts=tuple(map(moved, block.stmts))))
            reads = stmt.op == "load" and stmt.args[0] == found.forward.out
            writes = stmt.op == "store" and stmt.args[0] == found.carry.var
            return replace(stmt, args=(stmt.args[0], place.out, *stmt.args[2:])) if reads or writes else stmt

        return replace(found.loop.body, stmts=(place, *map(moved, found.loop.body.stmts)))

    def stage(self, op: str, args: tuple[Atom, ...], name: str, type_: Type, attrs: tuple[tuple[str, Attr], ...] = ()) -> Stage:
        """A new stage with a result of its own."""
        return Stage(self.fresh.var(name, type_), op, args, attrs)


# ---------------------------------------------------------------------------------------------- what belongs together


def _passes(block: Block, counts: Counter[Var]) -> Iterator[_Pass]:
    """The loops of a block that stand between two products of one matrix, of which nobody else reads what they hand on."""
    made = {stmt.out: stmt for stmt in block.stmts if isinstance(stmt, Stage)}
    products = [stmt for stmt in made.values() if stmt.op == "matmul" and [arg.type.rank for arg in stmt.args] == [2, 1]]
    for loop in block.stmts:
        if not isinstance(loop, For) or loop.until is not None or loop.start != literal(0) or loop.step != literal(1):
            continue
        for carry, back, forward in product(loop.carries, products, products):
            record = made.get(carry.init) if isinstance(carry.init, Var) else None
            if record is None or record.op != "empty_of" or record.args != (loop.stop,) or counts[record.out] != 1:
                continue
            found = _Pass(forward, loop, record, carry, back)
            order = [next(k for k, stmt in enumerate(block.stmts) if stmt is one) for one in (forward, loop, back)]
            if order == sorted(order) and _is_one_matrix(found, made, counts) and _is_row_by_row(found, counts):
                yield found


def _is_one_matrix(found: _Pass, made: Mapping[Var, Stage], counts: Counter[Var]) -> bool:
    """Is the matrix of the second product that of the first, turned, and its vector what the loop has recorded of each row?"""
    x = found.forward.args[0]
    turned, recorded = (made.get(arg) if isinstance(arg, Var) else None for arg in found.back.args)
    last = found.back.args[1]
    while recorded is not None and recorded.op == "copy" and counts[recorded.out] == 1:
        last = recorded.args[0]
        recorded = made.get(last) if isinstance(last, Var) else None
    if turned is None or turned.op != "transpose" or "axes" in dict(turned.attrs) or turned.args[0] != x:
        return False
    stop = made.get(found.loop.stop) if isinstance(found.loop.stop, Var) else None
    is_length = stop is not None and stop.op == "extent" and stop.args[0] == x and dict(stop.attrs).get("axis") == 0
    written = any(carry.init == x for carry in found.loop.carries)
    return is_length and not written and last == found.carry.out and counts[found.carry.out] == 1


def _is_row_by_row(found: _Pass, counts: Counter[Var]) -> bool:
    """Does each trip read its own element of the first product, and write its own of the record?"""
    loop, own = found.loop, found.carry.var
    stages = [stmt for stmt in walk(loop.body) if isinstance(stmt, Stage)]
    reads = [stage for stage in stages if stage.op == "load" and stage.args == (found.forward.out, loop.index)]
    result = loop.body.results[loop.carries.index(found.carry)]
    writes = [stmt for stmt in loop.body.stmts if isinstance(stmt, Stage) and stmt.op == "store" and stmt.args[:2] == (own, loop.index)]
    alone = len(writes) == 1 and writes[0].out == result and counts[own] == 1 and counts[writes[0].out] == 1
    plain = all(dict(stage.attrs).get("at", "[{0}]") == "[{0}]" and not dict(stage.attrs).get("gather") for stage in (*reads, *writes))
    return alone and plain and len(reads) == counts[found.forward.out] > 0
