"""What loops that are counted at run time go over: how many items there are, and which one stands at a position.

``zip``, ``enumerate``, ``map``, ``reversed`` and those of `itertools` are a `Stream` over other things of this kind.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TypeAlias

from stagegrad.frontend.arrays import Arrays
from stagegrad.frontend.forms import known
from stagegrad.frontend.values import Many, Range, Stream, Value, describe, ident_of_all
from stagegrad.ir import Atom, Lit, Var
from stagegrad.ops import literal

#: How many items there are, and what gives the one at a position.
Cursor: TypeAlias = tuple[Atom, Callable[[Atom], Value]]
#: Iterators that never end; only beside one that does can they be looped over.
ENDLESS = frozenset({"count", "repeat", "cycle"})


class Streams(Arrays):
    """Lowers what is looped over."""

    def cursor(self, value: Value, node: ast.AST) -> Cursor:
        """How many items there are to loop over, and the item at a position."""
        match value:
            case Range(start=start, step=step):
                return self.trips_of(value, node), lambda index: self._shifted(self._scaled(index, step, node), start, node)
            case Stream("enumerate", (part,), Var() | Lit() as first):
                count, inner = self.cursor(part, node)
                return count, lambda index: Many((self._shifted(index, first, node), inner(index)))
            case Stream("zip", parts):
                return self._zipped(parts, node)
            case Stream("map", (function, *inputs)):
                count, items = self._zipped(tuple(inputs), node)
                return count, lambda index: self._mapped(function, items(index), node)
            case Stream("kept", (part,)):
                return self.cursor(part, node)
            case Stream("product", parts):
                return self._product_of([self.cursor(part, node) for part in parts], node)
            case Stream("chain", parts):
                return self._one_behind_the_other([self.cursor(part, node) for part in parts], node)
            case Stream("pairwise", (part,)):
                count, item = self.cursor(part, node)
                fewer = self.emit("max", [self.arithmetic("sub", count, literal(1), node), literal(0)], node)
                return fewer, lambda index: Many((item(index), item(self.arithmetic("add", index, literal(1), node))))
            case Stream("islice", (part, Var() | Lit() as start, Var() | Lit() as stop, Var() | Lit() as step)):
                count, item = (stop, self._endless(part, node)) if _is_endless(part) else self.cursor(part, node)
                last = stop if count == stop else self.emit("min", [stop, count], node)
                trips = self.trips_of(Range(start, last, step), node)
                return trips, lambda index: item(self._shifted(self._scaled(index, step, node), start, node))
            case Stream("zip_longest", (filling, *others)):
                return self._longest([self.cursor(part, node) for part in others], filling, node)
            case Stream(kind) if kind in ENDLESS:
                raise self.refusal(node, f"itertools.{kind} has no end", "zip with something that ends, or `while True` with a `break`")
            case Stream("reversed", (part,)):
                count, inner = self.cursor(part, node)
                last = self.arithmetic("sub", count, literal(1), node)
                return count, lambda index: inner(self.arithmetic("sub", last, index, node))
            case _ if self.is_array(value):
                return self.length(value, node), lambda index: self.row(value, index, node)
            case Many(items, display) if display != "iterator":
                return literal(len(items)), lambda index: self.picked(value, index, node)
            case _:
                message = f"{describe(value)} cannot be looped over beside something whose length is known at run time only"
                raise self.unknown(node, message, "an array: np.array(...)")

    def count_of(self, value: Value, node: ast.AST) -> Atom:
        return self.cursor(value, node)[0]

    def trips_of(self, over: Range, node: ast.AST) -> Atom:
        """How many ints a range gives."""
        return self.emit("trip_count", [over.start, over.stop, over.step], node)

    def _mapped(self, function: Value, items: Value, node: ast.AST) -> Value:
        """What ``map`` gives next: the function is called in each trip, as what it reads may have changed."""
        call = ast.Call(known(function), [ast.Starred(known(items), ast.Load())], [])
        return self.expr(ast.fix_missing_locations(ast.copy_location(call, node)))

    def _zipped(self, parts: tuple[Value, ...], node: ast.AST) -> Cursor:
        cursors = [(None, self._endless(part, node)) if _is_endless(part) else self.cursor(part, node) for part in parts]
        counts = list(dict.fromkeys(count for count, _ in cursors if count is not None))
        if not counts:
            raise self.refusal(node, "none of these iterators has an end", "something that ends as one of them")
        least = counts[0]
        for count in counts[1:]:
            least = self.emit("min", [least, count], node)
        return least, lambda index: Many(tuple(item(index) for _, item in cursors))

    def _scaled(self, index: Atom, step: Atom, node: ast.AST) -> Atom:
        return index if step == literal(1) else self.arithmetic("mul", index, step, node)

    def _shifted(self, index: Atom, start: Atom, node: ast.AST) -> Atom:
        return index if start == literal(0) else self.arithmetic("add", start, index, node)

    def side_by_side(self, values: list[Value], node: ast.AST) -> Value:
        known = [value for value in values if not _is_endless(value)]
        if not known or any(map(self.is_counted, known)):
            return Stream("zip", tuple(values))
        least = min(len(self.items_of(value, "zip", node)) for value in known)  # beside what never ends: all is known
        given = {id(value): self._endless(value, node) for value in values if _is_endless(value)}
        columns = [[given[id(value)](literal(k)) for k in range(least)] if id(value) in given else self.items_of(value, "zip", node)
                   for value in values]  # fmt: skip
        return Many(tuple(Many(row) for row in zip(*columns, strict=False)), "iterator", ident_of_all(*values))

    def _endless(self, value: Value, node: ast.AST) -> Callable[[Atom], Value]:
        """The item at a position of what never ends."""
        match value:
            case Stream("count", (start, step)):
                return lambda index: self.operate("add", start, self.operate("mul", index, step, node), node)
            case Stream("cycle", (Many() as part,)):
                return lambda index: self._in_a_circle(part, index, node)
            case Stream("repeat", (part,)):
                return lambda index: part
            case _:
                raise TypeError(f"ends: {value!r}")

    def _in_a_circle(self, part: Value, index: Atom, node: ast.AST) -> Value:
        assert isinstance(part, Many)
        place = self.arithmetic("mod", index, literal(len(part.items)), node)
        return part.items[place.value] if isinstance(place, Lit) and type(place.value) is int else self.picked(part, place, node)

    def _product_of(self, cursors: Sequence[Cursor], node: ast.AST) -> Cursor:
        """Every combination, the last factor the fastest: a position counts in digits, one for each factor."""
        total: Atom = literal(1)
        for count, _ in cursors:
            total = count if total == literal(1) else self.arithmetic("mul", total, count, node)

        def item(index: Atom) -> Value:
            found: list[Value] = []
            for k, (count, of) in reversed([*enumerate(cursors)]):
                found.append(of(self.arithmetic("mod", index, count, node) if k else index))
                index = self.arithmetic("floordiv", index, count, node) if k else index
            return Many(tuple(reversed(found)))

        return total, item

    def _one_behind_the_other(self, cursors: Sequence[Cursor], node: ast.AST) -> Cursor:
        """The items of the first, then those of the second, and so on."""
        ends = [cursors[0][0]]
        for count, _ in cursors[1:]:
            ends.append(self.arithmetic("add", ends[-1], count, node))

        def item(index: Atom, first: int = 0) -> Value:
            place = self.arithmetic("sub", index, ends[first - 1], node) if first else index
            if first + 1 == len(cursors):
                return cursors[first][1](place)
            inside = self.arithmetic("lt", index, ends[first], node)
            return self.choose(inside, lambda: cursors[first][1](place), lambda: item(index, first + 1), node)

        return ends[-1], item

    def _longest(self, cursors: Sequence[Cursor], filling: Value, node: ast.AST) -> Cursor:
        """Side by side up to the longest; where one has ended, something else stands in its place."""
        most = cursors[0][0]
        for count, _ in cursors[1:]:
            most = most if count == most else self.emit("max", [most, count], node)

        def one(cursor: Cursor, index: Atom) -> Value:
            return self.choose(self.arithmetic("lt", index, cursor[0], node), lambda: cursor[1](index), lambda: filling, node)

        return most, lambda index: Many(tuple(one(cursor, index) for cursor in cursors))


def _is_endless(value: Value) -> bool:
    return isinstance(value, Stream) and value.kind in ENDLESS
