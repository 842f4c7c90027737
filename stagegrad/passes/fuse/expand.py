"""Composite operations on arrays, written in terms of those that a loop runs element by element.

    m = mean(x) {axis=1}   ->   total = sum(x) {axis=1}; n = number_along(x) {axis=1}; m = div(total, n)

Each formula is that of the operation's own helper (`stagegrad.rules`), so that special values come out alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import replace

from stagegrad.ir import INT, Atom, Attr, Block, Fresh, Function, Lit, Stage, Stmt, Var, walk, with_blocks
from stagegrad.names import count_reads
from stagegrad.ops import find, literal
from stagegrad.passes.fuse.nodes import axes_along, fits_a_loop
from stagegrad.shapes import Shape, dimensions

#: An index that takes every element of every axis, and may add axes of one element: ``[:, None]``.
_WHOLE = re.compile(r"\[(:|None)(, (:|None))*\]")
#: An index of arrays alone, or of arrays with whole axes behind them.
_PICKED = re.compile(r"\[\{0\}(, \{\d\})*(, :)*\]")


def expanded(function: Function) -> Function:
    """The function with its composite array stages written out."""
    expander = _Expander(function)
    return replace(function, body=_without(expander.block(function.body), expander.gone))


def _without(block: Block, gone: Set[Var]) -> Block:
    """The block without the stages that make these values."""
    if not gone:
        return block
    kept = (stmt for stmt in block.stmts if not (isinstance(stmt, Stage) and stmt.out in gone))
    return replace(block, stmts=tuple(with_blocks(stmt, lambda inner: _without(inner, gone)) for stmt in kept))


class _Expander:
    def __init__(self, function: Function) -> None:
        self.fresh, self.dimensions = Fresh(function), dimensions(function, hopeful=True)
        self.reads = count_reads(function.body)
        self.makers: dict[Atom, Stage] = {stmt.out: stmt for stmt in walk(function.body) if isinstance(stmt, Stage)}
        self.gone: set[Var] = set()  # what nobody reads any more
        self.zeros: set[Var] = set()
        self.positions: dict[Atom, Atom] = {}  # the index arrays that count 0, 1, 2, …, with their lengths
        self.stmts: list[Stmt] = []

    def block(self, block: Block) -> Block:
        kept, self.stmts = self.stmts, []
        for stmt in block.stmts:
            if isinstance(stmt, Stage):
                self.stage(stmt)
            else:
                self.stmts.append(with_blocks(stmt, self.block))
        found, self.stmts = Block(tuple(self.stmts), block.results), kept
        return found

    def stage(self, stage: Stage) -> None:
        if stage.op == "zeros_like":
            self.zeros.add(stage.out)
        if counts_up(stage):
            self.positions[stage.out] = stage.args[1]
        change = _CHANGES.get(stage.op)
        if change is None or not change(self, stage):
            self.stmts.append(stage)

    def dims(self, atom: Atom) -> Shape:
        return self.dimensions.of.get(atom, ()) if isinstance(atom, Var) else ()

    def emit(self, like: Stage, op: str, *args: Atom, name: str = "", **attrs: Attr) -> Var:
        """A stage under the same note, with a result of its own."""
        if find(op).kind in ("elementwise", "flat"):
            attrs = {"lib": "numpy", **attrs} if "numpy" in find(op).spelling else attrs
        out = self.fresh.var(name, find(op).type_of([arg.type for arg in args], attrs))
        self.stmts.append(replace(like, out=out, op=op, args=args, attrs=tuple(attrs.items())))
        return out

    def last(self, like: Stage, op: str, *args: Atom, **attrs: Attr) -> bool:
        """The stage that gives the result of the composite one."""
        self.stmts.append(replace(like, op=op, args=args, attrs=tuple(attrs.items())))
        return True

    def reducible(self, stage: Stage, axis: Attr) -> bool:
        """Can sums along these axes of its operand run in loops?"""
        dims = self.dims(stage.args[0])
        return bool(dims) and stage.args[0].type.kind == "float" and fits_a_loop(dims, axes_along(axis, len(dims)))


def counts_up(stage: Stage) -> bool:
    """Is it ``np.arange(n)``?"""
    return stage.op == "arange" and stage.args[0] == Lit(0, INT) and stage.args[2] == Lit(1, INT)


# ---------------------------------------------------------------------------------------------- reductions


def _mean(expander: _Expander, stage: Stage) -> bool:
    attrs = dict(stage.attrs)
    if not expander.reducible(stage, attrs.get("axis")):
        return False
    total = expander.emit(stage, "sum", *stage.args, name="total", **attrs)
    number = expander.emit(stage, "number_along", *stage.args, axis=attrs.get("axis"))
    return expander.last(stage, "div", total, number)


def _var(expander: _Expander, stage: Stage) -> bool:
    attrs = dict(stage.attrs)
    axis, less = attrs.get("axis"), attrs.get("ddof") or 0
    if not expander.reducible(stage, axis):
        return False
    x = stage.args[0]
    total = expander.emit(stage, "sum", x, name="total", axis=axis, keepdims=True)
    mean = expander.emit(stage, "div", total, expander.emit(stage, "number_along", x, axis=axis), name=f"{stage.out.name}_mean")
    squares = expander.emit(stage, "square", expander.emit(stage, "sub", x, mean))
    total = expander.emit(stage, "sum", squares, name="total", axis=axis, keepdims=attrs.get("keepdims", False))
    number = expander.emit(stage, "number_along", x, axis=axis, less=less)
    if stage.op == "var":
        return expander.last(stage, "div", total, number)
    return expander.last(stage, "sqrt", expander.emit(stage, "div", total, number), lib="numpy")


def _norm(expander: _Expander, stage: Stage) -> bool:
    attrs = dict(stage.attrs)
    if not expander.reducible(stage, attrs.get("axis")):
        return False
    total = expander.emit(stage, "sum", expander.emit(stage, "square", stage.args[0]), name="total", **attrs)
    return expander.last(stage, "sqrt", total, lib="numpy")


def _tied(expander: _Expander, stage: Stage) -> bool:
    """1/n where x is one of the n elements that equal their extreme, else 0; nan where that is nan."""
    x, extreme = stage.args
    dims, small = expander.dims(x), expander.dims(extreme)
    axes = tuple(k for k, dim in enumerate(small) if dim == 1) if small else tuple(range(len(dims)))
    if len(small) not in (0, len(dims)) or not dims or not fits_a_loop(dims, set(axes)):
        return False
    equal = expander.dimensions.equal
    if any(equal(dims[k]) != equal(dim) for k, dim in enumerate(small) if k not in axes):
        return False  # an extreme that came through a branch: nobody knows along which axes it was taken
    zero = expander.emit(stage, "where", expander.emit(stage, "eq", extreme, extreme), literal(0.0), extreme)
    here = expander.emit(stage, "where", expander.emit(stage, "eq", x, extreme), literal(1.0), zero, name="tied")
    number = expander.emit(stage, "sum", here, name="ties", axis=axes, keepdims=True)
    return expander.last(stage, "div", here, number)


def _dot(expander: _Expander, stage: Stage) -> bool:
    """``x @ y`` of two vectors of one length is the sum of their products."""
    first, second = (expander.dims(arg) for arg in stage.args)
    equal = expander.dimensions.equal
    alike = len(first) == len(second) == 1 and equal(first[0]) == equal(second[0]) and 1 not in (*first, *second)
    if not alike or any(arg.type.kind != "float" for arg in stage.args) or stage.args[0].type != stage.args[1].type:
        return False
    each = expander.emit(stage, "square", stage.args[0]) if len({*stage.args}) == 1 else expander.emit(stage, "mul", *stage.args)
    return expander.last(stage, "sum", each)


# ---------------------------------------------------------------------------------------------- exponentials


def _below_top(expander: _Expander, stage: Stage, *, finite: bool) -> tuple[Var, Var]:
    """The largest elements along the axes, and x less them (where `finite`, less nothing where they are not finite)."""
    x, axis = stage.args[0], dict(stage.attrs).get("axis")
    top = expander.emit(stage, "amax", x, name="top", axis=axis, keepdims=True)
    if not finite:
        return top, expander.emit(stage, "sub", x, top)
    shift = expander.emit(stage, "where", expander.emit(stage, "isfinite", top), top, literal(0.0))
    return top, expander.emit(stage, "sub", x, shift)


def _softmax(expander: _Expander, stage: Stage) -> bool:
    axis = dict(stage.attrs).get("axis")
    if not expander.reducible(stage, axis):
        return False
    _, below = _below_top(expander, stage, finite=False)
    each = expander.emit(stage, "exp", below, name=f"exp{stage.args[0].name}" if isinstance(stage.args[0], Var) else "")
    return expander.last(stage, "div", each, expander.emit(stage, "sum", each, name="total", axis=axis, keepdims=True))


def _log_softmax(expander: _Expander, stage: Stage) -> bool:
    axis = dict(stage.attrs).get("axis")
    if not expander.reducible(stage, axis):
        return False
    _, below = _below_top(expander, stage, finite=True)
    total = expander.emit(stage, "sum", expander.emit(stage, "exp", below), name="total", axis=axis, keepdims=True)
    return expander.last(stage, "sub", below, expander.emit(stage, "log", total))


def _shares(expander: _Expander, stage: Stage) -> bool:
    axis = dict(stage.attrs).get("axis")
    if not expander.reducible(stage, axis):
        return False
    x = stage.args[0]
    top = expander.emit(stage, "amax", x, name="top", axis=axis, keepdims=True, initial=True)
    shift = expander.emit(stage, "where", expander.emit(stage, "isinf", top), literal(0.0), top)
    each = expander.emit(stage, "exp", expander.emit(stage, "sub", x, shift))
    infinite = literal(float("inf"))
    each = expander.emit(stage, "where", expander.emit(stage, "eq", x, infinite), literal(1.0), each)
    below = expander.emit(stage, "and", expander.emit(stage, "eq", top, infinite), expander.emit(stage, "ne", x, infinite))
    each = expander.emit(stage, "where", below, literal(0.0), each)
    total = expander.emit(stage, "sum", each, name="total", axis=axis, keepdims=True)
    some = expander.emit(stage, "where", expander.emit(stage, "eq", total, literal(0.0)), literal(1.0), total)
    return expander.last(stage, "div", each, some)


def _logsumexp(expander: _Expander, stage: Stage) -> bool:
    attrs = dict(stage.attrs)
    axis, keepdims = attrs.get("axis"), attrs.get("keepdims", False)
    if not expander.reducible(stage, axis):
        return False
    x = stage.args[0]
    top = expander.emit(stage, "amax", x, name="top", axis=axis, keepdims=True, initial=True)
    shift = expander.emit(stage, "where", expander.emit(stage, "isfinite", top), top, literal(0.0))
    largest = expander.emit(stage, "eq", x, top)
    each = expander.emit(stage, "exp", expander.emit(stage, "sub", x, shift))
    rest = expander.emit(stage, "where", largest, literal(0.0), each)
    total = expander.emit(stage, "sum", rest, name="rest", axis=axis, keepdims=keepdims)
    zero = expander.emit(stage, "where", largest, each, literal(0.0))  # as wide as x, where it is taken
    ones = expander.emit(stage, "where", largest, literal(1.0), zero)
    ties = expander.emit(stage, "sum", ones, name="ties", axis=axis, keepdims=keepdims)
    ties = expander.emit(stage, "maximum", ties, literal(1.0))
    highest = top if keepdims else expander.emit(stage, "amax", x, name="top", axis=axis, keepdims=False, initial=True)
    found = expander.emit(stage, "log1p", expander.emit(stage, "div", total, ties))
    return expander.last(stage, "add", expander.emit(stage, "add", found, expander.emit(stage, "log", ties)), highest)


# ---------------------------------------------------------------------------------------------- subscripts


def _read(expander: _Expander, stage: Stage) -> bool:
    """``x[:, None]`` is x with an axis more; ``x[i, j]`` of index arrays reads where each of them says, counted from the front."""
    at = str(dict(stage.attrs).get("at", "[{0}]"))
    array = stage.args[0]
    if _WHOLE.fullmatch(at):
        axes = [k for k, part in enumerate(at[1:-1].split(", ")) if part == "None"]
        for axis in axes[:-1]:
            array = expander.emit(stage, "expand_dims", array, axis=axis)
        return expander.last(stage, "expand_dims", array, axis=axes[-1]) if axes else expander.last(stage, "copy", array)
    if not dict(stage.attrs).get("gather") or not _picks(stage, at):
        return False
    places = [_place(expander, stage, array, k, index) for k, index in enumerate(stage.args[1:])]
    return expander.last(stage, "load", array, *places, **{**dict(stage.attrs), "at": at, "within": True})


def _picks(stage: Stage, at: str) -> bool:
    indices = stage.args[1:]
    return bool(_PICKED.fullmatch(at)) and all(index.type.rank == 1 and index.type.kind == "int" for index in indices)


def _place(expander: _Expander, stage: Stage, array: Atom, axis: int, index: Atom) -> Atom:
    """An index array counted from the front; one that counts 0, 1, 2, … is left to whoever knows how long it is."""
    if index in expander.positions:
        return index
    return expander.emit(stage, "position", index, expander.emit(stage, "extent", array, axis=axis))


def _added(expander: _Expander, stage: Stage) -> bool:
    """``a[:, None] += v`` is a sum; added to zeros, it is v itself. ``a[range, j] += v`` is a sum where the column is j."""
    at = str(dict(stage.attrs).get("at", "[{0}]"))
    array, value = stage.args[0], stage.args[-1]
    if _WHOLE.fullmatch(at) and value.type.rank == at.count(",") + 1:
        new = [k for k, part in enumerate(at[1:-1].split(", ")) if part == "None"]
        same = tuple(dim for k, dim in enumerate(expander.dims(value)) if k not in new) == expander.dims(array)
        for axis in reversed(new):
            value = expander.emit(stage, "squeeze", value, axis=axis)
        return expander.last(stage, "copy", value) if array in expander.zeros and same else expander.last(stage, "add", array, value)
    if len(stage.args) != 4 or array.type.rank != 2 or value.type.rank != 1 or stage.args[1] not in expander.positions:
        return False
    known, equal = _picks(replace(stage, args=stage.args[:-1]), at), expander.dimensions.equal
    if not known or equal(expander.dims(stage.args[1])[0]) != equal(expander.dims(array)[0]):
        return False
    place = stage.args[2]
    if place in expander.positions and equal(expander.dims(place)[0]) != equal(expander.dims(array)[1]):
        return False  # nothing says that as many columns are there
    width = expander.emit(stage, "extent", array, axis=1)
    if place not in expander.positions:
        place = expander.emit(stage, "position", place, width)
    column = expander.emit(stage, "arange", Lit(0, INT), width, Lit(1, INT))
    here = expander.emit(stage, "eq", column, expander.emit(stage, "expand_dims", place, axis=1))
    more = expander.emit(stage, "where", here, expander.emit(stage, "expand_dims", value, axis=1), literal(0.0))
    return expander.last(stage, "add", array, more)


def _stored(expander: _Expander, stage: Stage) -> bool:
    """``a[i] = a[i] + v`` of rows is ``a[i] += v``, where the sum is nobody else's."""
    value = stage.args[-1]
    total = expander.makers.get(value)
    if not value.type.rank or total is None or total.op not in ("add", "sub") or dict(stage.attrs).get("gather"):
        return False
    for row, more in (total.args, total.args[::-1])[: 1 if total.op == "sub" else 2]:
        made, own = expander.makers.get(row), expander.makers.get(more)
        if made is None or made.op != "load" or (made.args, made.attrs) != (stage.args[:-1], stage.attrs):
            continue
        if own is not None and own.op == "load" and own.args[0] == stage.args[0]:
            return False  # it is read where it is written to: a copy would be made
        if expander.reads[made.out] == expander.reads[total.out] == 1 and row.type == value.type == replace(more.type, rank=row.type.rank):
            expander.gone |= {made.out, total.out}
            more = expander.emit(stage, "neg", more) if total.op == "sub" else more
            return expander.last(stage, "accumulate", *stage.args[:-1], more, **dict(stage.attrs))
    return False


_CHANGES: dict[str, Callable[[_Expander, Stage], bool]] = {
    "mean": _mean, "var": _var, "std": _var, "norm": _norm, "tied": _tied, "softmax": _softmax, "log_softmax": _log_softmax,
    "shares": _shares, "logsumexp": _logsumexp, "matmul": _dot, "load": _read, "store": _stored,
    "accumulate": _added,
}  # fmt: skip
