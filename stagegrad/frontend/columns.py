"""What lists of computed length are made of: for each number or array of an item, an array that holds it for all items.

The items of a list of arrays are rows of an array with one axis more. How long these rows are has to be known where room is made for
them, which is before the loop that appends. So such a loop is lowered twice: at first with rows of any size, to see what is appended;
then `shapes` says which sizes that has, in terms of what there is before the loop.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from stagegrad.frontend.memory import KEPT
from stagegrad.frontend.stages import Strength
from stagegrad.frontend.ufuncs import Ufuncs
from stagegrad.frontend.values import Many, Numbers, Record, Static, Value, describe, fill, leaves, refs
from stagegrad.frontend.words_creation import as_type, common_type, held
from stagegrad.frontend.words_shaping import stacked
from stagegrad.ir import FLOAT, INT, Atom, Attr, Block, For, Function, Lit, Module, Stage, Type, Var, binds, walk
from stagegrad.ops import literal
from stagegrad.shapes import Dim, Dimensions, dimensions, left_of

#: The sizes of the arrays in an item, one after the other.
Sizes = tuple[Atom, ...]


@dataclass(frozen=True)
class Size:
    """A size that is known before a loop: a number, an int, or how long an axis of an array is; or a result of arithmetic with such."""

    of: int | Var | str
    axis: int = 0
    operands: tuple[Size, ...] = ()


@dataclass(frozen=True)
class Rows:
    """The sizes of the arrays that a list holds; None where they are those of its first item. The `certain` need not be compared."""

    sizes: tuple[Size, ...] | None
    certain: bool = False


class Columns(Ufuncs):
    """Lowers the reading and writing of items of lists of computed length."""

    rows: dict[int, Rows]  # the sizes of the arrays in growing lists
    appended: dict[int, list[tuple[Atom, ...]]]  # what has been appended to them

    # ------------------------------------------------------------------------------------------ items

    def as_item(self, value: Value, node: ast.AST) -> Value:
        """The value as a list of computed length holds it; arrays in it must not be written to from here on."""
        if self.memory is not None:
            buffers = {ref.buffer for ref in refs(value)}.union(*(self.memory.lies.get(leaf, ()) for leaf in leaves(value)))
            self.memory.keep(buffers)
        value = self.plain(value, node)
        for leaf in leaves(value):
            self.settle(leaf)
        return self._fit(value, node)

    def _fit(self, value: Value, node: ast.AST) -> Value:
        match value:
            case Var() | Lit() | Static(None | str()):
                return value
            case Many(items, display) if display != "iterator":
                return replace(value, items=tuple(self._fit(item, node) for item in items))
            case Record(items=items):
                return replace(value, items=tuple(self._fit(item, node) for item in items))
            case Numbers():
                return self.exactly(value, node)
            case _:
                raise self.unknown(node, f"a list of computed length cannot hold {describe(value)}", "numbers, arrays, or tuples of them")

    def item_at(self, owner: Numbers, place: Atom, node: ast.AST) -> Value:
        """The item at a position that is counted from the front."""
        atoms = [self._row(column, leaf.type, place, node) for column, leaf in zip(owner.columns, leaves(owner.item), strict=True)]
        return self._with_counts(fill(owner.item, iter(atoms)), node)

    def _with_counts(self, value: Value, node: ast.AST) -> Value:
        """An item, the lists in it as long as their arrays: a list in a list has no room behind its last item."""
        match value:
            case Numbers(columns=(first, *_)):
                return replace(value, count=self.emit("extent", [first], node, (("axis", 0),)))
            case Many(items) | Record(items=items):
                return replace(value, items=tuple(self._with_counts(item, node) for item in items))
            case _:
                return value

    def _row(self, column: Atom, type: Type, place: Atom, node: ast.AST) -> Atom:
        found = self.emit("load", [column, place], node, _at_row(type))
        if type.rank and self.memory is not None:
            self.memory.lies[found] = frozenset({KEPT})
        if isinstance(found, Var) and found.type == FLOAT:
            self.strengths[found] = Strength.EITHER  # the list may hold floats of Python as well as NumPy's
        return found

    def with_item(self, owner: Numbers, place: Atom, value: Value, node: ast.AST, word: str = "") -> Numbers:
        """The list with another item at a position."""
        atoms, types = list(leaves(value)), [leaf.type for leaf in leaves(owner.item)]
        columns = list(owner.columns)
        for k, (atom, type) in enumerate(zip(atoms, types, strict=True)):
            name = f"{word}{k}" if word and len(atoms) > 1 else word
            args = [columns[k], place, self.converted(atom, type, node)]
            columns[k] = self.emit("store", args, node, _at_row(type), name)
        return replace(owner, columns=tuple(columns))

    def new_columns(self, item: Value, count: Atom, sizes: Sizes, node: ast.AST) -> tuple[Atom, ...]:
        """Arrays with room for so many items."""
        rest = iter(sizes)
        found: list[Atom] = []
        for leaf in leaves(item):
            own = [next(rest) for _ in range(leaf.type.rank)]
            found.append(self.emit("empty_of", [count, *own], node, held(leaf.type)))
        return tuple(found)

    def sizes_of(self, value: Value, node: ast.AST) -> Sizes:
        """The sizes of the arrays in an item."""
        return tuple(self._sizes([(leaf, leaf.type.rank, 0) for leaf in leaves(value)], node))

    def sizes_in(self, owner: Numbers, node: ast.AST) -> Sizes:
        """The sizes of the arrays in the items of a list."""
        pairs = zip(owner.columns, leaves(owner.item), strict=True)
        return tuple(self._sizes([(column, leaf.type.rank, 1) for column, leaf in pairs], node))

    def _sizes(self, arrays: Iterable[tuple[Atom, int, int]], node: ast.AST) -> Iterator[Atom]:
        for array, rank, first in arrays:
            for axis in range(first, first + rank):
                yield self.emit("extent", [array], node, (("axis", axis),))

    def require_fit(self, owner: Numbers, value: Value, node: ast.AST) -> None:
        """Raises where the arrays in an item are not as large as those in the list."""
        for own, other in zip(self.sizes_in(owner, node), self.sizes_of(value, node), strict=True):
            differ = self.arithmetic("ne", own, other, node)
            self.stop(differ, "ValueError", "the arrays in this list are not all of one shape, which compiled code needs", node)

    # ------------------------------------------------------------------------------------------ whole lists

    def exactly(self, value: Numbers, node: ast.AST) -> Numbers:
        """The list in arrays of its length."""
        if value.exact:
            return value
        return replace(value, columns=tuple(self._sealed(column, value.count, node) for column in value.columns), exact=True)

    def _sealed(self, column: Atom, count: Atom, node: ast.AST) -> Atom:
        return self.emit("load", [column, count], node, (("at", "[:{0}]"), ("rank", column.type.rank)))

    def sealed(self, value: Numbers, node: ast.AST) -> Atom:
        """What a list holds, as an array of its length."""
        columns = iter(self.exactly(value, node).columns)
        return self._as_array(value.item, columns, node)

    def _as_array(self, item: Value, columns: Iterator[Atom], node: ast.AST) -> Atom:
        match item:
            case Var() | Lit():
                return next(columns)
            case Numbers(columns=(_,)):
                array, _ = next(columns), next(columns)
                return array
            case Many(items) | Record("tuple", items=items):
                parts = [self._as_array(part, columns, node) for part in items]
                if parts and len({part.type.rank for part in parts}) == 1:
                    type = common_type(parts)
                    return stacked(self, node, [as_type(self, node, part, type) for part in parts], 1)
        raise self.refusal(node, f"a list whose items are each {describe(item)} is no array", "a list of numbers or of arrays of one shape")

    def section_of_list(self, value: Numbers, text: str, bounds: Sequence[Atom], node: ast.AST) -> Numbers:
        """``items[1:]``: a list of its own, whose items are those of the other."""
        exact, found = self.exactly(value, node), []
        for column in exact.columns:
            at: list[tuple[str, Attr]] = [("at", f"[{text.format(*(f'{{{k}}}' for k in range(len(bounds))))}]"), ("rank", column.type.rank)]
            found.append(self.emit("load", [column, *bounds], node, at))
        return replace(exact, columns=tuple(found), count=self.length(found[0], node), ident=self.new_ident())

    # ------------------------------------------------------------------------------------------ sizes before a loop

    def rows_before(self, ident: int, before: int, start: Iterable[Value]) -> Rows | None:
        """The sizes of the arrays that a loop has appended to a list, as they are known before it; None if they are not.

        The loop is among the statements; `before` is how many there were before it, and `start` what the variables held.
        """
        items = self.appended.get(ident, [])
        stmts = [stmt for block in (*self.around, self.stmts[:before]) for stmt in block]
        there = dict.fromkeys(chain(self.given, (var for stmt in stmts for var in binds(stmt)),
                                    (leaf for value in start for leaf in leaves(value) if isinstance(leaf, Var))))  # fmt: skip
        loop = [*walk(Block(tuple(self.stmts[before:]), ()))]
        made = {stmt.out: stmt for stmt in loop if isinstance(stmt, Stage) and (stmt.op in _OF_SIZES or stmt.op == "load")}
        first = {stmt.index: stmt.start for stmt in loop if isinstance(stmt, For)}
        module = Module(tuple(spec.function for spec in self.compilation.made if spec.function is not None))
        block = Block((*stmts, *self.stmts[before:]), ())
        for even in (None, module):
            try:
                found = self._walked(block, there, even)
            except StopIteration:  # it calls itself
                return None
            sizing = _Sizing(found, there, made, first if even else {})
            ways = {tuple(sizing.of(dim) for leaf in item if leaf.type.rank for dim in found.shape(leaf)) for item in items}
            if len(ways) == 1 and None not in (sizes := ways.pop()):
                return Rows(tuple(size for size in sizes if size is not None), certain=even is None)
        return None

    def _walked(self, block: Block, there: Iterable[Var], even: Module | None) -> Dimensions:
        """What is known of the sizes in these statements."""
        found = dimensions(Function("before", tuple(self.given), Block((), ())), even=even is not None, module=even)
        for var in there:
            found.fresh(var)
        found.block(block)
        return found

    def sized(self, size: Size, node: ast.AST) -> Atom:
        """A size that is known before a loop, in numbers."""
        if isinstance(size.of, int):
            return literal(size.of)
        if isinstance(size.of, str):
            return self.emit(size.of, [self.sized(operand, node) for operand in size.operands], node)
        return self.emit("extent", [size.of], node, (("axis", size.axis),)) if size.of.type.rank else size.of


def _at_row(type: Type) -> tuple[tuple[str, Attr], ...]:
    """The attributes with which an item is read from its array, and written there."""
    return (("at", "[{0}]"), ("rank", type.rank)) if type.rank else ()


@dataclass
class _Sizing:
    """Finds dimensions in terms of the values that there are before a loop.

    `made` are the ints and the sections of arrays that it computes, `first` the ints that it counts, in the first trip: the sizes are
    those of the first trip where they may differ from trip to trip, and nobody is certain of them.
    """

    found: Dimensions
    there: Mapping[Var, object]
    made: Mapping[Var, Stage]
    first: Mapping[Var, Atom]

    def of(self, dim: Dim) -> Size | None:
        found, dim = self.found, self.found.equal(dim)
        if isinstance(dim, int):
            return Size(dim)
        for var in self.there:
            if var.type == INT and var in found.sizes and found.equal(found.sizes[var]) == dim:
                return Size(var)
            for axis, own in enumerate(found.of.get(var, ()) if var.type.rank else ()):
                if found.equal(own) == dim:
                    return Size(var, axis)
        sizes = [var for var, stage in self.made.items() if stage.op not in _ASKED and var.type == INT and var in found.sizes]
        inside = next((var for var in sizes if found.equal(found.sizes[var]) == dim), None)
        if inside is not None:
            return self.number(inside)
        whole, less = left_of(dim)
        size = self.of(whole) if less else None
        if size is not None:
            return Size("max", operands=(Size("sub", operands=(size, Size(less))), Size(0)))
        cuts = (self._cut(stage, k) for var, stage in self.made.items() if stage.op == "load" and self.first
                for k, own in enumerate(found.of.get(var, ())) if found.equal(own) == dim)  # fmt: skip
        return next((cut for cut in cuts if cut is not None), None)

    def _cut(self, stage: Stage, axis: int) -> Size | None:
        """How many elements ``a[i, start:stop]`` has along an axis, if both are positive."""
        at = re.fullmatch(r"\[([^][]*)\]", str(dict(stage.attrs).get("at", "")))
        parts = [(k, part.strip()) for k, part in enumerate(at[1].split(","))] if at else []
        if any(part in ("None", "...") for _, part in parts):
            return None
        sliced = [(k, part) for k, part in parts if ":" in part]
        bounds = re.fullmatch(r"(?:\{(\d+)\})?:(?:\{(\d+)\})?", sliced[axis][1]) if axis < len(sliced) else None
        if bounds is None:
            return None
        whole = self.of(self.found.shape(stage.args[0])[sliced[axis][0]])
        start, stop = (default if k is None else self.number(stage.args[1 + int(k)])
                       for k, default in zip(bounds.groups(), (Size(0), whole), strict=True))  # fmt: skip
        if whole is None or start is None or stop is None:
            return None
        return Size("max", operands=(Size("sub", operands=(Size("min", operands=(stop, whole)), start)), Size(0)))

    def number(self, atom: Atom) -> Size | None:
        """An int that the loop computes."""
        if isinstance(atom, Lit):
            return Size(atom.value) if isinstance(atom.value, int) else None
        if atom in self.there:
            return Size(atom)
        if atom in self.first:
            return self.number(self.first[atom])
        stage = self.made.get(atom)
        if stage is None or any(arg.type != INT for arg in stage.args):
            return self.of(self.found.sizes[atom]) if stage is not None and stage.op in _ASKED else None
        operands = tuple(self.number(arg) for arg in stage.args)
        return None if None in operands else Size(stage.op, operands=tuple(size for size in operands if size is not None))


#: Operations on sizes, and those that ask for one.
_ASKED = frozenset({"extent", "size"})
_OF_SIZES = _ASKED | {"add", "sub", "mul", "floordiv", "max", "min", "trip_count", "mul_int", "add_int", "sub_int"}
